"""Stages that overlap, each in threads of its own, while their items stay in order.

Stages are iterators, each over the items of the one before::

    with Overlap() as overlap:
        frames = overlap.ahead(read(path), 'reading')
        drawn = overlap.each(frames, draw, 'drawing')
        for each in drawn:
            write(each)  # meanwhile the next is drawn, and the one behind it read

With `Overlap(on=False)` the same is done one after another, with the same results.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jetson_perception.pipeline.activity import Activity, WatchedThread, join_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

_log = logging.getLogger(__name__)
S = TypeVar('S')
T = TypeVar('T')


@dataclass(frozen=True)  # a generic NamedTuple takes Python 3.11
class _Done(Generic[T]):
    """What became of an item."""

    value: T | None
    error: BaseException | None = None


class Ahead(Generic[S, T]):
    """What threads make of the items of an iterator, ahead of who takes it, in the items' order.

    An error is raised in its turn, after what was made of the items before it; then it ends.

    Parameters
    ----------
    items : iterator
        Used by one thread at a time; closed at the end if it is a generator. With one worker,
        that thread alone uses it.
    work : callable
        Called with an item; several threads at once call it if there are several workers.
    who : str
        Name of the threads.
    workers : int
        How many threads.
    most : int
        How many items may be under way or wait to be taken.
    """

    def __init__(
        self, items: Iterator[S], work: Callable[[S], T], who: str, workers: int = 1, most: int = 2
    ) -> None:
        self._items = items
        self._work = work
        self._most = most
        self._taking = threading.Lock()  # held while the next item is asked for
        self._changed = threading.Condition()
        self._done: dict[int, _Done[T]] = {}
        self._taken = self._given = 0  # items from `items`, and to who iterates
        self._over = self._stopped = False
        #: Make the items.
        self.threads = [self._thread(who) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(self._has_next_or_ended)
            done = self._done.pop(self._given, None)
            if done is None or self._stopped:
                raise StopIteration
            self._given += 1
            self._changed.notify_all()
        if done.error is not None:
            self.stop()
            raise done.error
        value: Any = done.value
        return value

    def stop(self) -> None:
        """End the iteration for who takes items, and the threads after those under way."""
        with self._changed:
            self._stopped = True
            self._done.clear()
            self._changed.notify_all()

    def _thread(self, who: str) -> WatchedThread:
        activity = Activity(who)
        return WatchedThread(lambda: self._run(activity), who, activity)

    def _has_next_or_ended(self) -> bool:
        is_last = self._over and self._given == self._taken
        return self._given in self._done or is_last or self._stopped

    def _has_room_or_ended(self) -> bool:
        return self._taken - self._given < self._most or self._over or self._stopped

    def _run(self, activity: Activity) -> None:
        while (taken := self._take(activity)) is not None:
            number, item = taken
            activity.begin('the work on a frame')
            try:
                self._put(number, _Done(self._work(item)))
            except BaseException as err:  # noqa: BLE001 - raised for who takes the items
                self._put(number, _Done(None, err))
            del taken, item  # so that they count as their taker's alone
            activity.end()

    def _take(self, activity: Activity) -> tuple[int, S] | None:
        """The next item with its number; None at the end."""
        with self._taking:
            with self._changed:
                self._changed.wait_for(self._has_room_or_ended)
                number = self._taken
                if self._over or self._stopped:
                    self._close_items()
                    return None
            activity.begin('the wait for a frame')
            try:
                item = next(self._items)
            except StopIteration:
                self._end()
                return None
            except BaseException as err:  # noqa: BLE001 - raised for who takes the items
                self._put(number, _Done(None, err), taken=True)
                return None
            finally:
                activity.end()
            with self._changed:
                self._taken += 1
            return number, item

    def _put(self, number: int, done: _Done[T], *, taken: bool = False) -> None:
        with self._changed:
            self._taken += taken
            self._over = self._over or done.error is not None
            if not self._stopped:
                self._done[number] = done
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _close_items(self) -> None:
        close = getattr(self._items, 'close', None)
        if close is not None:
            close()


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
        self._stages: list[Ahead[Any, Any]] = []
        self._interrupts: list[Callable[[], None]] = []

    def ahead(self, items: Iterator[T], who: str) -> Iterator[T]:
        """The items, of which a thread asks for the next while one is used."""
        return self.each(items, lambda item: item, who) if self.on else items

    def each(
        self, items: Iterator[S], work: Callable[[S], T], who: str, workers: int = 1
    ) -> Iterator[T]:
        """What is made of each item, in threads as by `Ahead`."""
        if not self.on:
            return map(work, items)
        stage = Ahead(items, work, who, workers, workers + 1)
        self._stages.append(stage)
        return stage

    def on_stop(self, interrupt: Callable[[], None]) -> None:
        """Call something that makes a stage under way end soon, if one is at the end."""
        self._interrupts.append(interrupt)

    def close(self) -> None:
        """End the threads; calling it twice is harmless."""
        for stage in self._stages:
            stage.stop()
        threads = [thread for stage in self._stages for thread in stage.threads]
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
