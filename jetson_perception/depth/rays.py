"""Rays of a camera: where in space the points of its image may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.camera.calibration import Calibration

_LENSES = {
    '': 'plumb_bob',  # of a camera without distortion
    'none': 'plumb_bob',
    'plumb_bob': 'plumb_bob',
    'rational_polynomial': 'rational_polynomial',
    'equidistant': 'equidistant',
    'fisheye': 'equidistant',
}
_COUNTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
#: OpenCV answers with huge numbers where it finds no ray; rays of 84° are as steep as this.
_STEEPEST = 10.0


class Rays:
    """From points of an image to directions in the camera's optical frame.

    Only the points that are asked for are undistorted, never an image.

    Parameters
    ----------
    calibration : Calibration
        Of the camera.
    is_rectified : bool
        Whether the image is rectified: then only the projection matrix counts, as ROS has
        camera_info beside image_rect.

    Raises
    ------
    ParameterError
        When the camera is not calibrated, or its distortion cannot be undone.
    """

    def __init__(self, calibration: Calibration, *, is_rectified: bool = False) -> None:
        self._calibration = calibration
        self._is_rectified = is_rectified
        self._matrix = _matrix(calibration, is_rectified=is_rectified)
        self._coefficients: NDArray[np.float64] | None = None
        self._is_fisheye = False
        if not is_rectified:
            self._coefficients = _coefficients(calibration)
            self._is_fisheye = _LENSES.get(calibration.distortion_model) == 'equidistant'

    def for_size(self, size_wh: tuple[int, int]) -> Rays:
        """The same for images of another size of the same view.

        Raises
        ------
        ParameterError
            When the aspect ratio is another one.
        """
        if size_wh == self._calibration.size_wh:
            return self
        return Rays(self._calibration.scaled_to(size_wh), is_rectified=self._is_rectified)

    def slopes(self, points_xy: NDArray[Any]) -> NDArray[np.float64]:
        """How far rays go to the right and down for each metre ahead.

        Parameters
        ----------
        points_xy : ndarray, shape (n, 2)
            Pixels of the image; (0, 0) is the upper left corner of the upper left pixel.

        Returns
        -------
        ndarray, shape (n, 2), float64
            x / z and y / z; NaN where no ray of the lens comes to such a point.
        """
        # Calibrations have the centers of pixels at whole numbers.
        centered = np.asarray(points_xy, np.float64).reshape(-1, 2) - 0.5
        if not len(centered):
            return centered
        fx, fy = self._matrix[0, 0], self._matrix[1, 1]
        plain = (centered - self._matrix[:2, 2]) / (fx, fy)
        if self._coefficients is None:
            return plain
        slopes = self._undistorted(centered[:, None])
        slopes[~(np.abs(slopes) < _STEEPEST).all(axis=1)] = np.nan
        return slopes

    def _undistorted(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        matrix, coefficients = self._matrix, self._coefficients
        assert coefficients is not None, 'else nothing is to be undone'
        if self._is_fisheye:
            made: Any = cv2.fisheye.undistortPoints(points, matrix, coefficients)
        else:
            made = cv2.undistortPoints(points, matrix, coefficients)
        return np.asarray(made, np.float64).reshape(-1, 2)


def _matrix(calibration: Calibration, *, is_rectified: bool) -> NDArray[np.float64]:
    name = 'P' if is_rectified else 'K'
    if is_rectified:
        matrix = np.array(calibration.projection_matrix, np.float64).reshape(3, 4)[:, :3]
    else:
        matrix = np.array(calibration.camera_matrix, np.float64).reshape(3, 3)
    if not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise ParameterError(
            f'camera_info has focal lengths of {matrix[0, 0]:g} and {matrix[1, 1]:g} in {name}: '
            'the camera is not calibrated; calibrate it, or have its driver publish a calibration'
        )
    return matrix


def _coefficients(calibration: Calibration) -> NDArray[np.float64] | None:
    """What is to be undone; None for a lens without distortion."""
    values = np.array(calibration.distortion, np.float64)
    lens = _LENSES.get(calibration.distortion_model)
    if not values.any() and lens != 'equidistant':  # an ideal one of these is no pinhole
        return None
    if not np.isfinite(values).all():
        raise ParameterError(
            f'camera_info has the coefficients {quoted(values.tolist(), 200)} in D; expected '
            'finite numbers: calibrate the camera, or have its driver publish a calibration'
        )
    if lens is None or len(values) not in _COUNTS[lens]:
        raise ParameterError(
            f'camera_info has {counted(len(values), "coefficient")} of the distortion_model '
            f'{quoted(calibration.distortion_model, 40)}; expected plumb_bob with 4 or 5, '
            'rational_polynomial with 8, 12 or 14, or equidistant with 4'
        )
    return values
