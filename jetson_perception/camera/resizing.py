"""Scale pictures to the size that was asked of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def resized(
    pixels: NDArray[np.uint8],
    size_wh: tuple[int, int] | None,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """`pixels` stretched to width and height, in `out` if that fits; themselves if they fit.

    The aspect ratio is not kept. Areas are averaged, so that fine patterns do not flicker.
    """
    if size_wh is None or pixels.shape[1::-1] == tuple(size_wh):
        return pixels
    scaled: Any = cv2.resize(pixels, size_wh, out, interpolation=cv2.INTER_AREA)
    result: NDArray[np.uint8] = scaled
    return result
