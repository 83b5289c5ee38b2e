"""A queue that delivers every item in order, for frames that must not be skipped."""

from __future__ import annotations

from collections import deque

from jetson_perception.pipeline.slot import Slot, T


class QueuedSlot(Slot[T]):
    """A slot whose items wait in a queue; a subclass says in `_add` which get in."""

    def __init__(self) -> None:
        super().__init__()
        self._items: deque[T] = deque()

    def _count(self) -> int:
        return len(self._items)

    def _first(self) -> T:
        return self._items[0]

    def _remove_first(self) -> None:
        self._items.popleft()


class ItemQueue(QueuedSlot[T]):
    """A slot that replaces no item.

    Producers should wait for answers before the queue is full: `put` returns an item that does not
    fit.

    Parameters
    ----------
    most : int
        How many items may wait.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def _add(self, item: T) -> T | None:
        if len(self._items) >= self._most:
            return item
        self._items.append(item)
        return None
