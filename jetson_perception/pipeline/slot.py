"""Slots, where one thread leaves items for another: the base, and one for the newest item."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar('T')


class Slot(ABC, Generic[T]):
    """Hands items from one thread to another, the oldest first.

    A subclass keeps the items, and decides what happens to an item while others wait.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False

    @abstractmethod
    def _count(self) -> int:
        """How many items wait."""

    @abstractmethod
    def _first(self) -> T:
        """Return the item that is next, of those that wait, and keep it."""

    @abstractmethod
    def _remove_first(self) -> None:
        """Drop the item that is next."""

    @abstractmethod
    def _add(self, item: T) -> T | None:
        """Add an item to those that wait; return the item that nobody will take because of it."""

    @property
    def count(self) -> int:
        """How many items wait."""
        with self._changed:
            return self._count()

    def put(self, item: T) -> T | None:
        """Leave `item` to be taken, without waiting, so that a ROS callback may call it.

        Returns
        -------
        T or None
            The item that nobody will take any more: one that was waiting, or `item` itself when
            the slot is closed or has no room.
        """
        return self._put(item, self._add)

    def put_behind(self, item: T, most: int) -> T | None:
        """Leave `item` like `put`; but where fewer than `most` wait, it replaces none of them."""
        return self.put(item)

    def put_instead(self, item: T) -> T | None:
        """Leave `item` in place of the one that waits, if one does and the slot replaces items.

        Returns
        -------
        T or None
            The item that nobody will take any more: the one that waited, or `item` itself.
        """
        return item

    def _put(self, item: T, add: Callable[[T], T | None]) -> T | None:
        with self._changed:
            if self._closed:
                return item
            left_out = add(item)
            self._changed.notify_all()  # takers, and those that wait for a taker
            return left_out

    def take(self, unless: Callable[[], bool] = lambda: False) -> T | None:
        """The next item, waiting for one; None once the slot is closed.

        Also None as soon as `unless` holds, even if items wait; who makes it hold calls `nudge`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._count() or self._closed or unless())
            return None if unless() else self._pop()

    def nudge(self) -> None:
        """Have those that wait look again whether they are still to."""
        with self._changed:
            self._changed.notify_all()

    def take_within(self, timeout_s: float) -> T | None:
        """Like `take`, but also None if no item comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._count() or self._closed, timeout_s)
            return self._pop()

    def take_together(
        self,
        most: int,
        patience: Callable[[T], tuple[int, float]],
        unless: Callable[[], bool] = lambda: False,
    ) -> list[T]:
        """The next items, waiting for the first one; empty once the slot is closed.

        Parameters
        ----------
        most : int
            How many at most.
        patience : callable
            Called as patience(item) with the first one: how many items are worth waiting for, and
            how long, seconds. Meanwhile it waits like the others, so a newer one may replace it.
        unless : callable
            See `take`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._count() or self._closed or unless())
            if 0 < self._count() < most:
                wanted, wait_s = patience(self._first())
                wanted = min(wanted, most)
                if self._count() < wanted and wait_s > 0:
                    self._changed.wait_for(
                        lambda: self._count() >= wanted or self._closed or unless(), wait_s
                    )
            return [] if unless() else self._pop_up_to(most)

    def poll_together(self, most: int, patience: Callable[[T], tuple[int, float]]) -> list[T]:
        """The items that wait now, up to `most`; none while `patience` says to wait for others.

        See `take_together`.
        """
        with self._changed:
            if 0 < self._count() < most:
                wanted, wait_s = patience(self._first())
                if self._count() < min(wanted, most) and wait_s > 0:
                    return []
            return self._pop_up_to(most)

    def poll(self) -> T | None:
        """The next item if one is waiting now, or None."""
        with self._changed:
            return self._pop()

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Let time pass, up to `timeout_s`; True as soon as the slot is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def wait_until_taken(self, timeout_s: float) -> bool:
        """Wait until all items are taken, so that none is lost; False if one is left."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count(), timeout_s)

    def close(self) -> list[T]:
        """End every `take`, now and later. Returns the items that were still waiting."""
        with self._changed:
            self._closed = True
            items: list[T] = []
            while (item := self._pop()) is not None:
                items.append(item)
            self._changed.notify_all()
            return items

    def _pop_up_to(self, most: int) -> list[T]:
        items: list[T] = []
        while len(items) < most and (item := self._pop()) is not None:
            items.append(item)
        return items

    def _pop(self) -> T | None:
        if not self._count():
            return None
        item = self._first()
        self._remove_first()
        self._changed.notify_all()
        return item


class LatestSlot(Slot[T]):
    """A slot for one item; a newer item replaces one that has not been taken yet.

    With a key, it is for one item of each key, and the keys take turns: an item waits behind one
    of every other key at most, however often others are replaced. Of a key more than one waits
    only if they were put with `put_behind`.

    Parameters
    ----------
    key : callable
        Gives the key of an item; all items have the same one by default.
    """

    def __init__(self, key: Callable[[T], Hashable] = lambda item: None) -> None:
        super().__init__()
        self._key = key
        # In the order in which keys take turns: a new value leaves a key in its place. Of each key
        # at least one waits.
        self._items: dict[Hashable, deque[T]] = {}

    def put_behind(self, item: T, most: int) -> T | None:
        """See `Slot.put_behind`; those that wait are of the same key."""
        return self._put(item, lambda item: self._add_behind(item, most))

    def put_instead(self, item: T) -> T | None:
        """See `Slot.put_instead`; it is an item of the same key that is replaced."""
        with self._changed:
            if self._key(item) not in self._items:  # nor is any, once it is closed
                return item
            return self._add(item)

    def _count(self) -> int:
        return sum(map(len, self._items.values()))

    def _first(self) -> T:
        return next(iter(self._items.values()))[0]

    def _remove_first(self) -> None:
        key, waiting = next(iter(self._items.items()))
        waiting.popleft()
        del self._items[key]
        if waiting:  # the next one, after a turn of the others
            self._items[key] = waiting

    def _add(self, item: T) -> T | None:
        return self._add_behind(item, 1)

    def _add_behind(self, item: T, most: int) -> T | None:
        waiting = self._items.setdefault(self._key(item), deque())
        waiting.append(item)
        return waiting.popleft() if len(waiting) > most else None
