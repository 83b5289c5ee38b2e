"""True boxes against found ones, as the demo counts them."""

import pytest

from jetson_perception.ros.demo.observers import matched_boxes

A = ('dog', (0.0, 0.0, 10.0, 10.0))
A_SHIFTED = ('dog', (2.0, 0.0, 12.0, 10.0))
A_FAR = ('dog', (6.0, 0.0, 16.0, 10.0))
A_AS_CAT = ('cat', (0.0, 0.0, 10.0, 10.0))
B = ('dog', (50.0, 50.0, 60.0, 60.0))
FLAT = ('dog', (0.0, 0.0, 0.0, 10.0))


@pytest.mark.parametrize(
    ('truth', 'found', 'matched'),
    [
        pytest.param([], [], 0, id='nothing'),
        pytest.param([], [A], 0, id='no_truth'),
        pytest.param([A], [], 0, id='none_found'),
        pytest.param([A], [A], 1, id='same'),
        pytest.param([A], [A_SHIFTED], 1, id='shifted'),
        pytest.param([A], [A_FAR], 0, id='too_far'),
        pytest.param([A], [A_AS_CAT], 0, id='other_class'),
        pytest.param([A], [A, A_SHIFTED], 1, id='each_truth_once'),
        pytest.param([A, B], [B, A], 2, id='any_order'),
        pytest.param([A], [FLAT], 0, id='no_area'),
        pytest.param([A, A_SHIFTED], [A_SHIFTED, A], 2, id='nearest_first'),
    ],
)
def test_matched_boxes(truth, found, matched):
    assert matched_boxes(truth, found) == matched
