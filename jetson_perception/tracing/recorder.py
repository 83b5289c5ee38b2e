"""Records what happens to frames in this process, in memory of limited size."""

from __future__ import annotations

import gc
import itertools
import struct
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.tracing.thread_usage import thread_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CAPACITY = 65_536
"""The newest spans that are kept, and as many samples: 10 MB, if ever that many are recorded."""

LONGEST_S = 60.0
"""The longest recording that can be asked for."""

COLLECTOR = 'garbage collector'
"""The track of the runs of Python's garbage collector."""

MAIN = 'main thread'
"""The track of the thread that runs a node's callbacks."""

#: Bytes rather than objects: the collector, whose runs are recorded, has not to look at them.
_SPAN = struct.Struct('<QqqqHH')
SPAN_TYPE = np.dtype(
    [
        ('number', '<u8'),
        ('begun_ns', '<i8'),
        ('ended_ns', '<i8'),
        ('frame', '<i8'),
        ('track', '<u2'),
        ('stage', '<u2'),
    ]
)
_SAMPLE = struct.Struct('<QqqqqqH')
SAMPLE_TYPE = np.dtype(
    [
        ('number', '<u8'),
        ('at_ns', '<i8'),
        ('ran_ns', '<i8'),
        ('waited_ns', '<i8'),
        ('faults', '<i8'),
        ('preempted', '<i8'),
        ('track', '<u2'),
    ]
)
_MOST_NAMES = 1000
_COLLECTIONS = ('collect generation 0', 'collect generation 1', 'collect generation 2')


class Recorded(NamedTuple):
    """A part of what was recorded.

    Attributes
    ----------
    spans, samples : ndarray of SPAN_TYPE, SAMPLE_TYPE
        `track` and `stage` are indices of `names`.
    names : list of str
    next : int
        The number of the first event after these.
    is_last : bool
        Whether there are none yet.
    is_whole : bool
        Whether all from the number that was asked for were still there.
    """

    spans: NDArray[Any]
    samples: NDArray[Any]
    names: list[str]
    next: int
    is_last: bool
    is_whole: bool


