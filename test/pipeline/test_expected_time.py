import pytest

from jetson_perception.pipeline.expected_time import ExpectedTime


def test_nothing_is_expected_at_first():
    assert ExpectedTime().ms == 0


def test_it_rises_slowly():
    expected = ExpectedTime()
    expected.follow(50.0)
    assert expected.ms == pytest.approx(5.0)
    for _ in range(100):
        expected.follow(50.0)
    assert expected.ms == pytest.approx(50.0, abs=0.1)


def test_it_falls_at_once():
    expected = ExpectedTime()
    expected.ms = 50.0
    expected.follow(2.0)
    assert expected.ms == pytest.approx(2.0)
    expected.follow(50.0)
    assert expected.ms == pytest.approx(6.8)
