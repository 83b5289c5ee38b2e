"""Depth images as compressed_depth_image_transport sends them: a short header, then a PNG.

The header has 12 bytes: a format, which nobody reads, and two numbers a and b. Millimetres are the
PNG's own values. Metres are sent as inverse depth, q = a / z + b, in 16 bits; 0 is no depth
(compressed_depth_image_transport, codec.cpp).
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.depth.depth_image import DepthImage
from jetson_perception.errors import ImageError
from jetson_perception.images.picture_files import decode_picture
from jetson_perception.images.picture_header import PNG_SIGNATURE
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = struct.Struct('<iff')
_BITS = 16


def decode_compressed_depth(data: Any, text: str, max_image_pixels: int) -> DepthImage:
    """The depth image of a compressedDepth message.

    Parameters
    ----------
    data : buffer
        The message's.
    text : str
        Its `format`: '16UC1; compressedDepth png', or '16UC1; compressedDepth' of older senders.
    max_image_pixels : int
        An image that claims more is refused before it is decoded.

    Raises
    ------
    ImageError
        When it is of another form, too large or damaged.
    """
    encoding, _, coding = text.partition(';')
    encoding, coding = encoding.strip(), coding.strip()
    if encoding not in ('16UC1', '32FC1') or not coding.startswith('compressedDepth'):
        raise ImageError(
            f'format is {quoted(text, 60)}; expected "16UC1; compressedDepth png" or "32FC1; '
            'compressedDepth png", as compressed_depth_image_transport sends depth; an image that '
            'is compressed as a picture has no depth'
        )
    if coding.split()[1:2] not in ([], ['png']):
        raise ImageError(
            f'format is {quoted(text, 60)}; only PNG is taken: set the parameter '
            'compressedDepth.format of its publisher to png'
        )
    content = bytes(data)
    png = content[_HEADER.size :]
    if not png.startswith(PNG_SIGNATURE):
        raise ImageError(
            f'compressedDepth of {len(content)} bytes has no PNG behind its header of '
            f'{_HEADER.size} bytes; it is damaged'
        )
    pixels = _decode(png, max_image_pixels)
    if encoding == '16UC1':
        return DepthImage(pixels, 0.001)
    _, a, b = _HEADER.unpack_from(content)
    return DepthImage(_from_inverse(pixels, a, b), 1.0)


def _decode(png: bytes, max_image_pixels: int) -> NDArray[np.uint16]:
    try:
        pixels = decode_picture(
            png,
            formats=('PNG',),
            max_bits=_BITS,
            max_image_pixels=max_image_pixels,
            flags=cv2.IMREAD_UNCHANGED,
        )
    except ImageError as err:
        raise ImageError(f'compressedDepth is {err}') from err
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise ImageError(
            f'compressedDepth has a PNG of {pixels.dtype} {pixels.shape}; expected one channel of '
            f'{_BITS} bits'
        )
    return pixels


def _from_inverse(pixels: NDArray[np.uint16], a: float, b: float) -> NDArray[np.float32]:
    """Metres; NaN where nothing was measured."""
    if not (math.isfinite(a) and math.isfinite(b) and a > 0):
        raise ImageError(
            f'compressedDepth has the quantization {a:g}, {b:g}; expected finite numbers, the '
            'first above 0; it is damaged'
        )
    depth = np.full(pixels.shape, np.nan, np.float32)
    inverse = pixels.astype(np.float32) - np.float32(b)
    np.divide(np.float32(a), inverse, out=depth, where=(pixels > 0) & (inverse > 0))
    return depth
