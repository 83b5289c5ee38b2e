"""Slots, where one thread leaves items for another: the base, and one for the newest item."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import Generic, TypeVar

T = TypeVar('T')


class Slot(ABC, Generic[T]):
    """Hands items from one thread to another, the oldest first.

    A subclass decides in `_add` what happens to an item while others wait.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._closed = False

    @abstractmethod
    def _add(self, item: T) -> T | None:
        """Add an item to those that wait; return the item that nobody will take because of it."""

    def put(self, item: T) -> T | None:
        """Leave `item` to be taken, without waiting, so that a ROS callback may call it.

        Returns
        -------
        T or None
            The item that nobody will take any more: one that was waiting, or `item` itself when
            the slot is closed or has no room.
        """
        with self._changed:
            if self._closed:
                return item
            left_out = self._add(item)
            self._changed.notify_all()  # takers, and those that wait for a taker
            return left_out

    def put_instead(self, item: T) -> T | None:
        """Leave `item` in place of the one that waits, if one does and the slot replaces items.

        Returns
        -------
        T or None
            The item that nobody will take any more: the one that waited, or `item` itself.
        """
        with self._changed:
            return item if self._closed or not self._items else self._replace(item)

    def _replace(self, item: T) -> T:
        """Put an item in place of one that waits; return the item that nobody will take."""
        return item

    def take(self) -> T | None:
        """The next item, waiting for one; None once the slot is closed."""
        return self.take_within(None)

    def take_within(self, timeout_s: float | None) -> T | None:
        """Like `take`, but also None if no item comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            return self._pop()

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
            return self._changed.wait_for(lambda: not self._items, timeout_s)

    def close(self) -> list[T]:
        """End every `take`, now and later. Returns the items that were still waiting."""
        with self._changed:
            self._closed = True
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return items

    def _pop(self) -> T | None:
        if not self._items:
            return None
        item = self._items.popleft()
        self._changed.notify_all()
        return item


class LatestSlot(Slot[T]):
    """A slot for one item; a newer item replaces one that has not been taken yet."""

    def _add(self, item: T) -> T | None:
        if self._items:
            return self._replace(item)
        self._items.append(item)
        return None

    def _replace(self, item: T) -> T:
        replaced = self._items.popleft()
        self._items.append(item)
        return replaced
