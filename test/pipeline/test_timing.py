"""Times of stages over a window, and rates from explicit times."""

import pytest

from jetson_perception.pipeline import RateMeter, StageTimes
from jetson_perception.pipeline.timing import STAGES

SECOND = 1_000_000_000


def test_without_times_there_is_no_summary():
    assert StageTimes().summary() == {}


def test_one_time_is_its_own_median_and_percentile():
    times = StageTimes()
    times.record('inference', 12.5)
    assert times.summary() == {'inference': (12.5, 12.5, 1)}


def test_stages_come_in_the_order_in_which_a_frame_passes_them():
    times = StageTimes()
    for stage in reversed(STAGES):
        times.record(stage, 1.0)
    assert tuple(times.summary()) == STAGES


def test_times_can_be_forgotten():
    times = StageTimes()
    times.record('total', 100.0)
    times.clear()
    assert times.summary() == {}
    times.record('total', 1.0)
    assert times.summary() == {'total': (1.0, 1.0, 1)}


def test_median_and_percentile_of_known_times():
    times = StageTimes()
    for number in range(101):
        times.record('total', number)
    summary = times.summary()['total']
    assert summary.median_ms == pytest.approx(50.0)
    assert summary.p99_ms == pytest.approx(99.0)
    assert summary.samples == 101


def test_the_window_forgets_the_oldest():
    times = StageTimes(window=4)
    for elapsed_ms in (1000.0, 1000.0, 1.0, 2.0, 3.0, 4.0):
        times.record('wait', elapsed_ms)
    assert times.summary()['wait'].samples == 4
    assert times.summary()['wait'].median_ms == pytest.approx(2.5)
    assert times.summary()['wait'].p99_ms < 5


def test_a_summary_does_not_change_with_later_times():
    times = StageTimes()
    times.record('wait', 1.0)
    before = times.summary()
    times.record('wait', 100.0)
    assert before['wait'] == (1.0, 1.0, 1)


def test_a_stage_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError, match='lunch'):
        StageTimes().record('lunch', 1.0)


@pytest.mark.parametrize(
    ('ticks_s', 'now_s', 'rate'),
    [
        pytest.param([], 0.0, 0.0, id='never'),
        pytest.param([1.0], 1.0, 0.0, id='once'),
        pytest.param([1.0, 1.5], 1.5, 2.0, id='one_interval'),
        pytest.param([0.0, 0.1, 0.2, 0.3], 0.3, 10.0, id='intervals_not_events'),
        pytest.param([0.0, 1.0, 2.0], 2.0, 1.0, id='edge_of_the_window_counts'),
        pytest.param([0.0, 0.1, 5.0, 5.5, 6.0], 6.0, 2.0, id='old_ones_are_forgotten'),
        pytest.param([0.0, 0.1, 0.2], 10.0, 0.0, id='nothing_lately'),
        pytest.param([0.0, 3.0], 3.0, 0.0, id='slower_than_the_window'),
        pytest.param([1.0, 1.0], 1.0, 0.0, id='no_time_between'),
    ],
)
def test_rate(ticks_s, now_s, rate):
    meter = RateMeter(window_s=2.0)
    for tick_s in ticks_s:
        meter.tick(round(tick_s * SECOND))
    assert meter.rate(round(now_s * SECOND)) == pytest.approx(rate)


def test_a_meter_keeps_no_more_than_its_window():
    meter = RateMeter(window_s=1.0)
    for number in range(10_000):
        meter.tick(number * SECOND // 100)
    assert len(meter._ticks_ns) <= 101
