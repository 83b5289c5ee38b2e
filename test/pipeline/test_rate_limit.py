"""How many events are let through, and when."""

from itertools import pairwise

import pytest

from jetson_perception.pipeline import RateLimit


class Clock:
    """A time that the test sets."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def let_through(limit, clock, times_s, rate_hz):
    """Indices of the events that are due, of events at these times."""
    due = []
    for index, time_s in enumerate(times_s):
        clock.now_s = 100 + time_s
        if limit.is_due(rate_hz):
            due.append(index)
    return due


@pytest.mark.parametrize(
    ('rate_hz', 'expected'),
    [
        pytest.param(0.0, 90, id='no_limit'),
        pytest.param(1.0, 3, id='one_a_second'),
        pytest.param(10.0, 30, id='a_third'),
        pytest.param(20.0, 60, id='two_thirds_not_a_half'),
        pytest.param(29.0, 87, id='nearly_all'),
        pytest.param(30.0, 90, id='just_as_many'),
        pytest.param(60.0, 90, id='more_than_there_are'),
        pytest.param(1000.0, 90, id='far_more'),
    ],
)
def test_the_rate_holds_on_average_whatever_the_rate_of_events(clock, rate_hz, expected):
    # 3 s at 30 Hz, each a little early or late, as frames come.
    times_s = [i / 30 + (i * 7 % 5 - 2) / 1000 for i in range(90)]
    due = let_through(RateLimit(clock), clock, times_s, rate_hz)
    assert abs(len(due) - expected) <= 1
    gaps = {later - earlier for earlier, later in pairwise(due)}
    assert max(gaps) - min(gaps) <= 1  # evenly


def test_the_first_event_is_let_through(clock):
    assert RateLimit(clock).is_due(0.1)


def test_after_a_pause_nothing_is_caught_up_on(clock):
    limit = RateLimit(clock)
    assert let_through(limit, clock, [0], 10.0) == [0]
    burst = [20 + i / 1000 for i in range(50)]
    assert len(let_through(limit, clock, burst, 10.0)) <= 2


def test_a_higher_rate_holds_at_once(clock):
    limit = RateLimit(clock)
    assert let_through(limit, clock, [0, 1], 0.001) == [0]
    assert let_through(limit, clock, [1.2, 1.25, 1.3, 1.35, 1.4], 10.0) == [2, 4]


def test_a_limit_that_is_lifted_and_set_again(clock):
    limit = RateLimit(clock)
    assert let_through(limit, clock, [0.0, 0.01], 1.0) == [0]
    assert let_through(limit, clock, [0.02, 0.03], 0.0) == [0, 1]
    assert let_through(limit, clock, [0.04, 0.05], 1.0) == []
