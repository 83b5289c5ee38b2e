"""What was found in an image, where it is in space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.tasks.results import Detections


@dataclass(frozen=True, eq=False, slots=True)
class SpatialObjects:
    """Objects with a depth; row i of every array is the same one, best score first.

    Attributes
    ----------
    detections : Detections
        As they were found in the image, without those that have no depth.
    center : ndarray, shape (n, 3), float64
        Of the box around the visible surface, metres: x to the right, y down, z ahead.
    size : ndarray, shape (n, 3), float64
        Of that box, metres. A camera sees the front of things: along z it is the extent of the
        visible surface, not of the object.
    keypoints : ndarray, shape (n, k, 3), float64, or None
        NaN for a keypoint without depth. None for a model without keypoints.
    without_depth : int
        How many objects of the image are left out.
    orientation : tuple of float
        Of all boxes: a unit quaternion, x, y, z and w.

    Raises
    ------
    ValueError
        When the arrays disagree about n.
    """

    detections: Detections
    center: NDArray[np.float64]
    size: NDArray[np.float64]
    keypoints: NDArray[np.float64] | None = None
    without_depth: int = 0
    orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        n = len(self.detections)
        if self.center.shape != (n, 3) or self.size.shape != (n, 3):
            raise ValueError(f'center {self.center.shape}, size {self.size.shape}: not ({n}, 3)')
        found = self.detections.keypoints
        here = None if self.keypoints is None else self.keypoints.shape
        if here != (None if found is None else found.shape):
            raise ValueError(f'keypoints {here} do not belong to those of the image')

    def __len__(self) -> int:
        return len(self.detections)

    def moved(
        self, translation: tuple[float, float, float], turn: tuple[float, float, float, float]
    ) -> SpatialObjects:
        """The same, located in the camera's frame, as another frame has them.

        Parameters
        ----------
        translation : tuple of float
            Where the camera is in the other frame, metres.
        turn : tuple of float
            How the camera's frame is turned there: a unit quaternion, x, y, z and w.
        """
        rotation = _rotation(*turn)
        points = self.keypoints
        return replace(
            self,
            center=self.center @ rotation.T + translation,
            keypoints=None if points is None else points @ rotation.T + translation,
            orientation=turn,
        )


def _rotation(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """The rotation matrix of a unit quaternion."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
