"""Which lanes follow which, and how frames get from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.pipeline.crop_lane import CropLane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.pipeline.frame import Frame
    from jetson_perception.pipeline.lane import Lane


class Following:
    """Hands frames to lanes: to most as they come, to others when the lane before has a result.

    Every lane holds a frame until it is done with it. One that will never get the frame, since a
    lane before it does not take it or fails, lets go of it here.

    Parameters
    ----------
    lanes : sequence of Lane
        All lanes; a `CropLane` follows the one that it names.
    pass_over : callable
        Called as pass_over(lane, frame) for each frame that a lane will not take.

    Attributes
    ----------
    leaders : list of Lane
        Those that follow none.
    """

    def __init__(self, lanes: Sequence[Lane], pass_over: Callable[[Lane, Frame], None]) -> None:
        self._pass_over = pass_over
        self._behind: dict[str, list[Lane]] = {lane.name: [] for lane in lanes}
        self.leaders: list[Lane] = []
        for lane in lanes:
            if isinstance(lane, CropLane):
                self._behind[lane.follows].append(lane)
            else:
                self.leaders.append(lane)

    def offer(self, lane: Lane, frame: Frame) -> None:
        """Give a lane a frame, in place of which it may not take another; never waits."""
        untaken = lane.offer(frame)
        if untaken is not None:
            self.pass_over(lane, untaken)

    def has_followers(self, lane: Lane) -> bool:
        """Whether others wait for the results of a lane."""
        return bool(self._behind[lane.name])

    def hand_on(self, lane: Lane, frame: Frame, result: Any) -> None:
        """Give a frame to the lanes that need this result of it; None if it has failed."""
        behind = self._behind[lane.name]
        if behind and result is not None:
            frame.found[lane.name] = result
        for follower in behind:
            if result is None:
                frame.release()
                self.pass_over(follower, frame)
            else:
                self.offer(follower, frame)

    def pass_over(self, lane: Lane, frame: Frame) -> None:
        """Tell that a lane, which has let go of a frame, will not take it, nor those behind it."""
        self._pass_over(lane, frame)
        for follower in self._behind[lane.name]:
            if lane.name in frame.left_out_by:
                frame.left_out_by.add(follower.name)
            frame.release()
            self.pass_over(follower, frame)

    def release(self, lane: Lane, frame: Frame) -> None:
        """Let go of a frame for a lane and those behind it, without telling anybody."""
        frame.release()
        for follower in self._behind[lane.name]:
            self.release(follower, frame)
