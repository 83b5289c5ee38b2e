"""A region of a frame: what a network sees instead of the whole image, and where it is.

::

    region = Region.around(box, size_wh, margin=0.1)
    tensor, transform = model.preprocess(region.of(bgr))  # without a copy of the pixels
    result = model.postprocess(model.infer(tensor), transform)  # in pixels of the region
    result = result.in_frame(region, size_wh)  # in pixels of the frame

On a GPU, `cuda.preprocess.DeviceImage.region` does what `of` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from jetson_perception.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Pixel = TypeVar('Pixel', bound=np.generic)


@dataclass(frozen=True, slots=True)
class Region:
    """An upright part of a frame, in whole pixels; hashable.

    Attributes
    ----------
    left, top : int
        Of its first pixel in the frame, from 0.
    width, height : int
        At least 1.

    Raises
    ------
    ImageError
        When it has no pixels, or begins before the frame.
    """

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.left, self.top) < 0 or min(self.width, self.height) < 1:
            raise ImageError(
                f'a region of {self.width}×{self.height} pixels at ({self.left}, {self.top}); it '
                'must have pixels, and all of them in the frame'
            )

    @classmethod
    def whole(cls, size_wh: tuple[int, int]) -> Region:
        """All of a frame of this size."""
        return cls(0, 0, *size_wh)

    @classmethod
    def around(
        cls, xyxy: Sequence[float], size_wh: tuple[int, int], margin: float = 0.0
    ) -> Region | None:
        """The pixels of a frame that a box touches; None if there are none.

        Parameters
        ----------
        xyxy : sequence of four floats
            Left, top, right, bottom in pixels of the frame; may lie outside.
        size_wh : tuple of int
            Width and height of the frame.
        margin : float
            What is added on each side, as a fraction of the box's width and height.
        """
        left, top, right, bottom = (float(value) for value in xyxy)
        across, down = margin * (right - left), margin * (bottom - top)
        edges = left - across, top - down, right + across, bottom + down
        if not all(map(math.isfinite, edges)):
            return None
        first_x, first_y = max(math.floor(edges[0]), 0), max(math.floor(edges[1]), 0)
        end_x, end_y = min(math.ceil(edges[2]), size_wh[0]), min(math.ceil(edges[3]), size_wh[1])
        if end_x <= first_x or end_y <= first_y:
            return None
        return cls(first_x, first_y, end_x - first_x, end_y - first_y)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height

    @property
    def right(self) -> int:
        """Behind its last column."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """Below its last row."""
        return self.top + self.height

    def of(self, image: NDArray[Pixel]) -> NDArray[Pixel]:
        """The region's pixels, a view of the image's.

        Parameters
        ----------
        image : ndarray, shape (h, w) or (h, w, channels)
            The frame.

        Raises
        ------
        ImageError
            When the region reaches beyond the image.
        """
        self.require_inside((image.shape[1], image.shape[0]))
        return image[self.top : self.bottom, self.left : self.right]

    def require_inside(self, size_wh: tuple[int, int]) -> None:
        """Raise ImageError unless the region is a part of a frame of this size."""
        if self.right > size_wh[0] or self.bottom > size_wh[1]:
            raise ImageError(
                f'a region of {self.width}×{self.height} pixels at ({self.left}, {self.top}) '
                f'reaches beyond an image of {size_wh[0]}×{size_wh[1]}'
            )
