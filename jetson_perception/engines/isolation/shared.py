"""Memory that two processes share, for arrays: a nameless file that grows with what is put in."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

#: Arrays begin at multiples of it, so that vector instructions read them fast.
_ALIGNMENT = 64

#: Where an array is: its shape, its dtype as text, and the byte at which it begins.
Place = tuple[tuple[int, ...], str, int]


class SharedArrays:
    """One end of memory that this process and another one map.

    Parameters
    ----------
    descriptor : int, optional
        Of a file that the other process made; without it, a new one is made. It is closed with
        the object.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        made = os.memfd_create('jetson_perception_engine') if descriptor is None else descriptor
        self.descriptor = made
        self._memory: mmap.mmap | None = None

    def write(self, arrays: Iterable[NDArray[Any]]) -> list[Place]:
        """Copy arrays into the memory, which grows if it has to; returns where they are."""
        found = list(arrays)
        places, end = [], 0
        for each in found:
            places.append((each.shape, each.dtype.str, end))
            end += -(-each.nbytes // _ALIGNMENT) * _ALIGNMENT
        if self._memory is None or len(self._memory) < end:
            os.ftruncate(self.descriptor, max(end, mmap.PAGESIZE))
            self._map()
        for target, each in zip(self._views(places), found, strict=True):
            np.copyto(target, each)
        return places

    def read(self, places: Sequence[Place]) -> list[NDArray[Any]]:
        """What the other process wrote there, without a copy; its next `write` overwrites it."""
        if self._memory is None or os.fstat(self.descriptor).st_size > len(self._memory):
            self._map()
        return self._views(places)

    def close(self) -> None:
        """Let go of the file; arrays that were read stay valid."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _map(self) -> None:
        # The one before lives as long as arrays are in it.
        self._memory = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)

    def _views(self, places: Sequence[Place]) -> list[NDArray[Any]]:
        assert self._memory is not None
        return [
            np.ndarray(shape, np.dtype(dtype), self._memory, start)
            for shape, dtype, start in places
        ]
