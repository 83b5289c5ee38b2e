"""Which frames lanes take: the newest, as robots want it, or every one, as evaluations do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jetson_perception.pipeline.frame_queue import ItemQueue
from jetson_perception.pipeline.slot import LatestSlot

if TYPE_CHECKING:
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.slot import Slot

#: Frames that may wait for a lane that is to take every one. Who sends them waits for answers, so
#: there is one, seldom two; a sender that does not is to be noticed before memory is full.
MOST_WAITING = 100


class FramePolicy(Protocol):
    """How frames come to lanes, and when a pipeline is through with one.

    Attributes
    ----------
    every_frame : bool
        Whether a frame that a lane will not take is to be reported as one that it is done with.
    """

    every_frame: bool

    def make_slot(self) -> Slot[Frame]:
        """What a lane takes its frames from."""
        ...

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether a frame is finished; asked after each of its results."""
        ...


class NewestFrame:
    """A lane takes the newest frame when it is free; a frame is settled by those that began it."""

    every_frame = False

    def make_slot(self) -> LatestSlot[Frame]:
        """A place for one frame."""
        return LatestSlot()

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether all lanes that began it are done: others are busy with an older one."""
        return frame.begun <= frame.results.keys()


class EveryFrame:
    """Every lane takes every frame in order; one is settled when all lanes are done with it."""

    every_frame = True

    def make_slot(self) -> ItemQueue[Frame]:
        """A queue."""
        return ItemQueue(MOST_WAITING)

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether every lane has published it, failed on it, or will not take it."""
        return len(frame.results) == lane_count
