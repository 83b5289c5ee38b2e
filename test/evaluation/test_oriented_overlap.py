"""IoU of oriented boxes against values worked out by hand, and OpenCV."""

import cv2
import numpy as np
import pytest

from jetson_perception.evaluation.oriented_overlap import oriented_ious

EIGHTH, QUARTER = np.pi / 4, np.pi / 2
SQUARE = (10, 10, 4, 4, 0)
OCTAGON = 32 * (np.sqrt(2) - 1)  # of a square of side 4 and one turned by 45°


def iou(one, other):
    return float(oriented_ious(np.array([one], float), np.array([other], float))[0, 0])


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [
        pytest.param(SQUARE, SQUARE, 1, id='same'),
        pytest.param((10, 10, 6, 4, 0.3), (10, 10, 6, 4, 0.3), 1, id='same_turned'),
        pytest.param((10, 10, 6, 4, 0.3), (10, 10, 4, 6, 0.3 + QUARTER), 1, id='other_side_first'),
        pytest.param((10, 10, 6, 4, 0.3), (10, 10, 6, 4, 0.3 - np.pi), 1, id='half_a_turn'),
        pytest.param((10, 10, 6, 4, 0.3), (10, 10, 6, 4, 0.3 + 1e-9), 1, id='nearly_same'),
        pytest.param(SQUARE, (12, 10, 4, 4, 0), 8 / 24, id='half_beside'),
        pytest.param(SQUARE, (14, 10, 4, 4, 0), 0, id='a_shared_side'),
        pytest.param(SQUARE, (14, 14, 4, 4, 0), 0, id='a_shared_corner'),
        pytest.param(SQUARE, (90, 10, 4, 4, 1), 0, id='far'),
        pytest.param(SQUARE, (10, 10, 2, 2, 0.7), 4 / 16, id='inside'),
        pytest.param((10, 10, 6, 2, 0), (10, 10, 6, 2, QUARTER), 4 / 20, id='crossed'),
        pytest.param(SQUARE, (10, 10, 4, 4, EIGHTH), OCTAGON / (32 - OCTAGON), id='octagon'),
        # Its upright boxes overlap, the boxes themselves do not.
        pytest.param((0, 0, 10, 1, EIGHTH), (4, 0, 10, 1, EIGHTH), 0, id='parallel'),
        pytest.param(SQUARE, (10, 10, 0, 4, 0), 0, id='no_width'),
        pytest.param((10, 10, 0, 0, 0), (10, 10, 0, 0, 0), 0, id='two_points'),
        pytest.param((1e5, 1e5, 6, 4, 0.3), (1e5, 1e5, 6, 4, 0.3), 1, id='far_from_the_origin'),
    ],
)
def test_by_hand(one, other, expected):
    assert iou(one, other) == pytest.approx(expected, abs=1e-8)
    assert iou(other, one) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize('counts', [(0, 0), (3, 0), (0, 3)])
def test_none(counts):
    some, others = (np.ones((count, 5), np.float32) for count in counts)
    assert oriented_ious(some, others).shape == counts


def test_a_crowd_takes_the_whole_of_a_box():
    crowd = np.array([[10, 10, 20, 20, 0.0]])
    box = np.array([[20, 10, 4, 4, 0.0]])
    assert oriented_ious(box, crowd, np.array([True])) == pytest.approx(0.5)
    assert oriented_ious(box, crowd, np.array([False])) == pytest.approx(8 / 408)


def test_random_boxes_as_opencv():
    random = np.random.default_rng(1)
    boxes = np.c_[
        random.uniform(0, 60, (40, 2)), random.uniform(5, 40, (40, 2)), random.uniform(-4, 4, 40)
    ]
    measured = oriented_ious(boxes[:20], boxes[20:])
    expected = np.zeros((20, 20))
    for row, one in enumerate(boxes[:20]):
        for column, other in enumerate(boxes[20:]):
            rectangles = [
                (tuple(box[:2]), tuple(box[2:4]), float(np.degrees(box[4])))
                for box in (one, other)
            ]
            points = cv2.rotatedRectangleIntersection(*rectangles)[1]
            if points is not None:
                shared = cv2.contourArea(cv2.convexHull(points))
                expected[row, column] = shared / (one[2] * one[3] + other[2] * other[3] - shared)
    assert (expected > 0.1).sum() > 50
    np.testing.assert_allclose(measured, expected, atol=1e-4)
