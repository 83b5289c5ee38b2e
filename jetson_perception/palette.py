"""Colors that tell classes apart: the palette of the PASCAL VOC challenge.

Color i comes from the bits of i, dealt in turn to red, green and blue from the highest bit of the
channel down (the `labelcolormap` function of the VOC development kit), so every index up to 255
has a color of its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def color(index: int) -> tuple[int, int, int]:
    """Blue, green and red of class `index`, 0 to 255 each; class 0 is black.

    Indices from 256 on begin again at color 1, so that no class but 0 is black.
    """
    if index > 255:
        index = (index - 1) % 255 + 1
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (index & 1) << bit
        green |= (index >> 1 & 1) << bit
        blue |= (index >> 2 & 1) << bit
        index >>= 3
    return blue, green, red


@cache
def palette(count: int) -> NDArray[np.uint8]:
    """Colors of classes 0 to count - 1, shape (count, 3), uint8, BGR; read-only."""
    colors = np.array([color(index) for index in range(count)], np.uint8).reshape(count, 3)
    colors.setflags(write=False)
    return colors
