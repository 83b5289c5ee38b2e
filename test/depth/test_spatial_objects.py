import numpy as np
import pytest

from jetson_perception.depth import SpatialObjects
from jetson_perception.tasks.results import Detections


def one_object(keypoints=None, **options):
    found = Detections(
        np.array([[0, 0, 9, 9]], np.float32),
        np.array([0.9], np.float32),
        np.zeros(1, np.int32),
        None if keypoints is None else np.zeros((1, len(keypoints), 3), np.float32),
    )
    points = None if keypoints is None else np.array([keypoints], np.float64)
    center, size = np.array([[1.0, 2.0, 3.0]]), np.array([[0.1, 0.2, 0.3]])
    return SpatialObjects(found, center, size, points, **options)


def test_into_a_frame_that_looks_ahead():
    """An optical frame in base_link, 1 m above it: z becomes x, x becomes -y, y becomes -z."""
    turn = (-0.5, 0.5, -0.5, 0.5)
    moved = one_object([[1.0, 2.0, 3.0], [np.nan] * 3]).moved((0.0, 0.0, 1.0), turn)
    np.testing.assert_allclose(moved.center, [[3, -1, -1]], atol=1e-12)
    np.testing.assert_allclose(moved.keypoints[0, 0], [3, -1, -1], atol=1e-12)
    assert np.isnan(moved.keypoints[0, 1]).all()
    assert moved.orientation == turn
    np.testing.assert_array_equal(moved.size, [[0.1, 0.2, 0.3]])


def test_arrays_that_disagree():
    found = one_object().detections
    with pytest.raises(ValueError, match='not \\(1, 3\\)'):
        SpatialObjects(found, np.zeros((2, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match='do not belong'):
        SpatialObjects(found, np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 4, 3)))
