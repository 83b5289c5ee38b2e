"""Figures of pictures sent and answers heard, by hand."""

import pytest

from jetson_perception.benchmark.graph.figures import graph_run, percentiles, rate_hz

MS = 1_000_000


def sent_every(milliseconds, count, first=1_000):
    return [(first + number * milliseconds) * MS for number in range(count)]


def test_nothing_sent():
    run = graph_run(10.0, 1, [], [])
    assert (run.sent, run.answered, run.loss, run.answers_hz) == (0, 0, 1.0, 0.0)
    assert run.median_ms is run.max_ms is run.jitter_ms is None


def test_nothing_answered():
    run = graph_run(10.0, 1, sent_every(100, 11), [])
    assert (run.sent, run.answered, run.loss) == (11, 0, 1.0)
    assert run.sent_hz == pytest.approx(10.0)
    assert not run.limited_by_sender


def test_latency_loss_and_rate():
    stamps = sent_every(100, 10)
    # Every answer after 5 ms, but for one after 55 and one that does not come.
    heard = [(stamp, stamp + (55 if index == 3 else 5) * MS) for index, stamp in enumerate(stamps)]
    del heard[7]
    run = graph_run(10.0, 1, stamps, heard)
    assert (run.sent, run.answered) == (10, 9)
    assert run.loss == pytest.approx(0.1)
    assert run.median_ms == pytest.approx(5.0)
    assert run.max_ms == pytest.approx(55.0)
    assert run.answers_hz == pytest.approx(8 / 0.9)
    # Intervals: 100, 100, 150, 50, 100, 100, 200, 100 ms.
    assert run.jitter_ms == pytest.approx(41.4578, rel=1e-4)


def test_answers_in_any_order_twice_and_of_others():
    stamps = sent_every(10, 3)
    heard = [(stamps[1], 1_030 * MS), (stamps[0], 1_031 * MS), (stamps[0], 1_032 * MS), (7, 1)]
    run = graph_run(100.0, 1, stamps, heard, warm_up_ns=[])
    assert (run.answered, run.repeated, run.foreign) == (2, 1, 1)
    assert run.max_ms == pytest.approx(31.0)  # the first answer counts


def test_what_warms_up_does_not_count_but_is_no_stranger():
    warm_up, stamps = sent_every(10, 5), sent_every(10, 5, first=1_050)
    heard = [(stamp, stamp + 1) for stamp in [*warm_up, *stamps]]
    run = graph_run(100.0, 1, stamps, heard, warm_up)
    assert (run.sent, run.answered, run.foreign) == (5, 5, 0)
    assert run.sent_hz == pytest.approx(100.0)


@pytest.mark.parametrize(
    ('asked_hz', 'limited'),
    [
        pytest.param(100.0, False, id='as asked'),
        pytest.param(101.0, False, id='a little less'),
        pytest.param(120.0, True, id='much less'),
    ],
)
def test_a_sender_that_gives_out(asked_hz, limited):
    stamps = sent_every(10, 50)
    assert graph_run(asked_hz, 1, stamps, []).limited_by_sender is limited


def test_rates_and_percentiles_of_little():
    assert rate_hz([]) == rate_hz([5]) == rate_hz([5, 5]) == 0.0
    assert percentiles([], (50, 99)) == [None, None]
    assert percentiles([3.0], (50, 99)) == [3.0, 3.0]
