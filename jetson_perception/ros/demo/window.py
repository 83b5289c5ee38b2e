"""What became of the frames of one engine during one run of the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    arrivals : sequence of float
        When each result came in between, seconds; at least one. Their stamps may be of a
        recording, and go back where it begins again.
    """

    def __init__(
        self,
        before: PipelineStats,
        after: PipelineStats,
        camera: PipelineStats,
        arrivals: Sequence[float],
    ) -> None:
        self.stages = after.stages
        self.published = camera.frames_processed
        self.lost = self.published - (after.frames_received - before.frames_received)
        self.skipped = after.frames_skipped - before.frames_skipped
        self.failed = after.frames_failed - before.frames_failed
        self.answered = len(arrivals)
        #: From the first result to the last.
        self.seconds = arrivals[-1] - arrivals[0]

    def frame_rate(self) -> float:
        """Results a second, Hz; 0 when there was but one."""
        return (self.answered - 1) / self.seconds if self.seconds else 0.0
