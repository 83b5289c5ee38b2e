"""Which frames lanes take: the newest, as robots need, or every one, as evaluations need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jetson_perception.pipeline.frame_queue import ItemQueue
from jetson_perception.pipeline.slot import LatestSlot

if TYPE_CHECKING:
    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.slot import Slot

#: How many frames may wait for a lane that takes every one. A sender that waits for answers has
#: one waiting, rarely two; one that does not wait should be noticed before memory is full.
MOST_WAITING = 100


class FramePolicy(Protocol):
    """How frames reach lanes, and when a pipeline has finished one.

    Attributes
    ----------
    every_frame : bool
        Whether a frame that a lane will not take counts as one that the lane is done with.
    """

    every_frame: bool

    def make_slot(self) -> Slot[Frame]:
        """The slot from which a lane takes its frames."""
        ...

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether a frame is finished; called after each of its results."""
        ...


class NewestFrame:
    """A lane takes the newest frame when free; only lanes that began a frame must finish it.

    Inputs take turns, and a frame of one replaces none of another.
    """

    every_frame = False

    def make_slot(self) -> LatestSlot[Frame]:
        """A slot for one frame of each input."""
        return LatestSlot(lambda frame: frame.input_index)

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether all lanes that began it are done; the others are busy with an older one."""
        return frame.begun <= frame.results.keys()


class EveryFrame:
    """Every lane takes every frame in order; a frame is settled when all are done with it."""

    every_frame = True

    def make_slot(self) -> ItemQueue[Frame]:
        """A queue."""
        return ItemQueue(MOST_WAITING)

    def settled(self, frame: Frame, lane_count: int) -> bool:
        """Whether every lane has published a result, has failed, or will not take the frame."""
        return len(frame.results) == lane_count
