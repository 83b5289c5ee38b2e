"""What is kept of a track's boxes."""

import numpy as np
import pytest

from jetson_perception.tracking.tracks import Tracks


def box(x):
    return np.array([[x, 50.0, 20.0, 40.0]])


def test_of_no_track_nothing_is_kept():
    tracks = Tracks.none()
    tracks.observe(np.empty(0, np.intp), np.empty((0, 4)), 1.0)
    assert not len(tracks)


def test_one_box_is_its_own_past():
    tracks = Tracks.begun(box(3.0), np.zeros(1, np.int32), 5.0)
    assert tracks.observed[0, :, 0].tolist() == [3, 3, 3]
    assert tracks.observed_s.tolist() == [[5, 5, 5]]


@pytest.mark.parametrize('rate_hz', [10, 15, 30, 120])
def test_a_direction_is_taken_over_the_same_time_at_any_rate(rate_hz):
    tracks = Tracks.begun(box(0.0), np.zeros(1, np.int32), 0.0)
    rows = np.array([0])
    for index in range(1, 2 * rate_hz):
        time_s = index / rate_hz
        tracks.observe(rows, box(100 * time_s), time_s)
        assert tracks.last_boxes[0, 0] == pytest.approx(100 * time_s)
        np.testing.assert_allclose(tracks.observed[0, :, 0], 100 * tracks.observed_s[0])
        if time_s > 0.5:
            over_s = tracks.observed_s[0, -1] - tracks.observed_s[0, 0]
            assert 0.1 - 1e-3 <= over_s <= 0.2 + 1 / rate_hz + 1e-3


def test_only_what_was_found_is_kept():
    tracks = Tracks.begun(np.vstack((box(0.0), box(9.0))), np.zeros(2, np.int32), 0.0)
    tracks.observe(np.array([1]), box(11.0), 1.0)
    assert tracks.last_boxes[:, 0].tolist() == [0, 11]
    assert tracks.observed[:, 0, 0].tolist() == [0, 9]
