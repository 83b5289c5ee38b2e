"""Decodes the JPEG of a message: whole, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from jetson_perception.errors import ImageError
from jetson_perception.images.jpeg_damage import can_watch, decode_watched, with_end_mark
from jetson_perception.images.jpeg_segments import FRAMES, segments
from jetson_perception.images.picture_files import decode_picture
from jetson_perception.images.turbo_jpeg import turbo_decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.images.picture_header import PictureHeader

#: By the marker of the frame header; libraries are built with some of these, or without.
_RARE_CODINGS = {
    0xC3: 'lossless',
    **dict.fromkeys((0xC5, 0xC6, 0xC7), 'hierarchical'),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), 'arithmetic'),
}


def decode_intact_jpeg(data: bytes, header: PictureHeader) -> NDArray[np.uint8]:
    """The pixels of a JPEG whose compressed data are whole; a missing end mark is no damage.

    Parameters
    ----------
    data : bytes
        Of at most 8 bits a channel; without Huffman tables they are those of Motion JPEG.
    header : PictureHeader
        Theirs; it was held against limits.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        BGR. EXIF rotation is not applied.

    Raises
    ------
    ImageError
        When it is damaged, as far as that can be told: data that decode into another picture
        without anything missing or left over are not recognized. Or when it is coded in a way
        that is not supported here.
    """
    whole = with_end_mark(data)
    try:
        return _decode(whole, header)
    except ImageError as err:
        coding = _rare_coding(data)
        if not coding:
            raise
        raise ImageError(
            f'JPEG with {coding} coding, which is not supported here, or damaged; expected '
            'baseline or progressive with Huffman coding'
        ) from err


def _decode(data: bytes, header: PictureHeader) -> NDArray[np.uint8]:
    turbo = turbo_decode() if header.channels in (1, 3) else None
    bgr = turbo(data, (header.width, header.height)) if turbo is not None else None
    if bgr is not None:
        return bgr
    if not can_watch(header.pixels):
        return _decode_blindly(data, header)
    pixels = decode_watched(data)
    if pixels.shape[:2] != (header.height, header.width):
        raise ImageError('JPEG with frame headers that differ; it is damaged')
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return _decode_blindly(data, header)  # CMYK, which printers need and no camera sends


def _decode_blindly(data: bytes, header: PictureHeader) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return decode_picture(data, formats=('JPEG',), max_image_pixels=header.pixels, flags=flags)


def _rare_coding(data: bytes) -> str:
    frame = next(segment.marker for segment in segments(data) if segment.marker in FRAMES)
    return _RARE_CODINGS.get(frame, '')
