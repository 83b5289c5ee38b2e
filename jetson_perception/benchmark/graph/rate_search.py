"""Finds the highest rate that a graph keeps up with, by runs at rates closer and closer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.benchmark.graph.figures import GraphRun

MOST_LOSS = 0.05
"""The share of pictures that may stay without an answer: as much as ros2_benchmark accepts."""

#: The highest rate is known well enough when the next one that failed is so much higher.
_CLOSE = 1.05
_MOST_PROBES = 14
_CONFIRMATIONS = 4
#: Slower, and a run that can tell a loss of a few percent takes minutes.
_LEAST_HZ = 2.0


@dataclass(frozen=True)
class Search:
    """The highest rate, and how it was found.

    Attributes
    ----------
    run : GraphRun or None
        The run that confirmed it; None where no rate passed.
    probes : tuple of GraphRun
        Every run, in order.
    limited_by_sender : bool
        Whether the senders gave out before the graph did, so that it may keep up with more.
    """

    run: GraphRun | None
    probes: tuple[GraphRun, ...]
    limited_by_sender: bool


def keeps_up(run: GraphRun) -> bool:
    """Whether less than `MOST_LOSS` is lost, and answers come as fast as pictures do.

    Without the second, a queue that only grows would pass a short run.
    """
    return run.loss < MOST_LOSS and run.answers_hz > (1 - MOST_LOSS) * run.sent_hz > 0


def highest_rate(
    probe: Callable[[float], GraphRun],
    confirm: Callable[[float], GraphRun],
    first_hz: float,
    most_hz: float,
) -> Search:
    """Search between nothing and `most_hz`.

    Parameters
    ----------
    probe, confirm : callable
        Run at a rate: shortly, and for the figures that are reported.
    first_hz : float
        Where to begin. The rate is doubled until a run fails; then the space between what passed
        and what failed is divided.
    most_hz : float
        Nothing is sent faster.
    """
    probes: list[GraphRun] = []
    passed_hz, failed_hz = 0.0, 0.0
    limited = False
    rate_hz = min(first_hz, most_hz)
    while len(probes) < _MOST_PROBES:
        run = probe(rate_hz)
        probes.append(run)
        if keeps_up(run):
            # Of senders that give out, what they did send counts.
            passed_hz = max(passed_hz, run.sent_hz if run.limited_by_sender else rate_hz)
            if run.limited_by_sender:
                limited = True
                break
        else:
            failed_hz = min(failed_hz or rate_hz, rate_hz)
        if rate_hz >= most_hz and not failed_hz:
            break
        if failed_hz and (failed_hz <= passed_hz * _CLOSE or failed_hz <= _LEAST_HZ):
            break
        rate_hz = _next_hz(run, passed_hz, failed_hz, most_hz)
    return _confirmed(confirm, probes, passed_hz, limited)


def _next_hz(run: GraphRun, passed_hz: float, failed_hz: float, most_hz: float) -> float:
    if not failed_hz:
        return min(2 * passed_hz, most_hz)
    if not passed_hz:
        # What is answered of too many is near the highest rate, or there is nothing to go by.
        guess = 0.9 * run.answers_hz
        guess = guess if failed_hz / 8 < guess < 0.9 * failed_hz else failed_hz / 2
        return max(guess, _LEAST_HZ)
    return float((passed_hz * failed_hz) ** 0.5)


def _confirmed(
    confirm: Callable[[float], GraphRun],
    probes: list[GraphRun],
    passed_hz: float,
    limited: bool,
) -> Search:
    """The search, once a longer run keeps up too: a short one may have been lucky."""
    rate_hz = passed_hz
    for _ in range(_CONFIRMATIONS if passed_hz else 0):
        run = confirm(rate_hz)
        probes.append(run)
        if keeps_up(run):
            return Search(run, tuple(probes), limited)
        rate_hz /= _CLOSE
        limited = False
    return Search(None, tuple(probes), limited)
