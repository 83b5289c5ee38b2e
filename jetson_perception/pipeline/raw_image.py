"""An image as it came in, before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RawImage(NamedTuple):
    """An image as it came, not converted.

    Attributes
    ----------
    pixels : ndarray, uint8
        As `images.encodings.view` gives it for the encoding; rows may be padded, within a row
        there are no gaps.
    encoding : str
        By its name in sensor_msgs/Image.
    width, height : int
        Of the image, pixels; nv12 and nv21 have rows of chroma besides.
    """

    pixels: NDArray[np.uint8]
    encoding: str
    width: int
    height: int
