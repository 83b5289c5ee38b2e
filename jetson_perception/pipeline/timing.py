"""How long each stage takes, and how often results come."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np

#: In the order in which a frame passes them. `transport` is the frame's age when it was received
#: (stamp to callback), `wait` the time until its lane was free, `total` stamp to published. What
#: runs on a GPU is timed there; only there is an `upload`. `refine` is only where results pass
#: something before they are published.
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
        # Several are recorded for every frame: appending is one step of the interpreter, and so
        # is copying, which makes a lock needless.
        self._times_ms = {stage: deque[float](maxlen=window) for stage in STAGES}

    def record(self, stage: str, elapsed_ms: float) -> None:
        """Add one time of a stage named in `STAGES`, in milliseconds."""
        self._times_ms[stage].append(elapsed_ms)

    def clear(self) -> None:
        """Forget all times so far."""
        for times_ms in self._times_ms.values():
            times_ms.clear()

    def summary(self) -> dict[str, StageSummary]:
        """Median and 99th percentile of each stage that has any time yet, in stage order."""
        summary = {}
        for stage, times_ms in self._times_ms.items():
            newest = times_ms.copy()
            if newest:
                median, p99 = np.percentile(newest, (50, 99))
                summary[stage] = StageSummary(float(median), float(p99), len(newest))
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
        self._ticks_ns: deque[int] = deque()

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
            self._ticks_ns.popleft()
