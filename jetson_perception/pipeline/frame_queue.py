"""A queue that gives every item, in order, for frames that must not be left out."""

from __future__ import annotations

from jetson_perception.pipeline.slot import Slot, T


class ItemQueue(Slot[T]):
    """A slot that replaces nothing.

    Whoever puts is to wait for answers before more items come than fit: an item that finds the
    queue full comes back.

    Parameters
    ----------
    most : int
        Items that may wait.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def _add(self, item: T) -> T | None:
        if len(self._items) >= self._most:
            return item
        self._items.append(item)
        return None
