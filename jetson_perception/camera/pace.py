"""How frames follow each other in time, and what keeps them to a rate."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class Pace(Enum):
    """How a source gives its frames to a reader that may be slower, or faster, than its rate.

    Cameras and RTSP streams have no choice: their newest frame is what there is.
    """

    LIVE = 'live'
    """As a camera: at the source's rate. What is rendered or played by a pipeline goes on
    meanwhile, and of frames that were not read in time the newest is left."""
    EVERY_FRAME = 'every frame'
    """Every frame, in order, at the source's rate or slower: it waits for the reader."""
    OFFLINE = 'offline'
    """Every frame, in order, as fast as the reader takes them."""


#: What frames with times of their own may be late: some follow each other at once.
_MOST_LATE_S = 0.1


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

    def wait(self, cancelled: threading.Event, gap_s: float | None = None) -> float:
        """Return when the next frame is due, or at once when `cancelled` is set.

        Parameters
        ----------
        cancelled : threading.Event
            Ends the wait.
        gap_s : float, optional
            Seconds from the frame before to this one; a period of the rate if not given.

        Returns
        -------
        float
            Seconds since the frame was due.
        """
        most_late_s = self._period_s if gap_s is None else max(gap_s, _MOST_LATE_S)
        if gap_s is None:
            if not self._period_s:
                return 0.0
            gap_s = self._period_s
        now_s = self._clock_s()
        due_s = now_s if self._due_s is None else self._due_s + gap_s
        if now_s - due_s > most_late_s:
            due_s = now_s
        elif due_s > now_s:
            cancelled.wait(due_s - now_s)
            now_s = self._clock_s()
        self._due_s = due_s
        return max(now_s - due_s, 0.0)
