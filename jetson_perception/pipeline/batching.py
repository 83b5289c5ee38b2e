"""How many frames, of different cameras, an engine takes together."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.rhythm import Rhythm
    from jetson_perception.pipeline.slot import Slot


class Together(Protocol):
    """What is wanted of batches.

    Attributes
    ----------
    max_batch : int
        The most frames in one inference; 0 for as many as the model takes.
    batch_wait_ms : float
        How long a frame waits for those of other cameras, counted from its arrival; 0: not at all.
    """

    @property
    def max_batch(self) -> int:
        """See above."""
        ...

    @property
    def batch_wait_ms(self) -> float:
        """See above."""
        ...


class WhatIsThere:
    """Frames that wait are taken together; none waits for others."""

    max_batch = 0
    batch_wait_ms = 0.0


class Batching:
    """Decides how many frames a lane takes at a time, and joins their tensors.

    Parameters
    ----------
    most : int
        How many the model takes.
    wanted : callable
        Gives what is wanted now; called for each batch.
    """

    def __init__(self, most: int = 1, wanted: Callable[[], Together] = WhatIsThere) -> None:
        self._model_takes = most
        self._wanted = wanted
        #: What the last batch was put into: fresh memory would cost a page fault every 4 KiB.
        self._kept: NDArray[Any] | None = None

    @property
    def most(self) -> int:
        """How many frames may go together now."""
        if self._model_takes <= 1:
            return 1
        return min(self._model_takes, self._wanted().max_batch or self._model_takes)

    @property
    def waits(self) -> bool:
        """Whether frames wait for those of other inputs."""
        return self.most > 1 and self._wanted().batch_wait_ms > 0

    def left_s(self, frame: Frame) -> float:
        """How long a frame may still wait for others; 0 or less for not at all."""
        waited_ns = time.monotonic_ns() - frame.received_ns
        return self._wanted().batch_wait_ms / 1e3 - waited_ns / 1e9

    def take(
        self, slot: Slot[Frame], rhythms: Sequence[Rhythm], unless: Callable[[], bool]
    ) -> list[Frame]:
        """The frames to process next, waiting for them; none once the slot is closed.

        Parameters
        ----------
        slot : Slot
            Where they wait.
        rhythms : sequence of Rhythm
            How frames of each input come, by `Frame.input_index`.
        unless : callable
            None is taken as soon as this holds; see `Slot.take`.
        """
        return slot.take_together(self.most, partial(self._worth_waiting, rhythms), unless)

    def poll(self, slot: Slot[Frame], rhythms: Sequence[Rhythm]) -> list[Frame]:
        """The frames to process next, of those that wait now; none while they wait for others."""
        return slot.poll_together(self.most, partial(self._worth_waiting, rhythms))

    def _worth_waiting(self, rhythms: Sequence[Rhythm], first: Frame) -> tuple[int, float]:
        """How many frames come together if the first one waits, and how long it may, seconds."""
        now_ns = time.monotonic_ns()
        awaited = sum(rhythm.goes_on(now_ns) for rhythm in rhythms)
        # Else a newer one replaces it.
        left_s = rhythms[first.input_index].left_s(now_ns)
        return awaited, min(self.left_s(first), left_s)

    def together(self, tensors: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """One tensor with these along its first axis; valid until the next call."""
        first = tensors[0]
        if len(tensors) == 1:
            return first
        kept = self._kept
        if kept is None or len(kept) < len(tensors) or kept.shape[1:] != first.shape[1:]:
            kept = np.empty((len(tensors), *first.shape[1:]), first.dtype)
            self._kept = kept
        return np.concatenate(tensors, out=kept[: len(tensors)])
