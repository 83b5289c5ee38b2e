"""Figures of runs: empty, of one frame, of many."""

import pytest

from jetson_perception.benchmark.timing import intervals_ms, timing


def test_nothing():
    figures = timing(0, 0.0, [])
    assert (figures.frames, figures.rate_hz, figures.median_ms, figures.p99_ms) == (0, 0, 0, 0)
    assert figures.mean_ms == 0
    assert intervals_ms(5.0, []) == []


def test_many():
    times = intervals_ms(10.0, [10.001, 10.003, 10.006])
    assert times == pytest.approx([1, 2, 3])
    figures = timing(3, 0.006, times)
    assert figures.rate_hz == pytest.approx(500)
    assert figures.mean_ms == pytest.approx(2)
    assert figures.median_ms == pytest.approx(2)
    assert 2.9 < figures.p99_ms <= 3
