"""What a run of pictures sent and answers heard comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.benchmark.graph.usage import Usage

#: A sender that reaches less of the rate asked for is the limit itself.
_KEPT = 0.98


@dataclass(frozen=True)
class GraphRun:
    """A run at one rate.

    Attributes
    ----------
    asked_hz, sent_hz : float
        The rate that was asked for, and the one that the senders reached.
    senders : int
        How many processes sent.
    sent, answered : int
        Pictures that were sent, and those of them that an answer with their stamp came for.
    loss : float
        The share of pictures without an answer.
    answers_hz : float
        Answers a second, from the first to the last.
    median_ms, p90_ms, p99_ms, max_ms : float or None
        From the stamp of a picture, made just before it is sent, until its answer is heard.
    jitter_ms : float or None
        Standard deviation of the intervals between answers.
    repeated, foreign : int
        Answers to pictures that had one already, and answers with stamps of no such picture.
    usage : Usage or None
        What the measured processes took; None where none is known.
    """

    asked_hz: float
    sent_hz: float
    senders: int
    sent: int
    answered: int
    loss: float
    answers_hz: float
    median_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    jitter_ms: float | None
    repeated: int = 0
    foreign: int = 0
    usage: Usage | None = None

    @property
    def limited_by_sender(self) -> bool:
        """Whether fewer pictures were sent than asked for, so that nothing is known beyond."""
        return self.sent_hz < _KEPT * self.asked_hz


def graph_run(
    asked_hz: float,
    senders: int,
    stamps_ns: Sequence[int],
    heard: Sequence[tuple[int, int]],
    warm_up_ns: Sequence[int] = (),
) -> GraphRun:
    """Figures of a run.

    Parameters
    ----------
    asked_hz : float
        The rate that was asked for.
    senders : int
        How many processes sent.
    stamps_ns : sequence of int
        Stamps of the pictures that count, in any order.
    heard : sequence of (int, int)
        Stamp of each answer and when it was heard, nanoseconds of the same clock.
    warm_up_ns : sequence of int
        Stamps of pictures that were sent before, whose answers do not count.
    """
    sent = set(stamps_ns)
    first_heard: dict[int, int] = {}
    repeated = foreign = 0
    ignored = set(warm_up_ns)
    for stamp, at in heard:
        if stamp in sent:
            repeated += stamp in first_heard
            first_heard.setdefault(stamp, at)
        elif stamp not in ignored:
            foreign += 1
    times_ns = np.sort(np.fromiter(first_heard.values(), np.int64, len(first_heard)))
    latencies_ms = [(at - stamp) / 1e6 for stamp, at in first_heard.items()]
    median, p90, p99, most = percentiles(latencies_ms, (50, 90, 99, 100))
    return GraphRun(
        asked_hz=asked_hz,
        sent_hz=rate_hz(sorted([*ignored, *sent])),
        senders=senders,
        sent=len(sent),
        answered=len(first_heard),
        loss=1 - len(first_heard) / len(sent) if sent else 1.0,
        answers_hz=rate_hz(times_ns),
        median_ms=median,
        p90_ms=p90,
        p99_ms=p99,
        max_ms=most,
        jitter_ms=float(np.std(np.diff(times_ns))) / 1e6 if len(times_ns) > 2 else None,
        repeated=repeated,
        foreign=foreign,
    )


def percentiles(values: Sequence[float], which: Sequence[float]) -> list[float | None]:
    """Percentiles of some values; None for each where there is no value."""
    if not len(values):
        return [None] * len(which)
    return [float(each) for each in np.percentile(values, which)]


def rate_hz(times_ns: Sequence[int] | NDArray[np.int64]) -> float:
    """How many a second, from times in order; 0 for fewer than two."""
    span_ns = int(times_ns[-1] - times_ns[0]) if len(times_ns) > 1 else 0
    return (len(times_ns) - 1) * 1e9 / span_ns if span_ns else 0.0
