"""Image bytes as arrays, and any supported encoding as BGR.

`view` lays an array over the bytes of a message without copying, `to_bgr` converts what is not
BGR already, `decode_compressed` unpacks JPEG and PNG. Encodings have the names that
sensor_msgs/Image uses.

YUV is read as BT.601 with limited range (16 to 235), which V4L2 cameras and Jetson's ISP produce
and OpenCV assumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_decoding import decode_intact_jpeg
from jetson_perception.images.picture_files import check_picture, decode_picture
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.images.pixel_limit import limit_in_words
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How one encoding lies in memory, and OpenCV's conversion to BGR."""

    bytes_per_pixel: int
    to_bgr: int | None
    even_width: bool = False
    even_height: bool = False
    half_height_chroma: bool = False

    def rows(self, height: int) -> int:
        """Rows in memory of an image of this height."""
        return height * 3 // 2 if self.half_height_chroma else height


# ROS names a Bayer pattern by its first two rows, OpenCV by the second and third pixel of the
# second row: bayer_rggb8 is OpenCV's BayerBG.
_ENCODINGS = {
    'bgr8': _Encoding(3, None),
    'rgb8': _Encoding(3, cv2.COLOR_RGB2BGR),
    'bgra8': _Encoding(4, cv2.COLOR_BGRA2BGR),
    'rgba8': _Encoding(4, cv2.COLOR_RGBA2BGR),
    'mono8': _Encoding(1, cv2.COLOR_GRAY2BGR),
    'yuv422_yuy2': _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, even_width=True),
    'yuyv': _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, even_width=True),
    'uyvy': _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, even_width=True),
    'yuv422': _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, even_width=True),
    'nv12': _Encoding(1, cv2.COLOR_YUV2BGR_NV12, True, True, half_height_chroma=True),
    'nv21': _Encoding(1, cv2.COLOR_YUV2BGR_NV21, True, True, half_height_chroma=True),
    'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerBG2BGR, True, True),
    'bayer_bggr8': _Encoding(1, cv2.COLOR_BayerRG2BGR, True, True),
    'bayer_gbrg8': _Encoding(1, cv2.COLOR_BayerGR2BGR, True, True),
    'bayer_grbg8': _Encoding(1, cv2.COLOR_BayerGB2BGR, True, True),
}

ENCODINGS: tuple[str, ...] = tuple(_ENCODINGS)
"""Encodings that `view` and `to_bgr` take, by their names in sensor_msgs/Image."""

JPEG = 'jpeg'
"""What stands for an encoding where an image is the bytes of a JPEG file, as cameras send it.
ROS has no such images but in CompressedImage, so `view` does not take it."""

UNNAMED: dict[str, str] = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}
"""Encodings that give a number of channels but no meaning, which cv_bridge publishes by default;
mapped to what OpenCV images contain."""

_COMPRESSED_FORMATS = ('JPEG', 'PNG')
_DEPTH_MARKS = ('16', '32', '64')


def view(data: Any, height: int, width: int, encoding: str, step: int) -> NDArray[np.uint8]:
    """Pixels of an image message as an array over the same memory.

    Parameters
    ----------
    data : buffer
        `array.array`, bytes, memoryview or contiguous ndarray. It must outlive the result, which
        is writable where the buffer is.
    height, width : int
        Of the image, pixels; for nv12 and nv21 without the chroma rows.
    encoding : str
        One of `ENCODINGS`.
    step : int
        Bytes from one row to the next. The last row may end without its padding.

    Returns
    -------
    ndarray, uint8
        (h, w, 3) or (h, w, 4) for color, (h, w) for mono8 and bayer, (h, w, 2) for YUV 4:2:2,
        (h × 3/2, w) for nv12 and nv21. Not copied; rows are `step` bytes apart.

    Raises
    ------
    ImageError
        When the encoding is not supported, the size is zero or odd where it must be even, `step`
        is too small, or `data` is too short.
    """
    layout = _layout(encoding)
    if (layout.even_width and width % 2) or (layout.even_height and height % 2):
        sides = 'width and height' if layout.even_height else 'width'
        raise ImageError(
            f'image is {width}×{height}, {encoding}: this encoding needs an even {sides}; set '
            "the driver's resolution, or publish bgr8"
        )
    rows = layout.rows(height)
    row_bytes = width * layout.bytes_per_pixel
    require_bytes(len(data), height, width, encoding, step, row_bytes, rows)
    flat = np.frombuffer(data, np.uint8)
    channels = layout.bytes_per_pixel
    if channels == 1:
        return np.ndarray((rows, width), np.uint8, flat, strides=(step, 1))
    return np.ndarray((rows, width, channels), np.uint8, flat, strides=(step, channels, 1))


