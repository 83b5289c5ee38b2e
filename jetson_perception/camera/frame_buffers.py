"""Memory for a source's frames, used again when nobody refers to a frame any more.

Fresh memory costs a page fault every 4 KiB, and a copy as much again; but how long a frame is
needed, only those know who have it: an engine, a thread that draws, a message under way.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class FrameBuffers:
    """Arrays to fill with frames; one thread at a time may take them."""

    def __init__(self) -> None:
        self._given: list[_Given] = []
        self._spare: NDArray[np.uint8] | None = None

    def take(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        """An array of this shape that nobody else has.

        Its memory is given out again when the array, and all views of it, are gone.
        """
        size = int(np.prod(shape))
        free = [each.memory for each in self._given if each.user() is None]
        self._given = [each for each in self._given if each.user() is not None]
        if self._spare is not None:
            free.append(self._spare)
        fitting = [memory for memory in free if memory.size == size]
        memory = fitting.pop() if fitting else np.empty(size, np.uint8)
        self._spare = fitting[0] if fitting else None  # whoever reads ahead has two at a time
        # Over a memoryview: NumPy has views refer to the array that is made here, whereas of an
        # array's views all refer to its memory alone.
        owner = np.frombuffer(memory.data, np.uint8)
        self._given.append(_Given(memory, weakref.ref(owner)))
        return owner.reshape(shape)


class _Given(NamedTuple):
    memory: NDArray[np.uint8]
    user: weakref.ref[NDArray[np.uint8]]
