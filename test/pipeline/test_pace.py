"""Which frames an engine takes that is set to take fewer than come."""

from dataclasses import dataclass

import numpy as np
import pytest

from jetson_perception.pipeline import Frame, Pace

RATE_HZ = 30


@dataclass
class Wanted:
    """What the test sets."""

    every: int = 1
    max_rate: float = 0.0
    enable: bool = True

    def __call__(self):
        return self


def frame_at(time_s):
    """A frame that came in at a time."""
    frame = Frame(lambda: np.zeros((2, 2, 3), np.uint8))
    frame.received_ns = int((100 + time_s) * 1e9)
    return frame


def taken(pace, count, begin_s=0.0):
    """Indices of the frames that are taken, of so many from a camera."""
    frames = [frame_at(begin_s + index / RATE_HZ) for index in range(count)]
    return [index for index, frame in enumerate(frames) if pace.takes(frame)]


def test_all_by_default():
    assert taken(Pace(), 30) == list(range(30))


@pytest.mark.parametrize(
    ('wanted', 'expected'),
    [
        pytest.param(Wanted(every=1), list(range(12)), id='all'),
        pytest.param(Wanted(every=2), [0, 2, 4, 6, 8, 10], id='every_second'),
        pytest.param(Wanted(every=5), [0, 5, 10], id='every_fifth'),
        pytest.param(Wanted(every=100_000), [0], id='the_first_alone'),
        pytest.param(Wanted(max_rate=10.0), [0, 3, 6, 9], id='ten_hertz'),
        pytest.param(Wanted(max_rate=1000.0), list(range(12)), id='more_than_come'),
        pytest.param(Wanted(every=2, max_rate=15.0), [0, 2, 4, 6, 8, 10], id='both_alike'),
        pytest.param(Wanted(every=2, max_rate=5.0), [0, 6], id='a_third_of_every_second'),
        pytest.param(Wanted(every=4, max_rate=10.0), [0, 4, 8], id='every_is_less'),
    ],
)
def test_what_is_taken(wanted, expected):
    assert taken(Pace(wanted), 12) == expected


def test_a_change_takes_effect_with_the_next_frame():
    wanted = Wanted(every=1000)
    pace = Pace(wanted)
    assert taken(pace, 5) == [0]
    wanted.every = 3
    assert taken(pace, 5, 1.0) == [0, 3]
    wanted.every, wanted.max_rate = 1, 0.001
    taken(pace, 5, 2.0)
    assert taken(pace, 30, 3.0) == []
    wanted.max_rate = 30.0
    assert len(taken(pace, 30, 5.0)) >= 29


def test_time_that_jumps_back_stops_nothing():
    """A recording that begins again, by whose stamps the rate is kept."""
    pace = Pace(Wanted(max_rate=10.0))
    assert len(taken(pace, 30, 1000.0)) == 10
    assert len(taken(pace, 30, 0.0)) >= 9


def test_the_time_is_the_one_that_is_given():
    pace = Pace(Wanted(max_rate=10.0), lambda frame: frame.header)
    frames = [Frame(lambda: None, header=index / 10) for index in range(10)]
    assert all(pace.takes(frame) for frame in frames)


def test_who_is_disabled_takes_none_and_then_the_next_one():
    wanted = Wanted(every=1000, max_rate=0.001)
    pace = Pace(wanted)
    assert taken(pace, 5) == [0]
    wanted.enable = False
    assert taken(pace, 5, 1.0) == []
    assert not pace.is_enabled
    wanted.enable = True
    assert taken(pace, 5, 2.0) == [0]
    assert pace.is_enabled