def size_wh(pixels: NDArray[np.uint8], encoding: str) -> tuple[int, int]:
    """Width and height of an image whose pixels are as `view` gives them, or the bytes of a JPEG.

    Raises
    ------
    ImageError
        When the encoding is not supported, or the bytes are no JPEG.
    """
    if encoding == JPEG:
        header = check_picture(pixels.tobytes(), formats=('JPEG',), max_bits=8)
        return header.width, header.height
    _layout(encoding)  # refuses what is not supported
    return pixels.shape[1], image_height(pixels.shape[0], encoding)


def image_height(rows: int, encoding: str) -> int:
    """Height of an image with so many rows in memory, in whatever encoding: some have chroma."""
    layout = _ENCODINGS.get(encoding)
    return rows * 2 // 3 if layout is not None and layout.half_height_chroma else rows


def require_pixels(height: int, width: int, max_image_pixels: int) -> None:
    """Refuse an image with more pixels than allowed.

    Raises
    ------
    ImageError
        When it has more.
    """
    if height * width > max_image_pixels:
        raise ImageError(f'image is {width}×{height} pixels; {limit_in_words(max_image_pixels)}')


def require_bytes(
    nbytes: int, height: int, width: int, encoding: str, step: int, row_bytes: int, rows: int
) -> None:
    """Refuse an image that has fewer bytes than its size needs.

    Parameters
    ----------
    nbytes : int
        How many there are.
    height, width, encoding, step
        As of `view`.
    row_bytes : int
        Bytes of a row without padding.
    rows : int
        Rows in memory.

    Raises
    ------
    ImageError
        When the size is zero, `step` is too small, or there are too few bytes.
    """
    if height <= 0 or width <= 0:
        raise ImageError(
            f'image is {width}×{height}, {encoding}: it has no pixels; check that the driver '
            'sets width and height'
        )
    if step < row_bytes:
        raise ImageError(
            f'image is {width}×{height}, {encoding}, with a step of {step} bytes: a row takes at '
            f'least {row_bytes}; correct step, width or encoding in the publisher'
        )
    needed = step * (rows - 1) + row_bytes
    if nbytes < needed:
        raise ImageError(
            f'image is {width}×{height}, {encoding}, with a step of {step} bytes: it takes '
            f'{needed} bytes of data and has {nbytes}; the publisher cuts the image short, or '
            'its size or encoding is wrong'
        )


def byte_count(height: int, width: int, encoding: str, step: int) -> int:
    """Bytes from an image's first to its last; the last row ends without its padding.

    Parameters
    ----------
    height, width, encoding, step
        As of `view`, which takes no fewer.

    Raises
    ------
    ImageError
        When the encoding is not supported.
    """
    layout = _layout(encoding)
    return step * (layout.rows(height) - 1) + width * layout.bytes_per_pixel


def memory_layout(height: int, width: int, encoding: str) -> tuple[int, int]:
    """Rows in memory of an image of this size, and bytes of each without padding.

    Raises
    ------
    ImageError
        When the encoding is not supported.
    """
    layout = _layout(encoding)
    return layout.rows(height), width * layout.bytes_per_pixel


def array_shape(height: int, width: int, encoding: str) -> tuple[int, ...]:
    """The shape of an image of this size, as `view` gives it.

    Raises
    ------
    ImageError
        When the encoding is not supported.
    """
    layout = _layout(encoding)
    rows, channels = layout.rows(height), layout.bytes_per_pixel
    return (rows, width, channels) if channels > 1 else (rows, width)


