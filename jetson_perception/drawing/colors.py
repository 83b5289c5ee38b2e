"""Colors for thin lines and for instances."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.palette import color

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Color = tuple[int, int, int]

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)


@cache
def vivid(index: int) -> Color:
    """The palette's color at full brightness, because dark ones are hard to see as thin lines.

    Colors that differ only in brightness get different shares of white instead.
    """
    bgr = color(index)
    highest = max(*bgr, 1)
    white = {64: 0.25, 192: 0.5}.get(highest, 0.0)
    blue, green, red = (round(255 * (channel / highest * (1 - white) + white)) for channel in bgr)
    return blue, green, red


def legible_on(ground: Color) -> Color:
    """Black or white, whichever is easier to read on a color."""
    blue, green, red = ground
    return BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else WHITE


def folded(ids: Any) -> Any:
    """Ids mapped to 1 to 255, so that a byte holds them; colors repeat beyond 255."""
    return (ids - 1) % 255 + 1


@cache
def instance_colors() -> NDArray[np.uint8]:
    """Color of each instance, shape (256, 3), BGR."""
    return np.array([BLACK, *(vivid(index) for index in range(1, 256))], np.uint8)
