"""Colors that tell classes apart: seven bright ones, then the palette of the PASCAL VOC challenge.

The first seven of that are dark and natural, such as olive and dark red: hard to see as a tint on
what is brown, orange or green itself. From 8 on, color i comes from the bits of i, dealt in turn
to red, green and blue from the highest bit of the channel down (the `labelcolormap` function of
the VOC development kit), so every index up to 255 has a color of its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Blue, green and red of the first classes after the background: magenta, cyan, blue, lime, red,
#: yellow, violet. Two neighbors are far apart also for those who confuse red and green.
_BRIGHT = (
    (255, 0, 255),
    (255, 255, 0),
    (255, 32, 32),
    (0, 255, 0),
    (0, 0, 255),
    (0, 255, 255),
    (255, 64, 160),
)


def color(index: int) -> tuple[int, int, int]:
    """Blue, green and red of class `index`, 0 to 255 each; class 0 is black.

    Indices from 256 on begin again at color 1, so that no class but 0 is black.
    """
    if index > 255:
        index = (index - 1) % 255 + 1
    if 0 < index <= len(_BRIGHT):
        return _BRIGHT[index - 1]
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
