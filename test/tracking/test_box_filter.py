"""Filters of boxes: any step of time, and none at all."""

import numpy as np
import pytest

from jetson_perception.tracking import box_filter

BOX = np.array([[100.0, 200.0, 40.0, 80.0]])


def test_no_box():
    state = box_filter.first_states(np.empty((0, 4)))
    assert box_filter.predict(state, 0.1).shape == (0, 5, 4)
    assert box_filter.correct(state, np.empty((0, 4))).shape == (0, 5, 4)


def test_corners_and_centers_are_the_same_boxes():
    xyxy = np.array([[0, 10, 30, 50], [5, 5, 5, 5]], np.float32)
    np.testing.assert_array_equal(box_filter.to_corners(box_filter.to_centers(xyxy)), xyxy)


def test_two_steps_are_as_good_as_one():
    state = box_filter.first_states(BOX)
    state[:, box_filter.VELOCITY] = (30, -10, 0, 0)
    once = box_filter.predict(state, 0.2)
    twice = box_filter.predict(box_filter.predict(state, 0.1), 0.1)
    np.testing.assert_allclose(twice, once, rtol=1e-9)


def test_a_velocity_is_learnt_at_any_rate():
    for step_s in (1 / 60, 1 / 30, 1 / 5):
        state, time_s = box_filter.first_states(BOX), 0.0
        for _ in range(40):
            time_s += step_s
            state = box_filter.predict(state, step_s)
            state = box_filter.correct(state, BOX + np.array([[50 * time_s, 0, 0, 0]]))
        assert abs(state[0, box_filter.VELOCITY, 0] - 50) < 3, step_s


def test_the_covariance_is_that_of_the_matrix_form():
    state = box_filter.predict(box_filter.first_states(BOX), 0.1)
    after = box_filter.correct(state, BOX + 3)
    for column, side in enumerate((40, 80, 40, 80)):
        before = state[0, :, column]
        covariance = np.array([[before[2], before[3]], [before[3], before[4]]])
        gain = covariance[:, 0] / (covariance[0, 0] + (side / 20) ** 2)
        mean = before[:2] + gain * (BOX[0, column] + 3 - before[0])
        left = covariance - np.outer(gain, covariance[0])
        expected = [*mean, left[0, 0], left[0, 1], left[1, 1]]
        np.testing.assert_allclose(after[0, :, column], expected)


def test_size_stays_positive_and_is_kept_where_asked():
    state = box_filter.first_states(BOX)
    state[:, box_filter.VELOCITY, 2:] = -1000
    assert (box_filter.predict(state, 1.0)[0, 0, 2:] == 1).all()
    kept = box_filter.predict(box_filter.unseen(state, (1280, 720)), 1.0)
    assert kept[0, 0, 2:].tolist() == [40, 80]


@pytest.mark.parametrize(
    ('center', 'velocity', 'expected'),
    [
        pytest.param((300, 300), (50, 20, 9, 9), (50, 20), id='inside'),
        pytest.param((20, 300), (50, 0, 100, 0), (100, 0), id='comes_in_from_the_left'),
        pytest.param((1260, 300), (-50, 0, 100, 0), (-100, 0), id='comes_in_from_the_right'),
        pytest.param((1260, 300), (50, 0, -100, 0), (100, 0), id='goes_out_to_the_right'),
        pytest.param((300, 40), (0, 10, 0, 20), (0, 20), id='comes_in_from_above'),
        pytest.param((300, 680), (0, -10, 0, 20), (0, -20), id='comes_in_from_below'),
    ],
)
def test_what_the_edge_cuts_goes_on_as_its_free_side(center, velocity, expected):
    state = box_filter.first_states(np.array([[*center, 40.0, 80.0]]))
    state[:, box_filter.VELOCITY] = velocity
    for _ in range(2):  # the same, however long it is not seen
        state = box_filter.unseen(state, (1280, 720))
        assert state[0, box_filter.VELOCITY].tolist() == [*expected, 0, 0]


def test_a_box_from_edge_to_edge_stays():
    state = box_filter.first_states(np.array([[640.0, 360.0, 1280.0, 720.0]]))
    state[:, box_filter.VELOCITY, 2:] = 40
    assert not box_filter.unseen(state, (1280, 720))[0, box_filter.VELOCITY].any()
