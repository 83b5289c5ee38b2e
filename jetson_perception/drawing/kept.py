"""A cache of pixels, limited in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

_ENTRY_BYTES = 512  # roughly what an array and its key take besides the pixels


class KeptPixels:
    """Arrays by key; the least recently used are dropped first. Safe to use from several threads.

    Parameters
    ----------
    most_bytes : int
        Limit for all arrays together. A larger array is made anew each time.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes in the cache now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The array for a key, made if it is not in the cache; read-only."""
        with self._lock:
            kept = self._arrays.get(key)
            if kept is not None:
                self._arrays.move_to_end(key)
                return kept
        made = make()
        made.setflags(write=False)
        with self._lock:
            if key not in self._arrays:  # another thread may have made it meanwhile
                self._arrays[key] = made
                self._bytes += made.nbytes + _ENTRY_BYTES
            while self._bytes > self._most_bytes:
                _, oldest = self._arrays.popitem(last=False)
                self._bytes -= oldest.nbytes + _ENTRY_BYTES
        return made
