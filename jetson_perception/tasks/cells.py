"""Cells of detectors with a row for each: a grid over the network's input for each stride."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""Pixels a cell of each level, as detectors have them."""


@lru_cache(maxsize=8)
def cells(
    network_wh: tuple[int, int], strides: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row of every cell, shape (cells, 2), and its stride, shape (cells, 1)."""
    places, sizes = [], []
    for stride in strides:
        width, height = (-(-side // stride) for side in network_wh)
        y, x = np.mgrid[:height, :width]
        places.append(np.stack((x, y), axis=-1).reshape(-1, 2))
        sizes.append(np.full((width * height, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def cell_counts(network_wh: tuple[int, int]) -> set[int]:
    """How many cells detectors have for this size of input, by each of `STRIDES`."""
    return {cell_count(network_wh, each) for each in STRIDES}


def cell_count(network_wh: tuple[int, int], strides: tuple[int, ...]) -> int:
    """How many cells there are in all levels."""
    width, height = network_wh
    return sum(-(-width // stride) * -(-height // stride) for stride in strides)
