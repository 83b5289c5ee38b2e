"""Overlap of boxes, by areas counted by hand."""

import numpy as np
import pytest

from jetson_perception.tasks.box_overlap import box_ious

BOX = (10, 20, 30, 60)


def boxes(*rows, dtype=np.float32):
    return np.array(rows, dtype).reshape(-1, 4)


@pytest.mark.parametrize(('n', 'm'), [(0, 0), (0, 2), (2, 0)])
def test_none(n, m):
    assert box_ious(boxes(*[BOX] * n), boxes(*[BOX] * m)).shape == (n, m)


@pytest.mark.parametrize(
    ('other', 'iou'),
    [
        pytest.param(BOX, 1.0, id='itself'),
        pytest.param((20, 20, 40, 60), 400 / 1200, id='half_to_the_right'),
        pytest.param((10, 20, 20, 40), 200 / 800, id='inside'),
        pytest.param((30, 20, 50, 60), 0.0, id='side_by_side'),
        pytest.param((100, 200, 110, 210), 0.0, id='apart_in_both_directions'),
        pytest.param((20, 30, 20, 30), 0.0, id='without_area'),
        pytest.param((30, 60, 10, 20), 0.0, id='inside_out'),
    ],
)
def test_a_pair(other, iou):
    (found,) = box_ious(boxes(BOX), boxes(other)).ravel()
    assert found == pytest.approx(iou)
    assert box_ious(boxes(other), boxes(BOX)).ravel().tolist() == [found]


def test_two_without_area():
    point = boxes((5, 5, 5, 5))
    assert box_ious(point, point).tolist() == [[0.0]]


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_every_pair_in_the_type_of_the_boxes(dtype):
    found = box_ious(
        boxes(BOX, (0, 0, 1, 1), dtype=dtype), boxes(BOX, BOX, (0, 0, 1, 2), dtype=dtype)
    )
    assert found.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.5]]
    assert found.dtype == dtype
