"""A place for one item, where a newer one replaces one that nobody took yet."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

T = TypeVar('T')


class Slot(Protocol[T]):
    """Where one thread leaves items for another; `LatestSlot` says what the methods do."""

    def put(self, item: T) -> T | None:
        """Leave an item, without waiting; returns one that nobody will take for it."""
        ...

    def take(self) -> T | None:
        """The next item, waiting for one; None once the slot is closed."""
        ...

    def take_within(self, timeout_s: float | None) -> T | None:
        """As `take`, but None also when no item came in time."""
        ...

    def poll(self) -> T | None:
        """The next item if one is waiting now, or None."""
        ...

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Let time pass; True as soon as the slot is closed."""
        ...

    def wait_until_taken(self, timeout_s: float) -> bool:
        """Wait until no item is waiting; False when one still was."""
        ...

    def close(self) -> list[T]:
        """End every `take`, now and later. Returns what was still waiting."""
        ...


class LatestSlot(Generic[T]):
    """Hands the newest item from one thread to another; neither side piles anything up.

    `put` never waits, so it may be called from a ROS callback.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leave `item` to be taken.

        Returns
        -------
        T or None
            The item that nobody will take any more: the one that was waiting, or `item` itself
            when the slot is closed.
        """
        with self._changed:
            if self._closed:
                return item
            replaced, self._item = self._item, item
            self._changed.notify_all()  # takers, and those who wait for a taker
            return replaced

    def take(self) -> T | None:
        """The newest item, waiting for one; None once the slot is closed."""
        return self.take_within(None)

    def take_within(self, timeout_s: float | None) -> T | None:
        """As `take`, but None also when no item came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def poll(self) -> T | None:
        """The item that is waiting now, or None."""
        with self._changed:
            item, self._item = self._item, None
            if item is not None:
                self._changed.notify_all()
            return item

    def wait_until_closed(self, timeout_s: float) -> bool:
        """Let time pass, up to `timeout_s`; True as soon as the slot is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def wait_until_taken(self, timeout_s: float) -> bool:
        """Wait until no item is there that a `put` would replace, for who must not lose any.

        Returns
        -------
        bool
            False when one was still there after `timeout_s`.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._item is None, timeout_s)

    def close(self) -> list[T]:
        """End every `take`, now and later. Returns the item that was still waiting, if any."""
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return [] if item is None else [item]
