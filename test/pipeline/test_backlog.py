"""How many frames an engine has time for."""

import pytest

from jetson_perception.pipeline.backlog import Backlog

MS = 1_000_000


def after(*frames_ms):
    """Of a lane whose frames have taken so long."""
    backlog = Backlog()
    for each in frames_ms:
        backlog.took(each * MS)
    return backlog


@pytest.mark.parametrize('period_ms', [0, 33, 1e9])
def test_the_newest_alone_while_nothing_is_known(period_ms):
    assert after().most(period_ms * MS) == 1


@pytest.mark.parametrize(
    ('frame_ms', 'period_ms', 'most'),
    [
        pytest.param(10, 0, 1, id='unknown_period'),
        pytest.param(40, 33, 1, id='too_slow'),
        pytest.param(17, 33, 1, id='just_too_slow'),
        pytest.param(16, 33, 2, id='half_a_period'),
        pytest.param(11, 33, 3, id='third_of_a_period'),
        pytest.param(0.001, 1000, 3, id='no_more_than_a_bunch'),
    ],
)
def test_as_many_as_take_no_longer_than_a_period(frame_ms, period_ms, most):
    assert after(frame_ms).most(period_ms * MS) == most


def test_one_slow_frame_counts_little_and_many_do():
    assert after(10, 10, 10, 40).most(33 * MS) == 2
    assert after(10, 10, 10, *[40] * 10).most(33 * MS) == 1
