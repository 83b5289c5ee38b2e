"""How a network's input holds an image: channels first or last, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANNELS = (3, 1, 4)
"""Colors; gray; colors and an opaque alpha. In the order in which shapes are read."""

INPUT_TYPES = tuple(map(np.dtype, (np.float32, np.float16, np.uint8, np.int32)))
"""Types of inputs; networks that take one of the last two normalize images themselves."""


@dataclass(frozen=True, slots=True)
class InputLayout:
    """How an input of four dimensions holds an image.

    Attributes
    ----------
    channels : int
        One of `CHANNELS`.
    channels_last : bool
        Whether it is (1, h, w, channels); else it is (1, channels, h, w).
    """

    channels: int = 3
    channels_last: bool = False

    def shape(self, size_wh: tuple[int, int], batch: int = 1) -> tuple[int, int, int, int]:
        """The shape for images of a size."""
        width, height = size_wh
        if self.channels_last:
            return batch, height, width, self.channels
        return batch, self.channels, height, width

    def size_wh(self, shape: Sequence[int]) -> tuple[int, int]:
        """Width and height of images in an input of this shape, as it has them."""
        height, width = shape[1:3] if self.channels_last else shape[2:4]
        return width, height


def input_layout(shape: Sequence[int]) -> InputLayout | None:
    """The layout of an input with this shape, -1 where it is open; None if it is no image.

    Where both ends may be channels, three of them win, and then those that come first.
    """
    if len(shape) != 4:
        return None
    for count in CHANNELS:
        for last in (False, True):
            if shape[3 if last else 1] == count:
                return InputLayout(count, last)
    return None
