"""How far boxes overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Number = TypeVar('Number', bound=np.floating)


def box_ious(one: NDArray[Number], other: NDArray[Number]) -> NDArray[Number]:
    """Intersection over union of every pair, 0 to 1.

    Parameters
    ----------
    one, other : ndarray, shape (n, 4) and (m, 4), float
        Corners (left, top, right, bottom). A box without area overlaps nothing.

    Returns
    -------
    ndarray, shape (n, m), of the same type
    """
    corner = np.maximum(one[:, None, :2], other[None, :, :2])
    end = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(end - corner, 0, None).prod(axis=2)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(axis=1) for each in (one, other)]
    together = areas[0][:, None] + areas[1][None] - both
    return np.divide(both, together, out=np.zeros_like(both), where=together > 0)
