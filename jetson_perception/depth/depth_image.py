"""Depth images as arrays over the bytes of their messages: millimetres, or metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import require_bytes, require_pixels
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNITS_M = {'16UC1': 0.001, 'mono16': 0.001, '32FC1': 1.0}
"""Metres of one, by encoding, as REP 118 has them; some drivers call millimetres mono16."""

#: What no depth camera measures: such numbers are of another unit, or of no measurement.
_NEAREST_M, _FARTHEST_M = 1e-3, 1e4
#: Of millimetres in 16 bits: as far away as this, or farther.
_SATURATED = np.iinfo(np.uint16).max

_CODES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}


@dataclass(frozen=True, eq=False, slots=True)
class DepthImage:
    """How far each pixel is along the optical axis, as it was sent.

    Attributes
    ----------
    values : ndarray, shape (h, w), uint16 or float32, any byte order
        0, NaN, infinity and the largest uint16 where nothing was measured. Borrowed: it must not
        be written.
    unit_m : float
        How many metres one of them is.
    """

    values: NDArray[Any]
    unit_m: float

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.values.shape[1], self.values.shape[0]

    def meters(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Depth at a grid of pixels, shape (rows, columns).

        NaN where none was measured, and where it is less than 1 mm or more than 10 km.
        """
        values = self.values[rows[:, None], columns]
        depth = values.astype(np.float32)
        depth *= np.float32(self.unit_m)
        is_measured = (depth >= _NEAREST_M) & (depth <= _FARTHEST_M)
        if values.dtype.kind == 'u':
            is_measured &= values != _SATURATED
        depth[~is_measured] = np.nan
        return depth


def view_depth(
    data: Any,
    size_wh: tuple[int, int],
    encoding: str,
    step: int,
    *,
    is_bigendian: bool = False,
    max_image_pixels: int,
) -> DepthImage:
    """A depth image over the bytes of a message, without a copy.

    Parameters
    ----------
    data : buffer
        Must outlive the result.
    size_wh : tuple of int
        Width and height, pixels.
    encoding : str
        '16UC1' or 'mono16' for millimetres, '32FC1' for metres.
    step : int
        Bytes from one row to the next.
    is_bigendian : bool
        Whether the high byte of a value comes first.
    max_image_pixels : int
        The most pixels that are taken.

    Raises
    ------
    ImageError
        For another encoding, more pixels, or when size, step and data do not fit together.
    """
    width, height = size_wh
    code = _CODES.get(encoding)
    if code is None:
        raise ImageError(
            f'image is {quoted(encoding, 40)}, which is no depth; expected 16UC1 (millimetres) or '
            '32FC1 (metres): name the topic of the depth image that is registered to the colour '
            'image'
        )
    require_pixels(height, width, max_image_pixels)
    dtype = np.dtype(code).newbyteorder('>' if is_bigendian else '<')
    require_bytes(len(data), height, width, encoding, step, dtype.itemsize * width, height)
    values: NDArray[Any] = np.ndarray((height, width), dtype, data, strides=(step, dtype.itemsize))
    return DepthImage(values, _UNITS_M[encoding])
