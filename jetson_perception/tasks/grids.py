"""The grid of an output that has a value or a class for each place in the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jetson_perception.tasks.preprocess import ImageTransform


def without_ones(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of (h, w) with any number of leading ones, or one trailing one."""
    sides = list(shape)
    while len(sides) > 2 and sides[0] == 1:
        del sides[0]
    if len(sides) == 3 and sides[2] == 1:
        del sides[2]
    return (sides[0], sides[1]) if len(sides) == 2 else None


def fits_input(grid_hw: tuple[int, ...], network_wh: tuple[int, int]) -> bool:
    """Whether the grid is the input's size divided by an integer, give or take rounding."""
    height, width = grid_hw
    if min(height, width) < 1:
        return False
    down = round(network_wh[0] / width), round(network_wh[1] / height)
    return down[0] == down[1] >= 1 and all(
        abs(side - network / down[0]) <= 1
        for side, network in zip((width, height), network_wh, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an output's grid that the image covers, in grid points."""

    left: float
    top: float
    width: float
    height: float

    @property
    def is_whole(self) -> bool:
        """Whether it contains whole grid points only."""
        return all(
            float(side).is_integer() for side in (self.left, self.top, self.width, self.height)
        )

    @property
    def rows(self) -> slice:
        """Rows of the grid of which at least half lies in the window; at least one row."""
        top = math.floor(self.top + 0.5)
        return slice(top, max(math.floor(self.top + self.height + 0.5), top + 1))

    @property
    def columns(self) -> slice:
        """Columns of the grid of which at least half lies in the window; at least one column."""
        left = math.floor(self.left + 0.5)
        return slice(left, max(math.floor(self.left + self.width + 0.5), left + 1))


def window_on_grid(grid_hw: tuple[int, ...], transform: ImageTransform) -> Window:
    """Where the image lies on a grid of this height and width that spans the network's input."""
    across = grid_hw[1] / transform.network_wh[0]
    down = grid_hw[0] / transform.network_wh[1]
    return Window(
        transform.offset_xy[0] * across,
        transform.offset_xy[1] * down,
        transform.content_wh[0] * across,
        transform.content_wh[1] * down,
    )
