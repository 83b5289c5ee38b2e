"""The colors of a video's YUV, as it names them, and as all other YUV here is read: BT.601."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSAID = 2
"""The matrix of a video that names none, which is taken for BT.601, as FFmpeg does."""
FULL_RANGE = 2
"""FFmpeg's number (AVColorRange) of values from 0 to 255; all others are 16 to 235."""

#: Shares of red and blue in brightness, by FFmpeg's numbers (AVColorSpace).
_SHARES = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601
    6: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
_BT601 = 5
_BITS = 14  # of the coefficients' fractions


class Recoloring(NamedTuple):
    """How YUV of another matrix or range becomes that of BT.601 with limited range.

    Attributes
    ----------
    black : int
        The brightness that black has now: 16 or 0.
    yy, yu, yv, uu, uv, vu, vv : int
        What of the first each second letter gives, times 16384; gray stays gray.
    """

    black: int
    yy: int
    yu: int
    yv: int
    uu: int
    uv: int
    vu: int
    vv: int

    def apply(self, nv12: NDArray[np.uint8]) -> None:
        """Recolor a picture in place.

        Parameters
        ----------
        nv12 : ndarray, shape (h × 3/2, w), uint8
            As `images.encodings.view` gives it.
        """
        height = nv12.shape[0] * 2 // 3
        luma = nv12[:height].astype(np.int32) - self.black
        u = nv12[height:, 0::2].astype(np.int32) - 128
        v = nv12[height:, 1::2].astype(np.int32) - 128
        of_colors = (self.yu * u + self.yv * v).repeat(2, 0).repeat(2, 1)
        nv12[:height] = _rounded(self.yy * luma + of_colors, 16)
        nv12[height:, 0::2] = _rounded(self.uu * u + self.uv * v, 128)
        nv12[height:, 1::2] = _rounded(self.vu * u + self.vv * v, 128)


def recoloring(matrix: int, color_range: int) -> Recoloring | None:
    """What makes a video's YUV that of BT.601 with limited range; None where it is that already.

    Parameters
    ----------
    matrix, color_range : int
        FFmpeg's numbers, AVColorSpace and AVColorRange.

    Raises
    ------
    KeyError
        When the matrix is not known here, or the video is no YUV.
    """
    shares = _SHARES[_BT601 if matrix == UNSAID else matrix]
    is_full = color_range == FULL_RANGE
    if shares == _SHARES[_BT601] and not is_full:
        return None
    black, bright, colorful = (0, 255, 255) if is_full else (16, 219, 224)
    change = _matrix(*_SHARES[_BT601]) @ np.linalg.inv(_matrix(*shares))
    change *= np.divide.outer((219, 224, 224), (bright, colorful, colorful))
    (yy, yu, yv), (_, uu, uv), (_, vu, vv) = np.rint(change * (1 << _BITS)).astype(int).tolist()
    return Recoloring(black, yy, yu, yv, uu, uv, vu, vv)


def _matrix(red: float, blue: float) -> NDArray[np.float64]:
    """From red, green and blue to brightness and the two colors, each in a range of 1."""
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack(
        [
            luma,
            (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)),
            (np.array([1, 0, 0]) - luma) / (2 * (1 - red)),
        ]
    )


def _rounded(sums: NDArray[np.int32], zero: int) -> NDArray[np.int32]:
    return np.clip(((sums + (1 << (_BITS - 1))) >> _BITS) + zero, 0, 255)
