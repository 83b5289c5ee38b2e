"""Compares class masks with the truth: confusion matrix and intersection over union."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.printable import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ConfusionMatrix:
    """Counts of pixels by true and found class, over any number of images.

    Parameters
    ----------
    class_count : int
        How many classes there are; their ids are 0 to class_count - 1.

    Attributes
    ----------
    counts : ndarray, shape (classes, classes), int64
        Row: true class; column: found class.

    Raises
    ------
    ValueError
        When there is no class, or more classes than a byte can number.

    Examples
    --------
    >>> matrix = ConfusionMatrix(2)
    >>> matrix.add(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 1]], np.uint8))
    >>> matrix.iou().round(2).tolist()
    [0.5, 0.67]
    """

    def __init__(self, class_count: int) -> None:
        if not 1 <= class_count <= 256:
            raise ValueError(f'class_count is {class_count}; expected 1 to 256')
        self.counts: NDArray[np.int64] = np.zeros((class_count, class_count), np.int64)

    def add(
        self,
        truth: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        ignored_id: int | None = None,
    ) -> None:
        """Count the pixels of one image.

        Parameters
        ----------
        truth, mask : ndarray, shape (h, w), uint8
            True and found class id of each pixel.
        ignored_id : int, optional
            Pixels with this id in the truth do not count.

        Raises
        ------
        ValueError
            When the shapes differ, or an id is not a class.
        """
        if truth.shape != mask.shape:
            raise ValueError(
                f'the truth is {truth.shape} and the mask {mask.shape}; resize the mask to the '
                "truth's size"
            )
        if ignored_id is not None:
            used = truth != ignored_id
            truth, mask = truth[used], mask[used]
        if truth.size == 0:
            return
        classes = len(self.counts)
        for name, ids in (('truth', truth), ('mask', mask)):
            if int(ids.max()) >= classes:
                raise ValueError(
                    f'the {name} has class id {int(ids.max())}; with '
                    f'{counted(classes, "class")} the highest is {classes - 1}'
                )
        pairs = truth.ravel().astype(np.intp) * classes + mask.ravel()
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, shape (classes,).

        NaN for a class that is neither in the truth nor in the masks.
        """
        both = np.diag(self.counts).astype(np.float64)
        either = self.counts.sum(axis=0) + self.counts.sum(axis=1) - both
        return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)

    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that occur; NaN when nothing was counted."""
        iou = self.iou()
        known = iou[~np.isnan(iou)]
        return float(known.mean()) if known.size else float('nan')

    def accuracy(self) -> float:
        """Share of pixels with the right class; NaN when nothing was counted."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float('nan')
