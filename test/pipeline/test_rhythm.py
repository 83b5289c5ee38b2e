"""When the next frame of an input is to come."""

import math

import pytest

from jetson_perception.pipeline.rhythm import Rhythm

MS = 1_000_000
#: When the first frame comes, ms.
BEGIN = 5000


def rhythm(*intervals_ms):
    """Of frames from BEGIN on; and when the last of them came, ms."""
    made, at = Rhythm(), BEGIN
    made.came(at * MS)
    for interval in intervals_ms:
        at += interval
        made.came(at * MS)
    return made, at


def test_nothing_came():
    assert not Rhythm().goes_on(0)
    assert not Rhythm().goes_on(BEGIN * MS)
    assert Rhythm().left_s(BEGIN * MS) == math.inf
    assert Rhythm().period_ns == 0


def test_one_frame_is_followed_by_others_for_a_second():
    one, at = rhythm()
    assert one.goes_on((at + 999) * MS)
    assert not one.goes_on((at + 1000) * MS)
    assert one.left_s(at * MS) == math.inf


@pytest.mark.parametrize('period', [10, 33, 1000])
def test_a_regular_one(period):
    camera, at = rhythm(*[period] * 5)
    assert camera.period_ns == pytest.approx(period * MS)
    assert camera.goes_on(at * MS)
    assert camera.goes_on((at + 1.9 * period) * MS)
    assert not camera.goes_on((at + 2 * period) * MS)
    assert camera.left_s(at * MS) == pytest.approx(0.75e-3 * period)
    assert camera.left_s((at + period) * MS) < 0


def test_after_a_pause_it_finds_its_period_again():
    camera, at = rhythm(*[33] * 5, 60_000, *[33] * 20)
    assert camera.left_s(at * MS) == pytest.approx(0.025, rel=0.15)


def test_two_at_once():
    camera, at = rhythm(0)
    assert camera.left_s(at * MS) == math.inf
    assert camera.goes_on((at + 999) * MS)
