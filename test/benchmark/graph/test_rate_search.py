"""The search for the highest rate, over graphs whose limit is known."""

import pytest

from jetson_perception.benchmark.graph.figures import GraphRun
from jetson_perception.benchmark.graph.rate_search import MOST_LOSS, highest_rate, keeps_up

MOST_HZ = 2000.0


def run_of(asked_hz, sent_hz=None, loss=0.0, answers_hz=None):
    sent_hz = asked_hz if sent_hz is None else sent_hz
    answers_hz = sent_hz * (1 - loss) if answers_hz is None else answers_hz
    answered = round(1000 * (1 - loss))
    return GraphRun(
        asked_hz, sent_hz, 1, 1000, answered, loss, answers_hz, 1.0, 1.0, 1.0, 1.0, 0.1
    )  # fmt: skip


def graph(limit_hz, sender_hz=float('inf')):
    """A graph that answers so many a second, however many are sent."""

    def run(rate_hz):
        sent_hz = min(rate_hz, sender_hz)
        return run_of(rate_hz, sent_hz, max(0.0, 1 - limit_hz / sent_hz))

    return run


@pytest.mark.parametrize('limit_hz', [2.5, 7.3, 29.0, 31.0, 100.0, 333.0, 1500.0])
@pytest.mark.parametrize('first_hz', [10.0, 30.0, 500.0])
def test_it_comes_close(limit_hz, first_hz):
    run = graph(limit_hz)
    search = highest_rate(run, run, first_hz, MOST_HZ)
    most_hz = limit_hz / (1 - MOST_LOSS)
    assert search.run is not None
    assert most_hz / 1.06 <= search.run.asked_hz <= most_hz
    assert len(search.probes) <= 15
    assert not search.limited_by_sender


def test_a_graph_without_a_limit_is_asked_for_no_more_than_the_most():
    run = graph(1e9)
    search = highest_rate(run, run, 30.0, MOST_HZ)
    assert search.run.asked_hz == MOST_HZ
    assert not search.limited_by_sender


def test_a_sender_that_gives_out_ends_the_search():
    run = graph(1e9, sender_hz=250.0)
    search = highest_rate(run, run, 30.0, MOST_HZ)
    assert search.limited_by_sender
    assert search.run.asked_hz == 250.0
    assert max(probe.asked_hz for probe in search.probes) <= 480.0


def test_a_graph_that_answers_nothing():
    run = graph(0.0)
    search = highest_rate(run, run, 30.0, MOST_HZ)
    assert search.run is None
    assert min(probe.asked_hz for probe in search.probes) == 2.0


def test_what_passed_by_luck_is_not_reported():
    """A limit of 90 Hz, which short runs do not show below 100."""
    search = highest_rate(graph(100.0), graph(90.0), 30.0, MOST_HZ)
    assert search.run is not None
    assert search.run.asked_hz <= 90.0 / (1 - MOST_LOSS)
    assert keeps_up(search.run)


def test_a_queue_that_only_grows_does_not_keep_up():
    """All is answered in the end, but later and later."""
    assert not keeps_up(run_of(100.0, loss=0.0, answers_hz=80.0))
    assert keeps_up(run_of(100.0, loss=0.04, answers_hz=96.0))
    assert not keeps_up(run_of(100.0, loss=MOST_LOSS))
    assert not keeps_up(run_of(100.0, sent_hz=0.0, loss=0.0, answers_hz=0.0))
