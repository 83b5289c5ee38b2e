"""How long each stage takes, and how often results come."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np

#: In the order in which a frame passes them. `transport` is the frame's age when it was received
#: (stamp to callback), `wait` the time until its lane was free, `total` stamp to published. What
#: runs on a GPU is timed there, and only there is there an `upload`.
STAGES = (
    'transport',
    'wait',
    'upload',
    'preprocess',
    'inference',
    'postprocess',
    'publish',
    'total',
)


class StageSummary(NamedTuple):
    """Times of one stage over the newest frames.

    Attributes
    ----------
    median_ms, p99_ms : float
        Median and 99th percentile, milliseconds.
    samples : int
        How many frames they are over.
    """

    median_ms: float
    p99_ms: float
    samples: int


class StageTimes:
    """The newest `window` times of each stage: 10 s at 30 Hz. Threads may use it at once."""

    def __init__(self, window: int = 300) -> None:
        self._lock = threading.Lock()
        self._times_ms = {stage: np.zeros(window, np.float32) for stage in STAGES}
        self._counts = dict.fromkeys(STAGES, 0)

    def record(self, stage: str, elapsed_ms: float) -> None:
        """Add one time of a stage named in `STAGES`, in milliseconds."""
        with self._lock:
            times = self._times_ms[stage]
            times[self._counts[stage] % len(times)] = elapsed_ms
            self._counts[stage] += 1

    def clear(self) -> None:
        """Forget all times so far."""
        with self._lock:
            self._counts = dict.fromkeys(STAGES, 0)

    def summary(self) -> dict[str, StageSummary]:
        """Median and 99th percentile of each stage that has any time yet, in stage order."""
        with self._lock:
            newest = {
                stage: times[: self._counts[stage]].copy()
                for stage, times in self._times_ms.items()
                if self._counts[stage]
            }
        summary = {}
        for stage, times in newest.items():
            median, p99 = np.percentile(times, (50, 99))
            summary[stage] = StageSummary(float(median), float(p99), len(times))
        return summary


class RateMeter:
    """Events a second over the last `window_s` seconds, or since the first event if that is less.

    Parameters
    ----------
    window_s : float
        Seconds to look back.
    """

    def __init__(self, window_s: float = 2.0) -> None:
        self._lock = threading.Lock()
        self._window_ns = int(window_s * 1e9)
        self._ticks_ns: list[int] = []

    def tick(self, now_ns: int) -> None:
        """Count one event at a monotonic time."""
        with self._lock:
            self._ticks_ns.append(now_ns)
            self._forget(now_ns)

    def rate(self, now_ns: int) -> float:
        """Events a second, in Hz; 0 until two events fell into the window."""
        with self._lock:
            self._forget(now_ns)
            if len(self._ticks_ns) < 2:
                return 0.0
            # Intervals, not events: three events a second apart are one a second, not 1.5.
            elapsed_ns = self._ticks_ns[-1] - self._ticks_ns[0]
            return (len(self._ticks_ns) - 1) * 1e9 / elapsed_ns if elapsed_ns else 0.0

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - self._window_ns
        while self._ticks_ns and self._ticks_ns[0] < oldest:
            self._ticks_ns.pop(0)
