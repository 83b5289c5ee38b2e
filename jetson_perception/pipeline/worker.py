"""A thread for work that nobody waits for, as drawing: the newest item, or none."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from jetson_perception.pipeline.slot import LatestSlot

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
T = TypeVar('T')


class NewestWorker(Generic[T]):
    """Runs `work` on the newest item given, in a thread of its own; older ones are dropped.

    Parameters
    ----------
    work : callable
        Called with an item. What it raises is logged, and the next item runs.
    name : str
        The thread's name.
    """

    def __init__(self, work: Callable[[T], None], name: str) -> None:
        self._work = work
        self._slot: LatestSlot[T] = LatestSlot()
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def give(self, item: T) -> None:
        """Leave an item to be worked on; never waits."""
        self._slot.put(item)

    def close(self) -> None:
        """End the thread after the item under way."""
        self._slot.close()
        self._thread.join()

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            try:
                self._work(item)
            except Exception:
                log.exception('%s failed', self._thread.name)
