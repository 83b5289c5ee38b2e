"""One camera of a perception node: its input, the pictures of its frames, and what is told."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from jetson_perception.pipeline import DrawnFrames, PictureKind, PictureSlots, RateLimit
from jetson_perception.ros.annotation import AnnotatedPublisher
from jetson_perception.ros.lane_reports import LaneReports
from jetson_perception.ros.picture_report import pictures_status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline import Frame, Lane
    from jetson_perception.pipeline.activity import Activity, LeftBehind
    from jetson_perception.ros.frame_input import FrameInput
    from jetson_perception.ros.managed_node import ManagedNode
    from jetson_perception.ros.parameters import Parameters
    from jetson_perception.ros.picture_parameters import AnnotatedParams, JpegParams


class NodeCamera:
    """An input of a node, with what is drawn and told of its frames; made at configure.

    Cameras share lanes, and nothing else: one that is slow, silent or broken is noticed by none
    of the others.

    Parameters
    ----------
    node : ManagedNode
        Which publishes.
    index : int
        Which of the node's cameras it is: `Frame.input_index`.
    prefix : str
        What the names of its topics begin with: '/front/', or '' for the only camera.
    make_input : callable
        Called as make_input(on_error); returns where its frames come from.
    """

    def __init__(
        self,
        node: ManagedNode,
        index: int,
        prefix: str,
        make_input: Callable[[Callable[[PerceptionError], None]], FrameInput],
    ) -> None:
        self.index = index
        self.prefix = prefix
        self._node = node
        self._label = f' {prefix.rstrip("/") or "/"}' if prefix else ''
        self.reports = LaneReports(node, index, self._label)
        self.input = make_input(self.reports.on_error)
        self._annotated: AnnotatedPublisher | None = None
        self._annotated_params: Parameters[AnnotatedParams] | None = None
        self._limit = RateLimit()
        self._pictures: PictureSlots | None = None
        self._drawn_frames = DrawnFrames(())

    def open_pictures(
        self,
        draw: Callable[[Frame, AnnotatedPublisher], None],
        params: Parameters[AnnotatedParams],
        jpeg_params: Parameters[JpegParams],
    ) -> None:
        """Announce `annotated`, which `draw` publishes, and begin its thread."""
        self._annotated_params = params
        self._annotated = annotated = AnnotatedPublisher(
            self._node,
            lambda: params.value,
            lambda: jpeg_params.value,
            f'{self.prefix}annotated',
        )
        kind = PictureKind('annotated', self._choose, lambda frame: draw(frame, annotated))
        self._pictures = PictureSlots([kind], self._on_done)

    def add_pictures(self, kinds: Sequence[PictureKind]) -> None:
        """Make more of the frames to look at, once it is known what engines find."""
        if self._pictures is not None:
            self._pictures.add(kinds)

    def prepare(self, lanes: Sequence[Lane], stats_topic: Callable[[Lane], str]) -> None:
        """Tell of these lanes, which have not begun."""
        records = {lane.name: lane.records[self.index] for lane in lanes}
        self._drawn_frames = DrawnFrames(
            records, is_busy=lambda name: records[name].counts.under_way > 0
        )
        self.reports.start(lanes, self.input, lambda lane: f'{self.prefix}{stats_topic(lane)}')

    def start(self, offer: Callable[[Frame], None]) -> None:
        """Give frames to `offer` from now on."""
        self.input.start(partial(self._offer, offer))

    def _offer(self, offer: Callable[[Frame], None], frame: Frame) -> None:
        frame.input_index = self.index
        offer(frame)

    def settle(self, frame: Frame) -> None:
        """Have made of a frame that has its results what people want to see."""
        if self._pictures is not None:
            self._pictures.offer(frame)

    def annotated_wanted(self) -> bool:
        """Whether anybody looks at `annotated`."""
        return self._annotated is not None and self._annotated.wanted()

    @property
    def activities(self) -> list[Activity]:
        """What the threads of pictures are doing."""
        return self._pictures.activities if self._pictures is not None else []

    def diagnose(self) -> list[DiagnosticStatus]:
        """One status for the input, one for each lane, and one for the pictures."""
        statuses = self.reports.diagnose()
        if self._pictures is not None:
            name = f'{self._node.get_fully_qualified_name()}: pictures{self._label}'
            statuses.append(pictures_status(name, self._pictures))
        return statuses

    def close_pictures(self, deadline_s: float) -> list[LeftBehind]:
        """End the threads of pictures; those that do not end by a monotonic time."""
        pictures, self._pictures = self._pictures, None
        left = pictures.close(max(deadline_s - time.monotonic(), 0.0)) if pictures else []
        annotated, self._annotated = self._annotated, None
        if annotated is not None:
            annotated.destroy()
        return left

    def close(self) -> None:
        """Let the input go, and take the stats down."""
        self.input.close()
        self.reports.close()

    def _choose(self, frame: Frame) -> Frame | None:
        if not self.annotated_wanted() or self._annotated_params is None:
            return None
        chosen = self._drawn_frames.choose(frame)
        if chosen is None or not self._limit.is_due(self._annotated_params.value.rate):
            return None
        return chosen

    def _on_done(self, frame: Frame) -> None:
        self.input.done(frame.header)
