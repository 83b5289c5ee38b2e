"""Hold frames back to a rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class Pacer:
    """A schedule of frames.

    A frame that comes late by less than a period does not shift the ones after it, so the rate
    holds on average; after a longer stop the schedule starts anew instead of catching up.

    Parameters
    ----------
    rate : float
        Frames a second; 0 never waits.
    clock_s : callable
        Seconds of a clock that only goes forward.
    """

    def __init__(self, rate: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s = 1 / rate if rate else 0.0
        self._clock_s = clock_s
        self._due_s: float | None = None

    def wait(self, cancelled: threading.Event) -> None:
        """Return when the next frame is due, or at once when `cancelled` is set."""
        if not self._period_s:
            return
        now_s = self._clock_s()
        if self._due_s is None or now_s - self._due_s > self._period_s:
            self._due_s = now_s
        elif self._due_s > now_s:
            cancelled.wait(self._due_s - now_s)
        self._due_s += self._period_s
