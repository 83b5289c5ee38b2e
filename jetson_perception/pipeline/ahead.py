"""Stages that overlap, each in a thread of its own, while their items stay in order.

Stages are iterators, each over the items of the one before::

    with Overlap() as overlap:
        frames = overlap.ahead(read(path), 'reading')
        drawn = overlap.ahead(map(draw, frames), 'drawing')
        for each in drawn:
            write(each)  # meanwhile the next is drawn, and the one behind it read

Without `ahead`, the same iterators do one thing after another, with the same results.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from jetson_perception.pipeline.activity import Activity, WatchedThread, join_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

_log = logging.getLogger(__name__)
T = TypeVar('T')


class Ahead(Generic[T]):
    """The items of an iterator, which a thread of its own computes ahead of who takes them.

    An error of the iterator is raised in its turn, after the items before it.

    Parameters
    ----------
    items : iterator
        Used in that thread alone, and closed there if it is a generator.
    who : str
        Name of the thread.
    most : int
        How many items may wait to be taken, that which is being computed included.
    """

    def __init__(self, items: Iterator[T], who: str, most: int = 1) -> None:
        self._items = items
        self._most = most
        self._changed = threading.Condition()
        self._ready: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = self._stopped = False
        self._activity = Activity(who)
        #: Computes the items.
        self.thread = WatchedThread(self._run, who, self._activity)
        self.thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._stopped)
            if self._stopped:
                raise StopIteration
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def stop(self) -> None:
        """End the iteration for who takes items, and the thread after the one under way."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while self._has_room():
                self._activity.begin('the next frame')
                try:
                    item = next(self._items)
                except StopIteration:
                    break
                self._activity.end()
                self._put(item)
                del item  # so that it counts as its taker's alone
        except BaseException as err:  # noqa: BLE001 - handed to who takes the items
            error = err
        self._activity.end()
        try:
            if (close := getattr(self._items, 'close', None)) is not None:
                close()
        except BaseException as err:  # noqa: BLE001 - likewise
            error = error or err
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait for room for an item; False once nobody wants one."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._most or self._stopped)
            return not self._stopped

    def _put(self, item: T) -> None:
        with self._changed:
            if not self._stopped:
                self._ready.append(item)
                self._changed.notify_all()


class Overlap:
    """The threads of stages that overlap, which end together at the end of the block.

    Parameters
    ----------
    on : bool
        False to have the stages one after another, in the calling thread.
    patience_s : float
        How long to wait for the threads at the end. One that hangs is left behind.
    """

    def __init__(self, *, on: bool = True, patience_s: float = 1.5) -> None:
        self.on = on
        self._patience_s = patience_s
        self._stages: list[Ahead[object]] = []
        self._interrupts: list[Callable[[], None]] = []

    def ahead(self, items: Iterator[T], who: str, most: int = 1) -> Iterator[T]:
        """The items, computed ahead as by `Ahead`; the iterator itself where nothing overlaps."""
        if not self.on:
            return items
        stage = Ahead(items, who, most)
        self._stages.append(stage)  # type: ignore[arg-type]
        return stage

    def on_stop(self, interrupt: Callable[[], None]) -> None:
        """Call something that makes a stage under way end soon, where the threads are to end."""
        self._interrupts.append(interrupt)

    def close(self) -> None:
        """End the threads; calling it twice is harmless."""
        for stage in self._stages:
            stage.stop()
        threads = [stage.thread for stage in self._stages]
        if any(thread.is_alive() for thread in threads):
            for interrupt in self._interrupts:
                interrupt()
        for thread in join_until(threads, time.monotonic() + self._patience_s):
            _log.warning('%s', thread.activity.describe() or f'{thread.name} has not ended')
        self._stages.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
