"""An image as it came in, before any conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RawImage(NamedTuple):
    """An image as it came in, not converted.

    Attributes
    ----------
    pixels : ndarray, uint8
        In the shape that `images.encodings.view` gives the encoding; rows may be padded, but have
        no gaps within.
    encoding : str
        Its name in sensor_msgs/Image.
    width, height : int
        Size of the image in pixels; nv12 and nv21 have additional rows for chroma.
    """

    pixels: NDArray[np.uint8]
    encoding: str
    width: int
    height: int


class JpegBytes(NamedTuple):
    """An image as the bytes of a file, which may be a JPEG.

    Attributes
    ----------
    data : buffer
        Any bytes at all: nobody looked at them.
    max_pixels : int
        The most pixels that the image may have.
    """

    data: Any
    max_pixels: int
