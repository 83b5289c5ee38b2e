"""Smooth random fields: the raw material of skins, belts and stains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth_noise(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    cell_wh: tuple[float, float],
    *,
    octaves: int = 1,
    wrap_x: bool = False,
) -> NDArray[np.float32]:
    """Value noise: a coarse random grid, interpolated with cubics, summed over octaves.

    Parameters
    ----------
    rng : Generator
        Source of the grid's values.
    size_wh : tuple of int
        Width and height of the field, pixels.
    cell_wh : tuple of float
        Width and height of a cell of the coarsest grid, pixels; unequal for streaks.
    octaves : int
        Number of octaves; each has half the cell size and half the amplitude of the previous one.
    wrap_x : bool
        Make the field continue from its right edge to its left edge.

    Returns
    -------
    ndarray, shape (h, w), float32
        Mean about 0, standard deviation about 0.5 for one octave; mostly within -1 to 1.
    """
    width, height = size_wh
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        columns = max(2, round(width / cell_wh[0] * 2**octave))
        rows = max(2, round(height / cell_wh[1] * 2**octave))
        grid = rng.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32)
        if wrap_x:
            # The cubic's support needs two columns of the other side.
            grid = np.hstack([grid[:, -2:], grid, grid[:, :2]])
            margin = round(2 * width / columns)
            wide = cv2.resize(grid, (width + 2 * margin, height), interpolation=cv2.INTER_CUBIC)
            layer = wide[:, margin : margin + width]
        else:
            layer = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        field += layer * np.float32(0.5**octave)
    return field


def smoothstep(low: float, high: float, x: NDArray[np.floating]) -> NDArray[np.float32]:
    """0 at `low`, 1 at `high` (which may be the smaller), an S-curve between; same shape as x."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)
