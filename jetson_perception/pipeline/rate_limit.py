"""Lets through so many of the events that come, evenly, and no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_EARLY = 0.25  # of a period that an event may be early, as cameras are not punctual


class RateLimit:
    """Says of each event whether it is due.

    Due times are a period apart whenever events come, so that the rate holds on average: of 30
    events a second a limit of 20 lets two of three through, not every second one.

    Parameters
    ----------
    now_s : callable
        Gives a monotonic time, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._due_s = 0.0

    def is_due(self, rate_hz: float, at_s: float | None = None) -> bool:
        """Whether an event is let through; then the next is due a period later.

        Parameters
        ----------
        rate_hz : float
            How many a second; 0 for all. It may differ from call to call.
        at_s : float, optional
            When the event happened, seconds; now by default. After a jump back, the next event is
            due a period later.
        """
        if not rate_hz:
            return True
        now_s, period_s = self._now_s() if at_s is None else at_s, 1 / rate_hz
        # A higher rate than before holds from now on, not when a long period is over.
        due_s = min(self._due_s, now_s + period_s)
        if now_s < due_s - _EARLY * period_s:
            self._due_s = due_s
            return False
        next_s = due_s + period_s
        # After a pause nothing is caught up on.
        self._due_s = next_s if next_s > now_s else now_s + period_s
        return True
