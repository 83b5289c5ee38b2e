import math

import pytest

from jetson_perception.camera.video_times import VideoTimes


def offsets(rate_hz, times_ms):
    """When frames of such times are shown, ms."""
    times = VideoTimes(rate_hz)
    shown = []
    for time_ms in times_ms:
        times.decoded(time_ms, 0)
        shown.append(round(times.offset_s * 1e3))
    return shown


@pytest.mark.parametrize(
    ('times_ms', 'shown_ms'),
    [
        pytest.param([], [], id='none'),
        pytest.param([0, 100, 110, 400], [0, 100, 110, 400], id='variable'),
        pytest.param([1400, 1500], [0, 100], id='begins_later'),
        pytest.param([0, 50, 100, 0, 0], [0, 50, 100, 150, 200], id='last_ones_have_none'),
        pytest.param([0, 50, 50, 150], [0, 50, 100, 200], id='twice_the_same'),
        pytest.param([9000, 9050, 0, 40], [0, 50, 100, 140], id='begins_anew'),
        pytest.param([0, 50, 9e7, 9e7 + 40], [0, 50, 100, 140], id='clock_that_was_set'),
        pytest.param([0, 50, 30050, 0, 0], [0, 50, 30050, 30100, 30150], id='pause_then_none'),
        pytest.param([0, 50, 61e3, 61050], [0, 50, 61000, 61050], id='pause_of_a_minute'),
        pytest.param([0, 50, 86e6, 0], [0, 50, 86000000, 86000050], id='pause_of_most_of_a_day'),
        pytest.param([math.nan] * 3, [0, 100, 200], id='unknown'),
    ],
)
def test_offsets(times_ms, shown_ms):
    assert offsets(10.0, times_ms) == shown_ms


@pytest.mark.parametrize(
    ('rate_hz', 'time_ms', 'gap_s'),
    [
        pytest.param(10.0, 60_100, 60.0, id='a_minute'),
        pytest.param(10.0, 60_101, 0.1, id='longer'),
        pytest.param(10.0, 9e7, 0.1, id='clock_that_was_set'),
    ],
)
def test_a_long_pause_is_not_played(rate_hz, time_ms, gap_s):
    times = VideoTimes(rate_hz)
    for each_ms in (0, 100, time_ms):
        times.decoded(each_ms, 0)
    assert times.gap_s == pytest.approx(gap_s)


@pytest.mark.parametrize(
    ('rate_hz', 'before_ms', 'time_ms', 'failed', 'lost'),
    [
        pytest.param(10.0, [0, 100], 400, 1, 2, id='decoder_dropped_two_at_once'),
        pytest.param(10.0, [0, 100], 200, 1, 0, id='decoder_dropped_none'),
        pytest.param(1000.0, [0, 33, 66], 132, 1, 1, id='rate_that_is_a_guess'),
        pytest.param(10.0, [0, 250, 300], 700, 1, 1, id='variable'),
        pytest.param(10.0, [0, 100], 3_600_100, 1, 1, id='a_pause_of_an_hour'),
        pytest.param(10.0, [], 200, 2, 2, id='at_the_beginning'),
        pytest.param(10.0, [math.nan], math.nan, 2, 2, id='without_times'),
    ],
)
def test_frames_that_failed(rate_hz, before_ms, time_ms, failed, lost):
    times = VideoTimes(rate_hz)
    for each_ms in before_ms:
        times.decoded(each_ms, 0)
    assert times.decoded(time_ms, failed) == lost
    assert times.last == len(before_ms) + lost
    assert times.frames == len(before_ms) + 1


def test_a_file_that_starts_again_keeps_its_pace():
    times = VideoTimes(30.0)
    for time_ms in (0, 100, 200):
        times.decoded(time_ms, 0)
    times.begin_again()
    times.decoded(0, 0)
    assert (times.last, times.offset_s) == (0, 0)
    assert times.gap_s == pytest.approx(0.1)
