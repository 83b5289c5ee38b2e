"""A thread for work that nobody waits for, such as drawing: it takes the newest item, or none.

It has no more of the processor than the process was started with, so others go first.
"""

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
from jetson_perception.printable import printable
from jetson_perception.process.scheduling import give_way
from jetson_perception.shortages import shortage

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
        Called with an item. If it raises, that is logged now and then, and the thread continues.
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
    failed : int
        Items that the work raised an error for.
    problem : str
        What it raised for the newest item; '' if that was worked on.
    """

    def __init__(
        self, work: Callable[[T], None], name: str, what: str = 'the newest picture'
    ) -> None:
        self._work = work
        self._what = what
        self._told_s = -_TELL_EVERY_S
        self.finished = 0
        self.skipped = 0
        self.failed = 0
        self.problem = ''
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
        give_way()
        while (item := self._slot.take()) is not None:
            self.activity.begin(self._what)
            try:
                self._work(item)
                self.finished += 1
                self.problem = ''
            except Exception as error:  # noqa: BLE001 - told of, and the next item may do
                if not self._left:  # after that, what it uses may be gone
                    self._tell(error)
            self.activity.end()

    def _tell(self, error: Exception) -> None:
        """Count an error and say what it is; the next one may come 33 ms later."""
        # A JPEG that a GPU's decoder took may be damaged.
        expected = str(error) if isinstance(error, ImageError) else shortage(error)
        self.failed += 1
        self.problem = expected or f'unexpected {type(error).__name__}: {printable(error)}'
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now_s
        if expected:
            log.warning('%s: %s', self._thread.name, expected)
        else:
            log.error('%s failed', self._thread.name, exc_info=error)
