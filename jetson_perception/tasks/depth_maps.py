"""Depth from one image: recognize an output that holds it, and enlarge it to the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import quoted
from jetson_perception.tasks.finite import all_finite, count_not_finite, require_finite
from jetson_perception.tasks.grids import fits_input, window_on_grid, without_ones
from jetson_perception.tasks.results import DepthMap

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.grids import Window
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform

_WORDS = ('depth', 'disparity')
_BESIDE = ('conf', 'mask', 'normal', 'uncertainty', 'sky')  # what some give with a depth map
_LEAST_SIDE = 8
_BAND = 64  # rows that stay in a core's cache: half the time of whole arrays


@dataclass(frozen=True, slots=True)
class DepthLayout:
    """Which output holds depth, and what its values mean.

    Attributes
    ----------
    values : str
        One of `model_info.DEPTH_VALUES`.
    index : int
        Of the output.
    name : str
        Of the output.
    by_name : bool
        Whether the output's name says that it is depth.
    """

    values: str
    index: int
    name: str
    by_name: bool

    class_count = 0


def named_depth(outputs: NetworkOutputs) -> list[int]:
    """Indices of the outputs that are called depth and have a value for each place."""
    return [
        index
        for index, name in enumerate(outputs.names)
        if _is_called_depth(name.lower()) and _is_map(outputs, index)
    ]


def may_be_depth(outputs: NetworkOutputs) -> bool:
    """Whether the only output has a value for each place, which its name does not explain."""
    return len(outputs.names) == 1 and _is_map(outputs, 0)


def uncertain_map(outputs: NetworkOutputs, info: ModelInfo) -> ParameterError:
    """The error for a map of one value a place that nothing explains."""
    return ParameterError(
        f'{info.path} gives {quoted(outputs.names[0], 40)} {outputs.shapes[0]}, one value for '
        "each place, which may be depth or a foreground's score; set 'task' to depth (yolo_node), "
        "or 'output' to logits or probabilities (seg_node)",
        'task',
    )


def recognize_depth(outputs: NetworkOutputs, info: ModelInfo) -> DepthLayout:
    """The layout of a network that gives depth.

    Parameters
    ----------
    outputs : NetworkOutputs
        What a run gave.
    info : ModelInfo
        `task`, `depth_values` and `path` are used. Without `depth_values`, inverse depth is
        assumed, which is never published in metres.

    Raises
    ------
    ModelError
        When no output can be depth.
    ParameterError
        When it is not certain that the output is depth, or several are called so; the error names
        the parameter that decides.
    """
    named = named_depth(outputs)
    values = info.depth_values or 'inverse'
    if len(named) > 1:
        listed = ', '.join(quoted(outputs.names[index], 40) for index in named)
        raise ParameterError(
            f"{info.path} has several outputs that are called depth: {listed}; set 'output_name' "
            'to one of them',
            'output_name',
        )
    if named:
        return DepthLayout(values, named[0], outputs.names[named[0]], by_name=True)
    if not _is_map(outputs, 0):
        width, height = outputs.network_wh
        raise ModelError(
            f'output {outputs.dtype} {outputs.shapes[0]} of {info.path} does not hold a depth for '
            f'each place of a {width}×{height} input, floats such as (1, 1, h, w) or (1, h, w); '
            "export a depth network, or set 'output_name' to its depth"
        )
    if not (info.task or info.depth_values):
        raise uncertain_map(outputs, info)
    return DepthLayout(values, 0, outputs.names[0], by_name=False)


def depth_of_image(
    output: NDArray[Any], layout: DepthLayout, transform: ImageTransform
) -> DepthMap:
    """The depth of each pixel of the source image.

    Parameters
    ----------
    output : ndarray
        The output that the layout names, for one image.
    layout : DepthLayout
        From `recognize_depth`.
    transform : ImageTransform
        From the preprocessing of this image; its padding is cut off.

    Raises
    ------
    ModelError
        When a value in the image is NaN or infinite.

    Notes
    -----
    Values are interpolated bilinearly. Of an image that fills the input, the outermost values are
    those of the outermost pixels (`align_corners=True`), as in Ultralytics and Depth Anything.
    What is not in front of the camera is NaN in metres, as REP 118 has it.
    """
    sides = without_ones(output.shape)
    if sides is None:
        raise ModelError(
            f'output {output.shape} does not hold a depth for each place as it did when the model '
            'was loaded; export it with fixed shapes'
        )
    grid = np.asarray(output, np.float32).reshape(sides)
    window = window_on_grid(sides, transform)
    inside = grid[window.rows, window.columns]
    if not all_finite(inside):
        require_finite('depth', count_not_finite(inside), inside.size, 'places')
    values = _enlarged(grid, window, transform.source_wh)
    if layout.values == 'metric' and values.min() <= 0:
        values[values <= 0] = np.nan
    return DepthMap(values, layout.values)


def _is_called_depth(name: str) -> bool:
    return any(word in name for word in _WORDS) and not any(word in name for word in _BESIDE)


def _is_map(outputs: NetworkOutputs, index: int) -> bool:
    """Whether an output has floats in the proportions of the input, one for each place."""
    array = outputs.arrays[index]
    sides = without_ones(array.shape)
    return (
        array.dtype.kind == 'f'
        and sides is not None
        and min(sides) >= _LEAST_SIDE
        and fits_input(sides, outputs.network_wh)
    )


def _enlarged(
    grid: NDArray[np.float32], window: Window, size_wh: tuple[int, int]
) -> NDArray[np.float32]:
    """The window of a grid at a size, a new array.

    Not by OpenCV, which rounds places to a 32nd of a grid point unless it resizes whole arrays.
    """
    fills = window.left == window.top == 0 and (window.height, window.width) == grid.shape
    columns = _between(window.left, window.width, size_wh[0], fills)
    rows = _between(window.top, window.height, size_wh[1], fills)
    # Along the rows first, which are fewer.
    first, last = rows.low[0], rows.high[-1] + 1
    wide = _mixed_columns(grid[first:last], columns)
    return _mixed_rows(wide, _Between(rows.low - first, rows.high - first, rows.share))


class _Between(NamedTuple):
    """For each pixel, the grid points before and behind it, and how far it is between them."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]


