"""Greedy non-maximum suppression: where boxes overlap, the one with the best score stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 128  # boxes compared with each other at once: enough for an ordinary frame in one go


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

    A box is dropped when its intersection over union with a better box that stays, of the same
    class, is above `iou_threshold`.

    Parameters
    ----------
    xyxy : ndarray, shape (n, 4), float32
        Corners (left, top, right, bottom), not centers and sizes. A box without area overlaps
        nothing.
    score : ndarray, shape (n,), float32
        Finite. Where scores are equal, the lower row comes first.
    class_id : ndarray, shape (n,), integer
        Boxes of different classes do not suppress each other.
    iou_threshold : float
        0 to 1.
    max_detections : int
        At most this many rows are returned.
    class_agnostic : bool
        Let boxes of different classes suppress each other.

    Returns
    -------
    ndarray, shape (kept,), intp
        Indices into the arguments.
    """
    order = np.argsort(-score, kind='stable')
    x1, y1, x2, y2 = corners = np.ascontiguousarray(xyxy[order].T)
    area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    # intersection / (areas - intersection) > t without the division, which fails for boxes without
    # area: intersection > areas × t / (1 + t).
    area *= np.float32(iou_threshold / (1 + iou_threshold))
    boxes = _Boxes(corners, area, None if class_agnostic else class_id[order])

    kept = np.empty(0, np.intp)
    rest = np.arange(len(order))
    while len(rest) and len(kept) < max_detections:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        stays = block[_greedy(_covers(boxes, block, block))]
        kept = np.concatenate((kept, stays))
        if len(rest):
            rest = rest[~_covers(boxes, stays, rest).any(axis=0)]
    return order[kept[:max_detections]]


class _Boxes(NamedTuple):
    corners: NDArray[np.float32]
    """(4, n): left, top, right, bottom."""
    needed: NDArray[np.float32]
    """(n,): the sum for two boxes is the intersection above which one suppresses the other."""
    class_id: NDArray[np.integer] | None


def _covers(boxes: _Boxes, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each of `rows` would suppress each of `columns`, shape (rows, columns)."""
    # take() returns contiguous rows; indexing with an array does not.
    one = boxes.corners.take(rows, axis=1)[:, :, None]
    other = boxes.corners.take(columns, axis=1)[:, None, :]
    overlap = np.minimum(one[2:], other[2:])
    overlap -= np.maximum(one[:2], other[:2])
    width, height = overlap
    np.maximum(width, 0, out=width)  # two negative sides would give a positive area
    intersection = np.multiply(width, height, out=width)
    needed = np.add(boxes.needed[rows, None], boxes.needed[columns], out=height)
    covers: NDArray[np.bool_] = intersection > needed
    if boxes.class_id is not None:
        covers &= boxes.class_id[rows, None] == boxes.class_id[columns]
    return covers


def _greedy(covers: NDArray[np.bool_]) -> list[int]:
    """Rows that stay: from the first on, each removes the later rows that it covers."""
    gone = np.zeros(len(covers), bool)
    kept = []
    for i in range(len(covers)):
        if not gone[i]:
            kept.append(i)
            gone |= covers[i]
    return kept
