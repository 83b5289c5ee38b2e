"""Sizes of lines and text, which grow with the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in pixels that make a drawing look the same at 320×240 and in 4K."""

    line: int
    text: int
    margin: int

    @classmethod
    def for_image(cls, canvas: NDArray[np.uint8]) -> Sizes:
        """The sizes for an image."""
        return cls.for_size((canvas.shape[1], canvas.shape[0]))

    @classmethod
    def for_size(cls, size_wh: tuple[int, int]) -> Sizes:
        """The sizes for an image of this width and height."""
        side = sum(size_wh) / 2
        return cls(
            line=max(round(side * 0.0025), 1),
            text=max(round(side * 0.017), 10),
            margin=max(round(side * 0.005), 2),
        )