def require_layout(
    pixels: NDArray[np.uint8], height: int, width: int, encoding: str
) -> tuple[int, int]:
    """Refuse pixels that are not as `view` gives them for this size and encoding.

    Returns
    -------
    rows, row_bytes : int
        Of the pixels, without any padding of rows.

    Raises
    ------
    ImageError
        When they are not, or the encoding is not supported.
    """
    rows, row_bytes = memory_layout(height, width, encoding)
    if pixels.dtype != np.uint8 or len(pixels) != rows or pixels.nbytes != rows * row_bytes:
        raise ImageError(
            f'image is {width}×{height}, {encoding}, and has pixels of {pixels.dtype} '
            f'{pixels.shape}; {rows} rows of {row_bytes} bytes are needed: pass the result of '
            'images.encodings.view'
        )
    return rows, row_bytes


def to_bgr(
    pixels: NDArray[np.uint8], encoding: str, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The image as BGR.

    Parameters
    ----------
    pixels : ndarray, uint8
        As `view` gives it for this encoding; rows may be padded. For `JPEG`, the file's bytes.
    encoding : str
        One of `ENCODINGS`, or `JPEG`.
    out : ndarray, shape (h, w, 3), uint8, optional
        Where to put the result, so that nothing is allocated. Unused for bgr8.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        `pixels` itself for bgr8, never a copy; else `out` or a new array.

    Raises
    ------
    ImageError
        When the encoding is not supported, or a JPEG is damaged.
    """
    if encoding == JPEG:
        return decode_compressed(pixels, JPEG)
    conversion = _layout(encoding).to_bgr
    if conversion is None:
        return pixels
    bgr: NDArray[np.uint8] = cv2.cvtColor(pixels, conversion, dst=out)
    return bgr


def decode_compressed(
    data: Any, format: str = '', max_image_pixels: int = MAX_IMAGE_PIXELS
) -> NDArray[np.uint8]:
    """The BGR image in a JPEG or PNG file's bytes.

    Parameters
    ----------
    data : buffer
        The `data` of a sensor_msgs/CompressedImage.
    format : str
        Its `format`; only for the error's text, as the file is recognized by its first bytes.
    max_image_pixels : int
        The most that are decoded. The header is checked first: a few hundred bytes can claim
        gigabytes.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        Grey images get three equal channels, alpha is dropped, EXIF rotation is not applied:
        the pixels are those that the camera's calibration is for.

    Raises
    ------
    ImageError
        When the data is empty, neither JPEG nor PNG, has more pixels or more than 8 bits a
        channel, is damaged, or cannot be decoded.
    """
    named = f' (format {quoted(format)})' if format else ''
    if not len(data):
        raise ImageError(
            f'compressed image{named} has no data; check that the publisher encodes its images'
        )
    encoded = bytes(memoryview(data))
    try:
        return _decode_file(encoded, max_image_pixels)
    except ImageError as err:
        raise ImageError(
            f'compressed image{named} of {len(encoded)} bytes is {err}; check the publisher, or '
            'subscribe to the raw topic'
        ) from err


def _decode_file(data: bytes, max_image_pixels: int) -> NDArray[np.uint8]:
    limits: dict[str, Any] = {
        'formats': _COMPRESSED_FORMATS,
        'max_bits': 8,
        'max_image_pixels': max_image_pixels,
    }
    header = check_picture(data, **limits)
    if header.format == 'JPEG':
        return decode_intact_jpeg(data, header)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr: NDArray[np.uint8] = decode_picture(data, **limits, flags=flags)
    return bgr


def _layout(encoding: str) -> _Encoding:
    layout = _ENCODINGS.get(encoding)
    if layout is not None:
        return layout
    taken = ', '.join(ENCODINGS)
    if any(mark in encoding for mark in _DEPTH_MARKS):
        raise ImageError(
            f'image is {printable(encoding)}, which has more than 8 bits per channel, like depth '
            f"and raw images; supported are {taken}: use a color topic, or set the driver's "
            'pixel format'
        )
    raise ImageError(
        f'image is {quoted(encoding)}, an unknown encoding; supported are {taken}: set '
        "the driver's pixel format to one of them"
    )
