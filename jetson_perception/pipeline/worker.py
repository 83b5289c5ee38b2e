"""A thread for work that nobody waits for, such as drawing: it takes the newest item, or none."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from jetson_perception.errors import ImageError
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
_TELL_EVERY_S = 10.0


class NewestWorker(Generic[T]):
    """Runs `work` on the newest item, in a thread of its own; older items are skipped.

    Parameters
    ----------
    work : callable
        Called with an item. If it raises, that is logged, and the thread continues.
    name : str
        The thread's name.
    what : str
        What `work` makes of an item, for people, with its article.

    Attributes
    ----------
    finished : int
        Items that were worked on without an error.
    skipped : int
        Items that nobody worked on because a newer one came.
    """

    def __init__(
        self, work: Callable[[T], None], name: str, what: str = 'the newest picture'
    ) -> None:
        self._work = work
        self._what = what
        self._told_s = -_TELL_EVERY_S
        self.finished = 0
        self.skipped = 0
        self._slot: LatestSlot[T] = LatestSlot()
        #: What the thread is doing.
        self.activity = Activity(name)
        self._left = False
        self._thread = WatchedThread(self._run, name, self.activity)
        self._thread.start()

    def give(self, item: T) -> T | None:
        """Leave an item to be worked on; never waits. One thread at a time may call it.

        Returns
        -------
        T or None
            The item that nobody will work on for it: an older one, or this one after `close`.
        """
        older = self._slot.put(item)
        self.skipped += older is not None
        return older

    def stop(self) -> T | None:
        """Take no more items, and return the one that waits; does not wait for the thread."""
        return next(iter(self._slot.close()), None)

    def close(self, patience_s: float = 1.0) -> LeftBehind | None:
        """End the thread after the item under way; returns the thread if that takes too long."""
        self.stop()
        if join_until([self._thread], time.monotonic() + patience_s):
            self._left = True
            return LeftBehind([self._thread])
        return None

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            self.activity.begin(self._what)
            try:
                self._work(item)
                self.finished += 1
            except ImageError as error:  # a JPEG that a GPU's decoder took, damaged as it is
                self._tell(error)
            except Exception:
                if not self._left:  # after that, what it uses may be gone
                    log.exception('%s failed', self._thread.name)
            self.activity.end()

    def _tell(self, error: ImageError) -> None:
        """Say what is wrong with an image; the next one may come 33 ms later."""
        now_s = time.monotonic()
        if not self._left and now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            log.warning('%s: %s', self._thread.name, error)
