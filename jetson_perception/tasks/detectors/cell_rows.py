"""Outputs that have a row for each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.tasks.cells import STRIDES, cell_count

if TYPE_CHECKING:
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.output import Output


def strides_of_rows(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> tuple[int, ...]:
    """Strides of the cells that the only output has a row for each of; empty where it hasn't."""
    only = seen[0]
    if len(seen) != 1 or len(only.shape) != 2 or not only.is_float or info.stride:
        return ()
    if info.task not in ('', 'detect'):
        return ()
    rows = only.shape[0]
    return next((each for each in STRIDES if cell_count(network_wh, each) == rows), ())
