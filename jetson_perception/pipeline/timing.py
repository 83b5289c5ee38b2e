"""Measures how long each stage takes, and how often results come."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from jetson_perception.tracing import RECORDER

#: The stages, in the order in which a frame passes them. `transport` is the frame's age when it
#: was received (stamp to callback), `wait` the time until its lane was free, and `total` the time
#: from the stamp until the result was published. What runs on a GPU is timed there, and only there
#: is an `upload`. `refine` exists only for lanes that refine their results.
STAGES = (
    'transport',
    'wait',
    'upload',
    'preprocess',
    'inference',
    'postprocess',
    'refine',
    'publish',
    'total',
)


class StageSummary(NamedTuple):
    """Times of one stage over the newest frames.

    Attributes
    ----------
    median_ms, p99_ms : float
        Median and 99th percentile in milliseconds.
    samples : int
        The number of frames that they cover.
    """

    median_ms: float
    p99_ms: float
    samples: int


class StageTimes:
    """The newest `window` times of each stage, by default 10 s at 30 Hz. Thread-safe.

    Parameters
    ----------
    window : int
        How many times of each stage are kept.
    track : str
        Where traces show stages that do not take the calling thread's time.
    """

    def __init__(self, window: int = 300, track: str = '') -> None:
        self._track = track
        # Every frame records several times. Appending is one step of the interpreter, and so is
        # copying, so no lock is needed.
        self._times_ms = {stage: deque[float](maxlen=window) for stage in STAGES}

    def record(self, stage: str, elapsed_ms: float) -> None:
        """Add one time of a stage named in `STAGES`, in milliseconds."""
        self._times_ms[stage].append(elapsed_ms)

    def span(
        self, stage: str, begun_ns: int, ended_ns: int, frame: int = 0, aside: str = ''
    ) -> None:
        """Add the time of a stage between two moments of the monotonic clock, also to a trace.

        Parameters
        ----------
        stage : str
            One of `STAGES`.
        begun_ns, ended_ns : int
        frame : int
            The frame's `trace_id`.
        aside : str
            What the stage is, if it is not what the calling thread did: 'waiting'.
        """
        self._times_ms[stage].append((ended_ns - begun_ns) / 1e6)
        if RECORDER.on:
            track = f'{self._track}: {aside}' if aside else ''
            RECORDER.span(stage, begun_ns, ended_ns, frame, track)

    def clear(self) -> None:
        """Forget all times so far."""
        for times_ms in self._times_ms.values():
            times_ms.clear()

    def summary(self) -> dict[str, StageSummary]:
        """Median and 99th percentile of each stage that has any times, in stage order."""
        summary = {}
        for stage, times_ms in self._times_ms.items():
            newest = times_ms.copy()
            if newest:
                median, p99 = np.percentile(newest, (50, 99))
                summary[stage] = StageSummary(float(median), float(p99), len(newest))
        return summary


class RateMeter:
    """Events per second over the last `window_s` seconds, or since the first event if later.

    Parameters
    ----------
    window_s : float
        Seconds to look back.
    """

    def __init__(self, window_s: float = 2.0) -> None:
        self._lock = threading.Lock()
        self._window_ns = int(window_s * 1e9)
        self._ticks_ns: deque[int] = deque()

    def tick(self, now_ns: int) -> None:
        """Count one event at a monotonic time."""
        with self._lock:
            self._ticks_ns.append(now_ns)
            self._forget(now_ns)

    def rate(self, now_ns: int) -> float:
        """Events per second, in Hz; 0 with fewer than two events in the window."""
        with self._lock:
            self._forget(now_ns)
            if len(self._ticks_ns) < 2:
                return 0.0
            # Count intervals, not events: three events at 0, 1 and 2 s are 1 Hz, not 1.5 Hz.
            elapsed_ns = self._ticks_ns[-1] - self._ticks_ns[0]
            return (len(self._ticks_ns) - 1) * 1e9 / elapsed_ns if elapsed_ns else 0.0

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - self._window_ns
        while self._ticks_ns and self._ticks_ns[0] < oldest:
            self._ticks_ns.popleft()
