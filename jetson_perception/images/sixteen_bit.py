"""Images with 16 bits per channel: their bytes as arrays, and a range of values as 8 bits.

An image does not show which of its values matter: a thermal camera may use a small part of the
65536 values, a depth camera sends millimetres. So the user sets the range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import require_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTENSITIES: tuple[str, ...] = ('mono16', '16UC1')
"""Encodings with one value per pixel, as sensor_msgs/Image names them."""

COLORS: dict[str, int] = {
    'rgb16': 3,
    'bgr16': 3,
    'rgba16': 4,
    'bgra16': 4,
    'bayer_rggb16': 1,
    'bayer_bggr16': 1,
    'bayer_gbrg16': 1,
    'bayer_grbg16': 1,
}
"""Color encodings and their number of values per pixel."""

HIGHEST = 65535


def view_deep(
    data: Any, height: int, width: int, encoding: str, step: int, is_bigendian: bool
) -> NDArray[np.uint16]:
    """Pixels of an image message as an array over the same memory.

    Parameters
    ----------
    data : buffer
        Must outlive the result.
    height, width : int
        Pixels.
    encoding : str
        One of `INTENSITIES` or `COLORS`.
    step : int
        Bytes from one row to the next; may be odd.
    is_bigendian : bool
        Whether the high byte of a value comes first.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, c), uint16
        A view, in the byte order of the message.

    Raises
    ------
    ImageError
        When the size is zero, `step` is too small, or `data` is too short.
    """
    channels = COLORS.get(encoding, 1)
    require_bytes(len(data), height, width, encoding, step, 2 * channels * width, height)
    shape, strides = (height, width, channels), (step, 2 * channels, 2)
    order = '>u2' if is_bigendian else '<u2'
    pixels: NDArray[np.uint16] = np.ndarray(shape, order, data, strides=strides)
    return pixels if channels > 1 else pixels[..., 0]


def require_range(encoding: str, intensity_range: tuple[int, ...]) -> tuple[int, int]:
    """The lowest and the highest value that matter.

    Raises
    ------
    ImageError
        When the range is not set.
    """
    if len(intensity_range) != 2:
        raise ImageError(
            f'image is {encoding}, 16 bits per pixel, but its range of values is not set; set '
            'intensity_range to the values that become black and white, such as '
            '[28000, 32000] for a thermal camera, or subscribe to an 8-bit topic'
        )
    low, high = intensity_range
    return low, high


def intensities_to_bytes(pixels: NDArray[np.uint16], low: int, high: int) -> NDArray[np.uint8]:
    """The image as 8 bits, with `low` to `high` spread evenly over 0 to 255.

    Parameters
    ----------
    pixels : ndarray, shape (h, w), uint16
        In any byte order.
    low, high : int
        0 to 65535, `low` below `high`. Values outside the range become 0 or 255.

    Returns
    -------
    ndarray, shape (h, w), uint8
        A new array.
    """
    above = np.maximum(pixels, np.uint16(low)).astype(np.uint16, copy=False)
    above -= np.uint16(low)
    gray: NDArray[np.uint8] = cv2.convertScaleAbs(above, alpha=255 / (high - low))
    return gray


def range_problem(intensity_range: tuple[int, ...]) -> str:
    """What is wrong with a range of values; '' if nothing is, or if no range is set."""
    if not intensity_range:
        return ''
    if len(intensity_range) == 2 and 0 <= intensity_range[0] < intensity_range[1] <= HIGHEST:
        return ''
    return (
        f'intensity_range is {list(intensity_range)}; expected [lowest, highest], the first below '
        f'the second, 0 to {HIGHEST}'
    )
