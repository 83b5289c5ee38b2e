"""How often an engine takes a frame: every Nth, at most so many a second, all, or none."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from jetson_perception.pipeline.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.pipeline.frame import Frame


class HowOften(Protocol):
    """How many of its frames an engine is to take.

    Attributes
    ----------
    enable : bool
        False for none.
    every : int
        1 for all, 2 for every second one.
    max_rate : float
        The most of these a second, Hz; 0 for all.
    """

    @property
    def enable(self) -> bool:
        """See above."""
        ...

    @property
    def every(self) -> int:
        """See above."""
        ...

    @property
    def max_rate(self) -> float:
        """See above."""
        ...


class AllFrames:
    """All frames."""

    enable = True
    every = 1
    max_rate = 0.0


def arrival_s(frame: Frame) -> float:
    """When a frame came in, seconds."""
    return frame.received_ns / 1e9


class Pace:
    """Says of each frame whether its engine takes it; each input is counted by itself.

    Parameters
    ----------
    wanted : callable
        Gives what is wanted now; called for each frame, so that a change takes effect with the
        next one.
    time_s : callable
        The time of a frame, in seconds, by which `max_rate` is kept.
    """

    def __init__(
        self,
        wanted: Callable[[], HowOften] = AllFrames,
        time_s: Callable[[Frame], float] = arrival_s,
    ) -> None:
        self._wanted = wanted
        self._time_s = time_s
        self._of_inputs: defaultdict[int, _Turns] = defaultdict(_Turns)

    @property
    def is_enabled(self) -> bool:
        """Whether the engine takes any frame now."""
        return self._wanted().enable

    def takes(self, frame: Frame) -> bool:
        """Whether the engine takes this frame; called once for each, in their order.

        Frames of different inputs may come in different threads.
        """
        wanted = self._wanted()
        if not wanted.enable:
            # The first frame after that is taken, whatever its turn.
            self._of_inputs.pop(frame.input_index, None)
            return False
        turns = self._of_inputs[frame.input_index]
        if turns.passed is not None and turns.passed + 1 < wanted.every:
            turns.passed += 1
            return False
        turns.passed = 0
        return turns.limit.is_due(wanted.max_rate, self._time_s(frame))


class _Turns:
    """What was taken of one input."""

    def __init__(self) -> None:
        self.limit = RateLimit()
        #: Frames since the last one that `every` let through; None before the first.
        self.passed: int | None = None
