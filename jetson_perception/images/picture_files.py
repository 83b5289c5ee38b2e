"""Reads, decodes and writes picture files: the only place where OpenCV sees their bytes.

OpenCV decodes every format it knows and takes as much memory as the file claims to need, so format
and size in the header are checked first. Files are read and written as
bytes, since OpenCV crashes on a name that is not UTF-8.
"""

from __future__ import annotations

import functools
import logging
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.files.output_files import write_output
from jetson_perception.images.picture_header import (
    CONVERT,
    FORMATS,
    MAX_BITS,
    MAX_IMAGE_PIXELS,
    PNG_SIGNATURE,
    PictureHeader,
    modern_picture,
    picture_format,
    read_picture_header,
)
from jetson_perception.images.pixel_limit import limit_in_words
from jetson_perception.printable import printable
from jetson_perception.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_FILE_BYTES_A_PIXEL = 8  # four channels of 16 bits, not compressed
_MEASURED_BITS = 32  # floating-point numbers, or large integers
_FILE_BYTES_BESIDE = 16 << 20  # thumbnails, color profiles

# The chunks that decoding needs. Texts and color profiles can unpack to gigabytes, and further
# frames of an animated PNG are separate pictures.
_PNG_CHUNKS = frozenset({b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND', b'eXIf'})
_MOST_PNG_CHUNKS = 1 << 17


def check_picture(
    data: bytes,
    *,
    formats: Sequence[str] = FORMATS,
    max_bits: int = MAX_BITS,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
) -> PictureHeader:
    """The header of a picture that may be decoded.

    Parameters
    ----------
    data : bytes
        The file's content.
    formats : sequence of str
        The accepted ones of `jetson_perception.images.picture_header.FORMATS`.
    max_bits : int
        The most bits per channel.
    max_image_pixels : int
        The most that the picture may have.

    Raises
    ------
    ImageError
        When it is empty, of another format, has a broken header, more bits or more pixels; the
        text is the end of a sentence: 'is …'.
    """
    taken = f'{", ".join(formats[:-1])} and {formats[-1]}' if len(formats) > 1 else formats[0]
    if not data:
        raise ImageError(f'empty; {taken} are supported')
    try:
        header = read_picture_header(data)
    except ImageError as err:
        known = picture_format(data) in formats or modern_picture(data)
        raise ImageError(f'{err}' if known else f'{err}; {taken} are supported') from err
    if header.format not in formats:
        raise ImageError(f'{header.format}, which is not supported; {taken} are')
    if header.pixels > max_image_pixels:
        raise ImageError(
            f'{header.format} of {header.width}×{header.height} pixels; '
            f'{limit_in_words(max_image_pixels)}'
        )
    if header.bits > max_bits:
        raise ImageError(
            f'{header.format} with {header.bits} bits per channel, like depth images; up to '
            f'{max_bits} are supported'
        )
    return header


def decode_picture(
    data: bytes,
    *,
    formats: Sequence[str] = FORMATS,
    max_bits: int = MAX_BITS,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    flags: int = cv2.IMREAD_COLOR,
) -> NDArray[Any]:
    """The pixels of a picture file's bytes.

    Parameters
    ----------
    data, formats, max_bits, max_image_pixels
        See `check_picture`.
    flags : int
        Of `cv2.imdecode`: `cv2.IMREAD_COLOR` gives BGR of 8 bits, turned as EXIF data say.

    Raises
    ------
    ImageError
        As `check_picture`, and when the content is damaged.
    """
    header = check_picture(
        data, formats=formats, max_bits=max_bits, max_image_pixels=max_image_pixels
    )
    if header.format == 'PNG':
        data = _only_pixels_of_png(data)
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as err:
        lacks = shortage(err)
        if lacks:
            raise ImageError(
                f'{header.format} of {header.width}×{header.height} pixels, and {lacks}'
            ) from err
        raise ImageError(_undecodable(header)) from err
    if pixels is None:
        raise ImageError(_undecodable(header))
    height, width = pixels.shape[:2]
    if (width, height) not in _possible_sizes_wh(header, flags):
        raise ImageError(
            f'{header.format} whose header says {header.width}×{header.height}, but whose '
            f'content is {width}×{height}; it is damaged'
        )
    if header.bits > 8 and pixels.dtype == np.uint8:
        tell_of_deep_pictures()
    result: NDArray[Any] = pixels
    return result


def read_picture(
    path: str | Path, *, max_image_pixels: int = MAX_IMAGE_PIXELS, flags: int = cv2.IMREAD_COLOR
) -> NDArray[Any]:
    """The pixels of a picture file.

    Parameters
    ----------
    path : str or Path
        Of a JPEG, PNG, BMP, PNM, TIFF or WebP; its ending does not matter.
    max_image_pixels, flags
        As `decode_picture` has them.

    Raises
    ------
    ImageError
        When it is missing, no regular file, no picture, damaged, or too large.
    """
    data = read_picture_bytes(path, max_image_pixels=max_image_pixels)
    try:
        return decode_picture(data, max_image_pixels=max_image_pixels, flags=flags)
    except ImageError as err:
        raise ImageError(f'{printable(path)} is {err}') from err


def read_picture_bytes(path: str | Path, *, max_image_pixels: int = MAX_IMAGE_PIXELS) -> bytes:
    """The content of a file that is to be a picture of so many pixels at most.

    Raises
    ------
    ImageError
        When it is missing, no regular file, or larger than such pictures are.
    """
    limit_bytes = max_image_pixels * _FILE_BYTES_A_PIXEL + _FILE_BYTES_BESIDE
    return read_foreign_file(path, what='picture', error=ImageError, limit_bytes=limit_bytes)


def write_picture(
    path: Path, pixels: NDArray[Any], parameters: Sequence[int] = (), *, parameter: str = ''
) -> None:
    """Write a picture in the format of the path's ending; whole, or not at all.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    pixels : ndarray
        As `cv2.imencode` takes them.
    parameters : sequence of int
        Of `cv2.imencode`.
    parameter : str
        Name of the setting that says where to write, for the error.

    Raises
    ------
    ParameterError
        When it cannot be encoded or written.
    """
    try:
        done, data = cv2.imencode(path.suffix, pixels, list(parameters))
    except cv2.error as err:
        raise ParameterError(
            f'{printable(path)}: {" ".join(str(err).split())}', parameter
        ) from err
    if not done:
        raise ParameterError(
            f'{printable(path)}: {pixels.dtype} {pixels.shape} cannot be encoded', parameter
        )
    write_output(path, data.tobytes(), parameter=parameter)


@functools.cache
def tell_of_deep_pictures() -> None:
    """Warn, once in a process, of what is lost of pictures with more than 8 bits per channel."""
    log.warning(
        'of pictures with 16 bits per channel the upper 8 are read: thermal images become nearly '
        'black; write them with 8 bits, or send them to a node with intensity_range'
    )


def _undecodable(header: PictureHeader) -> str:
    if header.format == 'TIFF' and header.bits >= _MEASURED_BITS:
        return (
            f'TIFF with {header.bits} bits per channel, of measured values rather than colors, '
            f'which cannot be read here; {CONVERT}'
        )
    return f'{header.format} that is damaged, or cannot be decoded here'


def _possible_sizes_wh(header: PictureHeader, flags: int) -> set[tuple[int, int]]:
    size_wh = header.width, header.height
    turned = flags != cv2.IMREAD_UNCHANGED and not flags & cv2.IMREAD_IGNORE_ORIENTATION
    return {size_wh, size_wh[::-1]} if turned else {size_wh}


def _only_pixels_of_png(data: bytes) -> bytes:
    """A PNG without the chunks that its pixels do not need; the same bytes if there are none.

    Raises
    ------
    ImageError
        When it has two headers, chunks without number, or one that is longer than the data.
    """
    position = kept_from = len(PNG_SIGNATURE)
    kept = [data[:position]]
    count = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, position)
        count += 1
        if count > _MOST_PNG_CHUNKS or (kind == b'IHDR' and count > 1):
            raise ImageError('PNG with two headers or too many chunks; it is damaged')
        # OpenCV would allocate memory for the claimed length.
        if position + 12 + length > len(data):
            raise ImageError(
                'PNG that is cut off, or whose chunks are longer than it; it is damaged'
            )
        if kind not in _PNG_CHUNKS:
            kept.append(data[kept_from:position])
            kept_from = position + 12 + length
        position += 12 + length
        if kind == b'IEND':
            break
    if len(kept) == 1:
        return data
    kept.append(data[kept_from:position])
    return b''.join(kept)
