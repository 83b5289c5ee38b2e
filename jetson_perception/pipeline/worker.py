"""A thread for work that nobody waits for, such as drawing: it takes the newest item, or none."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from jetson_perception.pipeline.activity import (
    Activity,
    LeftBehind,
    WatchedThread,
    join_until,
)
from jetson_perception.pipeline.slot import LatestSlot

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
T = TypeVar('T')


class NewestWorker(Generic[T]):
    """Runs `work` on the newest item, in a thread of its own; older items are dropped.

    Parameters
    ----------
    work : callable
        Called with an item. If it raises, that is logged, and the thread continues.
    name : str
        The thread's name.
    """

    def __init__(self, work: Callable[[T], None], name: str) -> None:
        self._work = work
        self._slot: LatestSlot[T] = LatestSlot()
        #: What the thread is doing.
        self.activity = Activity(name)
        self._left = False
        self._thread = WatchedThread(self._run, name, self.activity)
        self._thread.start()

    def give(self, item: T) -> None:
        """Leave an item to work on; never waits."""
        self._slot.put(item)

    def close(self, patience_s: float = 1.0) -> LeftBehind | None:
        """End the thread after the item under way; returns the thread if that takes too long."""
        self._slot.close()
        if join_until([self._thread], time.monotonic() + patience_s):
            self._left = True
            return LeftBehind([self._thread])
        return None

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            self.activity.begin('the newest picture')
            try:
                self._work(item)
            except Exception:
                if not self._left:  # after that, what it uses may be gone
                    log.exception('%s failed', self._thread.name)
            self.activity.end()
