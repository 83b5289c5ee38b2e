"""Pixels that are kept for the next picture, up to so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

_ENTRY_BYTES = 512  # about what an array and its key take beside the pixels


class KeptPixels:
    """Arrays by what they were made of; those that were asked for longest ago go first.

    May be used by several threads at once.

    Parameters
    ----------
    most_bytes : int
        Of all arrays together. One that is larger is made each time.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What is kept now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The array of a key, made where it is not there; read-only."""
        with self._lock:
            kept = self._arrays.get(key)
            if kept is not None:
                self._arrays.move_to_end(key)
                return kept
        made = make()
        made.setflags(write=False)
        with self._lock:
            if key not in self._arrays:  # another thread may have been as fast
                self._arrays[key] = made
                self._bytes += made.nbytes + _ENTRY_BYTES
            while self._bytes > self._most_bytes:
                _, oldest = self._arrays.popitem(last=False)
                self._bytes -= oldest.nbytes + _ENTRY_BYTES
        return made
