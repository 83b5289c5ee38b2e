"""A queue that gives every item, in order, for frames of which none may be left out."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar('T')


class ItemQueue(Generic[T]):
    """Hands every item from one thread to another, in order; a `Slot` that replaces nothing.

    `put` never waits, so it may be called from a ROS callback. Whoever puts is to wait for answers
    before more items come than fit: an item that finds the queue full comes back.

    Parameters
    ----------
    most : int
        Items that may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leave `item` to be taken; it comes back when the queue is closed or full."""
        with self._changed:
            if self._closed or len(self._items) >= self._most:
                return item
            self._items.append(item)
            self._changed.notify_all()
            return None

    def take(self) -> T | None:
        """The oldest item, waiting for one; None once the queue is closed."""
        return self.take_within(None)

    def take_within(self, timeout_s: float | None) -> T | None:
        """As `take`, but None also when no item came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            return self._pop()

    def poll(self) -> T | None:
        """The oldest item that is waiting now, or None."""
        with self._changed:
            return self._pop()

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Let time pass, up to `timeout_s`; True as soon as the queue is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def wait_until_taken(self, timeout_s: float) -> bool:
        """Wait until no item is waiting; False when one still was after `timeout_s`."""
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
