"""What was recorded in a process, as spans and samples with their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jetson_perception.tracing.recorder import Recorded


class Span(NamedTuple):
    """What was done from one moment of the monotonic clock to another.

    Attributes
    ----------
    stage, track : str
        What, and by which thread, or aside of which.
    begun_ns, ended_ns : int
    frame : int
        The frame's `trace_id`; 0 where it is about none.
    """

    stage: str
    track: str
    begun_ns: int
    ended_ns: int
    frame: int = 0

    @property
    def ms(self) -> float:
        """How long it took."""
        return (self.ended_ns - self.begun_ns) / 1e6

    def overlap_ms(self, other: Span) -> float:
        """How much of it another one takes."""
        shared = min(self.ended_ns, other.ended_ns) - max(self.begun_ns, other.begun_ns)
        return max(shared, 0) / 1e6


class Use(NamedTuple):
    """What a thread had of the machine during a span.

    Attributes
    ----------
    ran_ms, waited_ms : float
        How long it ran, and was ready to run while others had the CPUs.
    faults, preempted : int
        Page faults, and how often another thread took its CPU.
    """

    ran_ms: float
    waited_ms: float
    faults: int
    preempted: int


class ThreadSamples:
    """Samples of one thread, in the order of their times.

    Parameters
    ----------
    samples : ndarray of recorder.SAMPLE_TYPE
        Of this thread alone.
    """

    def __init__(self, samples: NDArray[Any]) -> None:
        self._samples = samples[np.argsort(samples['at_ns'], kind='stable')]

    def waited_share(self) -> float:
        """Which share of the time it waited for a CPU."""
        first, last = self._samples[[0, -1]]
        span_ns = int(last['at_ns'] - first['at_ns'])
        return float(last['waited_ns'] - first['waited_ns']) / span_ns if span_ns else 0.0

    def use(self, begun_ns: int, ended_ns: int) -> Use | None:
        """What it had between two moments; None where that was not sampled."""
        at_ns = self._samples['at_ns']
        if not at_ns[0] <= begun_ns <= ended_ns <= at_ns[-1]:
            return None
        # Samples are taken where stages change, so there is mostly one at either moment.
        both = (begun_ns, ended_ns)
        ran, waited, faults, preempted = (
            float(np.diff(np.interp(both, at_ns, self._samples[name]))[0])
            for name in ('ran_ns', 'waited_ns', 'faults', 'preempted')
        )
        return Use(ran / 1e6, waited / 1e6, round(faults), round(preempted))


@dataclass
class ProcessTrace:
    """What was recorded in one process.

    Attributes
    ----------
    name : str
        Its nodes, or what else it is, for people.
    host, clock : str
        Where it runs; processes with equal clocks have one monotonic clock.
    pid : int
        Of the process, as it sees that itself.
    spans : list of Span
        In the order of their beginnings, those that contain others first.
    threads : dict
        The ThreadSamples of each thread, by its track.
    is_whole : bool
        Whether nothing of what was asked for was dropped.
    """

    name: str
    host: str
    clock: str
    pid: int
    spans: list[Span] = field(default_factory=list)
    threads: dict[str, ThreadSamples] = field(default_factory=dict)
    is_whole: bool = True

    def use(self, span: Span) -> Use | None:
        """What the thread of a span had meanwhile; None where it is not known."""
        thread = self.threads.get(span.track)
        return thread.use(span.begun_ns, span.ended_ns) if thread is not None else None

    def sort(self) -> None:
        """Put the spans in order."""
        self.spans.sort(key=lambda span: (span.begun_ns, -span.ended_ns))


def add_recorded(
    trace: ProcessTrace, parts: Iterable[Recorded], within_ns: tuple[int, int] | None = None
) -> None:
    """Add what a recorder gave, perhaps only what began between two moments.

    Raises
    ------
    IndexError
        When a name that is referred to is not there.
    """
    samples: dict[str, list[NDArray[Any]]] = {}
    begin_ns, end_ns = within_ns or (-(1 << 63), (1 << 63) - 1)
    for part in parts:
        names = part.names
        trace.is_whole = trace.is_whole and part.is_whole
        trace.spans.extend(
            Span(names[stage], names[track], begun_ns, ended_ns, frame)
            for _, begun_ns, ended_ns, frame, track, stage in part.spans.tolist()
            if begin_ns <= begun_ns <= min(ended_ns, end_ns)
        )
        for track in np.unique(part.samples['track']).tolist():
            found = part.samples[part.samples['track'] == track]
            samples.setdefault(names[track], []).append(found)
    trace.threads |= {
        track: ThreadSamples(np.concatenate(found)) for track, found in samples.items()
    }
    trace.sort()