class Recorder:
    """Keeps spans and samples while somebody asked for them. Any thread may call it.

    A span is what a thread, or a GPU, did from one moment of the monotonic clock to another; a
    sample says how much CPU time the thread has had by then. Callers look at `on` first, which is
    all that an idle recorder costs.

    Parameters
    ----------
    capacity : int
        How many spans are kept, and as many samples: the newest.

    Attributes
    ----------
    on : bool
        Whether anything is recorded now.
    until_ns : int
        When the newest recording ends, monotonic; 0 before the first.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.on = False
        self.until_ns = 0
        self._keepers: set[object] = set()
        self._lock = threading.Lock()
        # Appending and copying are one step of the interpreter each, so they need no lock.
        self._spans: deque[bytes] = deque(maxlen=capacity)
        self._samples: deque[bytes] = deque(maxlen=capacity)
        self._numbers = itertools.count(1)
        # Those of the collector first: it runs in the middle of anything, so its callback may
        # neither take a lock nor add a name.
        self._names = {name: index for index, name in enumerate(('', COLLECTOR, *_COLLECTIONS))}
        self._naming = threading.Lock()
        self._collecting_since_ns = 0

    @property
    def keeps(self) -> bool:
        """Whether it records all the time."""
        return bool(self._keepers)

    def record(self, seconds: float) -> int:
        """Record from now on for so long; returns the number of the first event.

        A second recording meanwhile is recorded along with the first.
        """
        with self._lock:
            self._begin()
            self.until_ns = max(self.until_ns, time.monotonic_ns() + int(seconds * 1e9))
            return next(self._numbers) + 1

    def keep(self, who: object, *, keeps: bool) -> None:
        """Record all the time as long as anybody asks for that, such as a node of this process."""
        with self._lock:
            if keeps:
                self._keepers.add(who)
                self._begin()
            else:
                self._keepers.discard(who)
        self.end_if_over(time.monotonic_ns())

    def span(
        self, stage: str, begun_ns: int, ended_ns: int, frame: int = 0, track: str = ''
    ) -> None:
        """Add what was done between two moments of the monotonic clock.

        Parameters
        ----------
        stage : str
            What it was: 'inference'.
        begun_ns, ended_ns : int
        frame : int
            The frame's stamp in nanoseconds, by which it is found in other processes too; 0 where
            it is about no frame.
        track : str
            Where it is shown; by default, the calling thread.
        """
        self._add(stage, begun_ns, ended_ns, frame, track or _thread())
        self.end_if_over(ended_ns)

    @contextmanager
    def during(self, stage: str, frame: int = 0) -> Iterator[None]:
        """Add what the calling thread does meanwhile, if anything is recorded.

        This is for what happens beside the way of a frame to its results: it costs a microsecond.
        """
        if not self.on:
            yield
            return
        begun_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self.span(stage, begun_ns, time.monotonic_ns(), frame)

    @contextmanager
    def sampled(self, stage: str) -> Iterator[None]:
        """Add what the calling thread does meanwhile, and the CPU time that it gets.

        Only for who has seen that anything is recorded.
        """
        begun_ns = time.monotonic_ns()
        self.sample(begun_ns)
        yield
        ended_ns = time.monotonic_ns()
        self.sample(ended_ns)
        self.span(stage, begun_ns, ended_ns)

    def sample(self, at_ns: int) -> None:
        """Add how much CPU time the calling thread has had at this moment, which is now."""
        track = self._index(_thread())
        self._samples.append(_SAMPLE.pack(next(self._numbers), at_ns, *thread_usage(), track))

    def fetch(self, first: int, most: int) -> Recorded:
        """The oldest events from a number on, at most so many."""
        all_spans = _all(self._spans, SPAN_TYPE)
        all_samples = _all(self._samples, SAMPLE_TYPE)
        is_whole = not (
            _has_lost(all_spans, self._spans.maxlen, first)
            or _has_lost(all_samples, self._samples.maxlen, first)
        )
        spans = all_spans[all_spans['number'] >= first]
        samples = all_samples[all_samples['number'] >= first]
        numbers = np.concatenate((spans['number'], samples['number']))
        is_last = len(numbers) <= most
        if is_last:
            following = int(numbers.max()) + 1 if len(numbers) else first
        else:
            following = int(np.partition(numbers, most)[most])
            spans = spans[spans['number'] < following]
            samples = samples[samples['number'] < following]
        return Recorded(spans, samples, list(self._names), following, is_last, is_whole)

    def end_if_over(self, now_ns: int) -> None:
        """Stop if the time of the recording is over."""
        if not self.on or self._keepers or now_ns <= self.until_ns:
            return
        with self._lock:
            if self.on and not self._keepers and now_ns > self.until_ns:
                self.on = False
                gc.callbacks.remove(self._on_collection)

    def _begin(self) -> None:
        if self.on:
            return
        self._spans.clear()
        self._samples.clear()
        self._collecting_since_ns = 0
        gc.callbacks.append(self._on_collection)
        self.on = True

    def _index(self, name: str) -> int:
        index = self._names.get(name)
        if index is not None:
            return index
        if len(self._names) >= _MOST_NAMES:
            return 0
        with self._naming:
            return self._names.setdefault(name, len(self._names))

    def _add(self, stage: str, begun_ns: int, ended_ns: int, frame: int, track: str) -> None:
        number, where = next(self._numbers), self._index(track)
        span = _SPAN.pack(number, begun_ns, ended_ns, frame, where, self._index(stage))
        self._spans.append(span)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Add a run of Python's garbage collector, during which no other thread runs Python."""
        now_ns = time.monotonic_ns()
        if phase == 'start':
            self._collecting_since_ns = now_ns
        elif self._collecting_since_ns and self.on:
            stage = _COLLECTIONS[info['generation']]
            self._add(stage, self._collecting_since_ns, now_ns, 0, COLLECTOR)


def _thread() -> str:
    name = threading.current_thread().name
    return MAIN if name == 'MainThread' else name


def _all(events: deque[bytes], event_type: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(b''.join(events.copy()), event_type)


def _has_lost(events: NDArray[Any], capacity: int | None, first: int) -> bool:
    """Whether events from this number on had to make room for newer ones."""
    return len(events) == capacity and bool(events['number'][0] > first)


RECORDER = Recorder()
"""The recorder of this process."""
