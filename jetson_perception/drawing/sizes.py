"""Sizes of what is drawn, which grow with the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sizes:
    """Pixels that suit an image, so that a drawing reads the same at 320×240 and 4K."""

    line: int
    text: int
    margin: int

    @classmethod
    def for_image(cls, canvas: NDArray[np.uint8]) -> Sizes:
        """Those for an image of this size."""
        side = (canvas.shape[0] + canvas.shape[1]) / 2
        return cls(
            line=max(round(side * 0.0025), 1),
            text=max(round(side * 0.017), 10),
            margin=max(round(side * 0.005), 2),
        )
