"""How well ids stay with objects: IDF1.

Written after Ristani, Solera, Zou, Cucchiara, Tomasi: Performance Measures and a Data Set for
Multi-Target, Multi-Camera Tracking, ECCV workshops 2016, arXiv:1609.01775. Each true identity is
paired with at most one id for the whole sequence, so that as many frames as possible agree; an
object that changes its id keeps the better part only.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.tasks.box_overlap import box_ious
from jetson_perception.tracking.assignment import assign

if TYPE_CHECKING:
    from numpy.typing import NDArray


class IdentityScore:
    """Counts the frames of one sequence.

    Parameters
    ----------
    least_iou : float
        The overlap from which a box is that of a true object.
    """

    def __init__(self, least_iou: float = 0.5) -> None:
        self._least_iou = least_iou
        self._together: Counter[tuple[int, int]] = Counter()
        self._true_boxes = 0
        self._found_boxes = 0

    def add(
        self,
        true_id: NDArray[np.int64],
        true_xyxy: NDArray[np.floating],
        found_id: NDArray[np.int64],
        found_xyxy: NDArray[np.floating],
    ) -> None:
        """Count a frame; ids below 0 are no ids, and their boxes are not counted as found."""
        has_id = found_id >= 0
        found_id, found_xyxy = found_id[has_id], found_xyxy[has_id]
        self._true_boxes += len(true_id)
        self._found_boxes += len(found_id)
        overlaps = box_ious(true_xyxy.astype(np.float64), found_xyxy.astype(np.float64))
        rows, columns = np.nonzero(overlaps >= self._least_iou)
        pairs = zip(true_id[rows].tolist(), found_id[columns].tolist(), strict=True)
        self._together.update(pairs)

    @property
    def idf1(self) -> float:
        """The share of true and found boxes whose identity is right, 0 to 1; 1 for no boxes."""
        boxes = self._true_boxes + self._found_boxes
        return 2 * self._agreeing() / boxes if boxes else 1.0

    def _agreeing(self) -> int:
        if not self._together:
            return 0
        pairs = np.array(list(self._together), np.int64)
        true_ids, rows = np.unique(pairs[:, 0], return_inverse=True)
        found_ids, columns = np.unique(pairs[:, 1], return_inverse=True)
        counts = np.zeros((len(true_ids), len(found_ids)))
        counts[rows, columns] = list(self._together.values())
        chosen = assign(counts, counts > 0)
        return int(counts[chosen].sum())