def _mixed_columns(values: NDArray[np.float32], at: _Between) -> NDArray[np.float32]:
    mixed = np.empty((len(values), len(at.low)), np.float32)
    difference = np.empty((_BAND, len(at.low)), np.float32)
    for top in range(0, len(mixed), _BAND):
        band, into = values[top : top + _BAND], mixed[top : top + _BAND]
        change = difference[: len(into)]
        np.take(band, at.low, 1, out=into, mode='clip')
        np.take(band, at.high, 1, out=change, mode='clip')
        change -= into
        change *= at.share
        into += change
    return mixed


def _mixed_rows(values: NDArray[np.float32], at: _Between) -> NDArray[np.float32]:
    mixed = np.empty((len(at.low), values.shape[1]), np.float32)
    difference = np.empty((_BAND, values.shape[1]), np.float32)
    for top in range(0, len(mixed), _BAND):
        band, into = slice(top, top + _BAND), mixed[top : top + _BAND]
        change = difference[: len(into)]
        np.take(values, at.low[band], 0, out=into, mode='clip')
        np.take(values, at.high[band], 0, out=change, mode='clip')
        change -= into
        change *= at.share[band, None]
        into += change
    return mixed


@lru_cache(maxsize=16)
def _between(start: float, length: float, pixels: int, fills: bool) -> _Between:
    if fills:
        at = np.linspace(0, length - 1, pixels)
    else:
        at = start + (np.arange(pixels) + 0.5) * length / pixels - 0.5
    # As in `Window`: what lies in the padding by more than half does not count.
    first = math.floor(start + 0.5)
    last = max(math.floor(start + length + 0.5) - 1, first)
    at = at.clip(first, last)
    low = at.astype(np.intp)
    return _Between(low, np.minimum(low + 1, last), (at - low).astype(np.float32))
