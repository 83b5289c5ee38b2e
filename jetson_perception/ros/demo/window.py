"""What became of the frames of one engine during one run of the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros.image_messages import stamp_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.msg import PipelineStats


class Window:
    """Counts and times between two stops of the camera.

    As the camera stands still at both ends, what it sent and what the engine received are counted
    over exactly the same frames.

    Parameters
    ----------
    before, after : PipelineStats
        Of the engine.
    camera : PipelineStats
        Of camera_node, which counts from its start.
    results : sequence of message with a header
        That came in between; at least one.
    """

    def __init__(
        self,
        before: PipelineStats,
        after: PipelineStats,
        camera: PipelineStats,
        results: Sequence[Any],
    ) -> None:
        self.stages = after.stages
        self.published = camera.frames_processed
        self.lost = self.published - (after.frames_received - before.frames_received)
        self.skipped = after.frames_skipped - before.frames_skipped
        self.failed = after.frames_failed - before.frames_failed
        self.answered = len(results)
        first, last = (stamp_ns(results[end].header) for end in (0, -1))
        #: From the first image that was answered to the last.
        self.seconds = (last - first) / 1e9

    def frame_rate(self) -> float:
        """Results a second, Hz; 0 when there was but one."""
        return (self.answered - 1) / self.seconds if self.seconds else 0.0
