"""What callbacks of a node raised lately, which diagnostics tell of."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from jetson_perception.printable import printable
from jetson_perception.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LOG_EVERY_S = 5.0
"""Shortest time between two logged errors of callbacks, seconds."""
#: How long diagnostics tell of an error that has not come again.
_TOLD_FOR_S = 10.0


class CallbackErrors:
    """Logs what callbacks raise, now and then, and keeps the newest for a while.

    Parameters
    ----------
    now_s : callable
        Seconds that never go back.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._logged_s = self._failed_s = -math.inf
        self._words = ''

    def add(self, error: BaseException) -> None:
        """Tell of what a callback raised."""
        self._failed_s = now_s = self._now_s()
        lacks = shortage(error)
        self._words = lacks or f'unexpected {type(error).__name__}: {printable(error)}'
        if now_s - self._logged_s < LOG_EVERY_S:
            return
        self._logged_s = now_s
        if lacks:
            log.error('a callback failed: %s', lacks)
        else:
            log.error('unexpected error in a callback', exc_info=error)

    def problem(self) -> str:
        """What the newest one says; '' if none came lately."""
        if self._now_s() - self._failed_s >= _TOLD_FOR_S:
            return ''
        return f'a callback failed: {self._words}'
