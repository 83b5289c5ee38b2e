"""Writes 8-bit pixels into a network's input, normalized: as planes or pixels, of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.input_layout import InputLayout
    from jetson_perception.tasks.normalization import Normalization

_PIXEL_VALUES = 256
_OPAQUE = 255


def value_tables(
    normalization: Normalization, dtype: np.dtype, channels: int
) -> NDArray[np.generic]:
    """What each pixel value becomes in each channel, shape (channels, 256).

    A fourth channel is an opaque alpha, whatever the pixel.

    Raises
    ------
    ParameterError
        When a gray input has values that differ by channel, or integers cannot hold the values.
    """
    mean, std = normalization.mean, normalization.std
    if channels == 1 and len(set(mean)) + len(set(std)) > 2:
        name = 'mean' if len(set(mean)) > 1 else 'std'
        raise ParameterError(
            f'the network takes gray images, and {name} is {getattr(normalization, name)}; give '
            'the same value three times',
            name,
        )
    pixel = np.arange(_PIXEL_VALUES, dtype=np.float64) * normalization.scale
    tables = [(pixel - mean[index]) / std[index] for index in range(min(channels, 3))]
    if channels == 4:
        tables.append(np.full(_PIXEL_VALUES, _OPAQUE * normalization.scale))
    values = np.array(tables)
    return _as_integers(values, dtype) if dtype.kind in 'iu' else _as_floats(values, dtype)


def _as_floats(values: NDArray[np.float64], dtype: np.dtype) -> NDArray[np.generic]:
    rounded = values.astype(dtype)
    if dtype == np.float32:
        # Products, as `_Table` computes them: they may differ from the rounded values in a bit.
        products = np.arange(_PIXEL_VALUES, dtype=dtype) * rounded[:, 1:2]
        rounded = np.where(rounded[:, :1] == 0, products, rounded)
    return rounded


def _as_integers(values: NDArray[np.float64], dtype: np.dtype) -> NDArray[np.generic]:
    limits, rounded = np.iinfo(dtype), np.rint(values)
    if rounded.min() < limits.min or rounded.max() > limits.max:
        problem = f'would be {rounded.min():.0f} to {rounded.max():.0f}'
    elif (left := min(len(np.unique(each)) for each in rounded[:3])) < _PIXEL_VALUES:
        problem = f'would have {counted(left, "value")} left of 256'
    else:
        return rounded.astype(dtype)
    raise ParameterError(
        f'the network takes {dtype}, and normalized pixels {problem}; it normalizes them itself: '
        "leave 'scale', 'mean' and 'std' out",
        'scale',
    )


def color_conversion(channels: int, color_order: str) -> int | None:
    """OpenCV's conversion of BGR into the network's channels; None if there is none to make."""
    if channels == 1:
        return cv2.COLOR_BGR2GRAY
    if channels == 4:
        return cv2.COLOR_BGR2RGBA if color_order == 'rgb' else cv2.COLOR_BGR2BGRA
    return cv2.COLOR_BGR2RGB if color_order == 'rgb' else None


class PlaneWriter:
    """Writes images into inputs whose channels come first; it keeps the planes for the next one.

    Parameters
    ----------
    tables : ndarray, shape (channels, 256)
        From `value_tables`.
    color_order : str
        The network's.
    pad_value : int
        Pixel value of the padding.
    """

    def __init__(self, tables: NDArray[Any], color_order: str, pad_value: int) -> None:
        self._tables = [_Table(values) for values in tables]
        self._padding = tables[:, pad_value].reshape(-1, 1, 1)
        self._red_first = color_order == 'rgb'
        self._planes: Sequence[NDArray[np.uint8]] = []

    def write(self, content: NDArray[np.uint8], tensor: NDArray[Any], left: int, top: int) -> None:
        """Write BGR pixels to a place in an input of shape (1, channels, h, w)."""
        height, width = content.shape[:2]
        inside = tensor[0, :, top : top + height, left : left + width]
        for plane, table, target in zip(
            self._split(content), self._tables, inside[:3], strict=False
        ):
            table.apply(plane, target)
        for table, target in zip(self._tables[3:], inside[3:], strict=True):
            target[:] = table.values[0]

    def pad(self, tensor: NDArray[Any], box: tuple[int, int, int, int]) -> None:
        """Fill all that is outside a box of left, top, right, bottom."""
        left, top, right, bottom = box
        planes = tensor[0]
        planes[:, :top] = self._padding
        planes[:, bottom:] = self._padding
        planes[:, top:bottom, :left] = self._padding
        planes[:, top:bottom, right:] = self._padding

    def _split(self, content: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
        height, width = content.shape[:2]
        count = min(len(self._tables), 3)
        if not self._planes or self._planes[0].shape != (height, width):
            self._planes = [np.empty((height, width), np.uint8) for _ in range(count)]
        if count == 1:
            return [cv2.cvtColor(content, cv2.COLOR_BGR2GRAY, dst=self._planes[0])]
        planes = cv2.split(content, self._planes)
        return planes[::-1] if self._red_first else planes


class PixelWriter:
    """Writes images into inputs whose channels come last, as `PlaneWriter` does for others."""

    def __init__(self, tables: NDArray[Any], color_order: str, pad_value: int) -> None:
        self._table = _Table(np.ascontiguousarray(tables.T))
        self._padding = tables[:, pad_value]
        self._channels = len(tables)
        self._conversion = color_conversion(self._channels, color_order)
        self._converted = np.empty((0, 0, self._channels), np.uint8)

    def write(self, content: NDArray[np.uint8], tensor: NDArray[Any], left: int, top: int) -> None:
        """Write BGR pixels to a place in an input of shape (1, h, w, channels)."""
        height, width = content.shape[:2]
        inside = tensor[0, top : top + height, left : left + width]
        if self._conversion is not None:
            if self._converted.shape[:2] != (height, width):
                self._converted = np.empty((height, width, self._channels), np.uint8)
            content = cv2.cvtColor(content, self._conversion, dst=self._converted)
        if self._channels == 1:
            content, inside = content.reshape(height, width), inside[..., 0]
        self._table.apply(content, inside)

    def pad(self, tensor: NDArray[Any], box: tuple[int, int, int, int]) -> None:
        """Fill all that is outside a box of left, top, right, bottom."""
        left, top, right, bottom = box
        rows = tensor[0]
        rows[:top] = self._padding
        rows[bottom:] = self._padding
        rows[top:bottom, :left] = self._padding
        rows[top:bottom, right:] = self._padding


def tensor_writer(
    layout: InputLayout, tables: NDArray[Any], color_order: str, pad_value: int
) -> PlaneWriter | PixelWriter:
    """What writes images into an input of this layout."""
    kind = PixelWriter if layout.channels_last else PlaneWriter
    return kind(tables, color_order, pad_value)


class _Table:
    """Normalized values for the 256 pixel values: of one channel, or of all, shape (256, n)."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        dtype = values.dtype
        # Not every OpenCV looks up float16. A look-up only moves bytes, so int16 does as well.
        self._movable = np.dtype(np.int16) if dtype == np.float16 else dtype
        channels = 1 if values.ndim == 1 else values.shape[1]
        self._lookup = values.view(self._movable).reshape(1, _PIXEL_VALUES, channels)
        first, second = values[:2].reshape(2, -1)
        alike = not first.any() and (second == second[0]).all()
        self._factor = second[0] if alike and dtype == np.float32 else None
        self._copies = dtype.kind in 'iu' and alike and second[0] == 1

    def apply(self, pixels: NDArray[np.uint8], target: NDArray[Any]) -> None:
        """Write normalized pixels into target, both (h, w) or (h, w, n)."""
        if self._copies:
            np.copyto(target, pixels)
        elif self._factor is not None:  # without a mean; multiplying takes two thirds of the time
            np.copyto(target, pixels)  # NumPy converts piece by piece what it multiplies
            np.multiply(target, self._factor, out=target)
        else:
            # The target has the size and the table's type, so OpenCV fills it.
            cv2.LUT(pixels, self._lookup, dst=target.view(self._movable))
