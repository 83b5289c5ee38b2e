"""Greedy non-maximum suppression: of boxes that overlap, the one with the best score stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def class_aware_nms(
    xyxy: NDArray[np.float32],
    score: NDArray[np.float32],
    class_id: NDArray[np.integer],
    iou_threshold: float,
    max_detections: int,
    *,
    class_agnostic: bool = False,
) -> NDArray[np.intp]:
    """Rows to keep, best score first.

    A box is dropped when a better one of its class that stays covers it with an intersection over
    union above `iou_threshold`.

    Parameters
    ----------
    xyxy : ndarray, shape (n, 4), float32
        Corners (left, top, right, bottom), not centers and sizes. A box without area overlaps
        nothing.
    score : ndarray, shape (n,), float32
        Finite. Of equal scores the lower row comes first.
    class_id : ndarray, shape (n,), integer
        Boxes of different classes leave each other alone.
    iou_threshold : float
        0 to 1.
    max_detections : int
        At most so many rows are returned.
    class_agnostic : bool
        Let boxes of all classes suppress each other.

    Returns
    -------
    ndarray, shape (kept,), intp
        Indices into the arguments.
    """
    order = np.argsort(-score, kind='stable')
    if len(order) < 2 or max_detections < 1:
        return order[: max(max_detections, 0)]
    corners = xyxy[order]
    kept = _greedy(
        corners, None if class_agnostic else class_id[order], iou_threshold, max_detections
    )
    return order[kept]


def _greedy(
    xyxy: NDArray[np.float32],
    class_id: NDArray[np.integer] | None,
    iou_threshold: float,
    max_detections: int,
) -> list[int]:
    x1, y1, x2, y2 = np.ascontiguousarray(xyxy.T)
    area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    kept: list[int] = []
    rest = np.arange(len(xyxy))
    while len(rest) and len(kept) < max_detections:
        i, rest = rest[0], rest[1:]
        kept.append(int(i))
        width = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
        height = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
        intersection = np.maximum(width, 0) * np.maximum(height, 0)
        union = area[i] + area[rest] - intersection
        # Without a division a box of no area needs no case of its own.
        covered = intersection > iou_threshold * union
        if class_id is not None:
            covered &= class_id[rest] == class_id[i]
        rest = rest[~covered]
    return kept
