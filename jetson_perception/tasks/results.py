"""What the tasks find in one image: boxes with or without keypoints, or a class per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """Boxes of one image; row i of every array is the same object, best score first.

    Attributes
    ----------
    xyxy : ndarray, shape (n, 4), float32
        Left, top, right, bottom; pixels of the source image, sub-pixel, clipped to the image.
    score : ndarray, shape (n,), float32
        Confidence, 0 to 1.
    class_id : ndarray, shape (n,), int32
        Index into the model's class names.
    keypoints : ndarray, shape (n, k, 3), float32, or None
        x, y in pixels of the source image (not clipped), and score 0 to 1 (1 where the model
        gives none). None for a model without keypoints.

    Raises
    ------
    ValueError
        When the arrays disagree about n, or have another shape.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int32]
    keypoints: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        if self.xyxy.shape != (n, 4) or self.score.shape != (n,) or self.class_id.shape != (n,):
            raise ValueError(
                f'xyxy {self.xyxy.shape}, score {self.score.shape} and class_id '
                f'{self.class_id.shape} must be (n, 4), (n,) and (n,) of the same n'
            )
        points = self.keypoints
        if points is not None and (points.ndim != 3 or len(points) != n or points.shape[2] != 3):
            raise ValueError(f'keypoints {points.shape} must be ({n}, k, 3)')

    @classmethod
    def empty(cls, keypoint_count: int = 0) -> Detections:
        """Nothing found; with an empty (0, k, 3) keypoint array when k is given."""
        return cls(
            np.empty((0, 4), np.float32),
            np.empty((0,), np.float32),
            np.empty((0,), np.int32),
            np.empty((0, keypoint_count, 3), np.float32) if keypoint_count else None,
        )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, rows: Any) -> Detections:
        """The rows that an index array, boolean mask or slice selects, keypoints included."""
        points = None if self.keypoints is None else self.keypoints[rows]
        return Detections(self.xyxy[rows], self.score[rows], self.class_id[rows], points)


@dataclass(frozen=True, eq=False, slots=True)
class Segmentation:
    """A class per pixel of one image.

    Attributes
    ----------
    mask : ndarray, shape (h, w), uint8
        Class id of each pixel, at the source image's size or the network's, as was asked.
    pixels : ndarray, shape (classes,), int64
        How many pixels of `mask` each class has; sums to h × w.
    """

    mask: NDArray[np.uint8]
    pixels: NDArray[np.int64]

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Share of each class, 0 to 1, shape (classes,); zeros for an empty mask."""
        return self.pixels / max(int(self.pixels.sum()), 1)
