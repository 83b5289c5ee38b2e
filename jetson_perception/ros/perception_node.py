"""What seg_node and yolo_node share: the life of a pipeline, from images to results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline import (
    AllFrames,
    DrawnFrames,
    EveryFrame,
    Frame,
    HowOften,
    Lane,
    NewestFrame,
    Pace,
    PictureKind,
    PictureSlots,
    Pipeline,
    RateLimit,
    arrival_s,
)
from jetson_perception.ros.annotation import AnnotatedPublisher
from jetson_perception.ros.image_input import ImageInput, ImageInputParams
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.lane_reports import LaneReports
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.node_models import NodeModels
from jetson_perception.ros.picture_parameters import AnnotatedParams, JpegParams
from jetson_perception.ros.picture_report import pictures_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.ros.frame_input import FrameInput

#: How long transitions wait for the first runs of engines. What takes longer continues in the
#: background.
_FIRST_RUN_PATIENCE_S = 3.0
#: How long `deactivate` waits for the lanes, and then for the threads that make pictures.
_LANES_END_S = 1.2
_DRAWING_END_S = 0.2


class PerceptionNode(ManagedNode):
    """Takes images, runs lanes, publishes stats, diagnostics and annotated images.

    A subclass gives `openers`, `adopt`, `make_lanes` and `draw`, and publishes results in its
    lanes' `publish`.

    An engine may have to be built first. `configure` and `activate` then succeed at once, and the
    lanes begin when the engines are ready; if a build fails, the node goes inactive. The node
    subscribes to its images only when it is ready for them.
    """

    def __init__(self, name: str, params: type, **options: Any) -> None:
        self._pipeline: Pipeline | None = None
        self._pictures: PictureSlots | None = None
        self._drawn_frames = DrawnFrames(())
        self._annotated_limit = RateLimit()
        self._annotated: AnnotatedPublisher | None = None
        super().__init__(name, params, **options)
        self._input_params = self.declare(ImageInputParams)
        self._annotated_params = self.declare(AnnotatedParams, 'annotated', is_listed=False)
        self._jpeg_params = self.declare(JpegParams, 'annotated.compressed', is_listed=False)
        self._input: FrameInput = ImageInput(self, self._input_params, self.on_frame_error)
        self._reports = LaneReports(self, self._input)
        self._models = NodeModels(self, self.adopt, self._on_late_models)

    def openers(self) -> dict[str, Callable[..., Any]]:
        """What opens the model of each engine in a thread, with keywords as for `open_engine`."""
        return {}

    def adopt(self, models: dict[str, Any]) -> None:
        """Take the models of `openers` over, and announce what they will publish."""

    def configure(self) -> None:
        """Open the models; wait for them unless an engine is being built, or it takes long."""
        self._refuse_while_left_at_work()
        self._models.open(self.openers())
        if not self._models.ready:
            self.get_logger().info(f'{self._models.progress}; no image is taken until then')

    def cleanup(self) -> None:
        """Cancel what is being built. A subclass also closes the models that it adopted."""
        self.left_behind.add(self._models.close())

    def end_soon(self) -> None:
        """Cut openings, builds and first runs short."""
        super().end_soon()
        self._models.interrupt()
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.call_off()

    def busy(self) -> tuple[str, dict[str, Any]]:
        """How far the building of engines is, or what else takes long."""
        progress = self._models.progress
        pipeline = self._pipeline
        if not progress and pipeline is not None and not pipeline.begun:
            texts = (activity.describe() for activity in pipeline.activities)
            progress = next(filter(None, texts), '')
        return progress or self.left_behind.at_work(), {}

    def hang(self) -> str:
        """What has not returned of an opening, a lane, the publisher or a drawing."""
        watched = self._models.activities
        if self._pipeline is not None:
            watched += self._pipeline.activities
        if self._pictures is not None:
            watched += self._pictures.activities
        return next((activity.describe() for activity in watched if activity.is_stuck()), '')

    def _refuse_while_left_at_work(self) -> None:
        """Raise if a thread that was left behind still uses the engines."""
        at_work = self.left_behind.at_work()
        if at_work:
            raise PerceptionError(
                f'{at_work}; try again when it has, or restart this node if it never does'
            )

    def make_lanes(self) -> list[Lane]:
        """Lanes for the models that `configure` opened."""
        raise NotImplementedError

    def refiner(self, lane: Lane) -> Callable[[Frame, Any], Any] | None:
        """What a lane's results pass before they are published; made anew for each activation."""
        return None

    def how_often(self, lane: Lane) -> HowOften:
        """How many of its frames a lane's engine is to take now."""
        return AllFrames()

    def stats_topic(self, lane: Lane) -> str:
        """Where a lane's PipelineStats go."""
        raise NotImplementedError

    def draw(self, frame: Frame, publisher: AnnotatedPublisher) -> None:
        """Publish the annotated image of a frame; runs in a thread of its own."""
        raise NotImplementedError

    def picture_kinds(self) -> list[PictureKind]:
        """What is made of frames for people to look at, each in a thread of its own."""
        return [PictureKind('annotated', self._choose_annotated, self._draw)]

    def annotated_wanted(self) -> bool:
        """Whether `draw` has anybody to draw for."""
        return self._annotated is not None and self._annotated.wanted()

    def frame_rate(self) -> float:
        """Results a second of the fastest lane, Hz."""
        pipeline = self._pipeline
        return (
            max((lane.frame_rate() for lane in pipeline.lanes), default=0.0) if pipeline else 0.0
        )

    def activate(self) -> None:
        """Start the threads and subscribe, in this order."""
        self._refuse_while_left_at_work()
        self._models.adopt_opened()  # they may be there before the executor hears of it
        if not self._models.ready and not self._models.opening:
            raise PerceptionError(self.problem or 'the engines are not ready')
        self._reports.forget_errors()
        self._annotated = AnnotatedPublisher(
            self, lambda: self._annotated_params.value, lambda: self._jpeg_params.value
        )
        self._pictures = PictureSlots(self.picture_kinds(), self._on_done)
        if self._models.ready:
            self._start_lanes()

    def _start_lanes(self) -> None:
        """Start the engines' threads, then take images."""
        every_frame = self._input_params.value.every_frame
        policy = EveryFrame() if every_frame else NewestFrame()
        lanes = self.make_lanes()
        time_s = _recorded_s if every_frame else arrival_s
        for lane in lanes:
            lane.refine = self.refiner(lane)
            lane.pace = Pace(partial(self.how_often, lane), time_s)
        assert self._pictures is not None, 'as the topics'
        self._pipeline = pipeline = Pipeline(
            lanes, self._pictures.offer, self._on_lane_stopped, policy
        )
        by_name = {lane.name: lane for lane in lanes}
        self._drawn_frames = DrawnFrames(by_name, is_busy=lambda name: by_name[name].is_busy)
        self._reports.start(lanes, self.stats_topic)
        if self.ending.is_set():
            raise PerceptionError('the process is ending')
        if not pipeline.start(_FIRST_RUN_PATIENCE_S):
            if self.ending.is_set():
                raise PerceptionError('the process is ending')
            self.get_logger().info(f'{self.busy()[0]}; frames are dropped until then')
        self._input.start(pipeline.offer)

    def _on_late_models(self) -> None:
        """Go on when engines have been built; in the executor's thread."""
        try:
            self._models.adopt_opened()
            if self.active:
                self._start_lanes()
        except Exception as error:  # noqa: BLE001 - told in diagnostics
            self.go_inactive(error)
        else:
            self.get_logger().info('the engines are ready')

    def deactivate(self) -> None:
        """Unsubscribe, then end the threads."""
        self._input.stop()
        if self._pipeline is not None:
            self.left_behind.add(self._pipeline.close(_LANES_END_S))
        if self._pictures is not None:
            for left in self._pictures.close(_DRAWING_END_S):
                self.left_behind.add(left)
        if self._annotated is not None:
            self._annotated.destroy()
        self._input.close()
        self._reports.close()
        self._pipeline = self._pictures = self._annotated = None

    def on_frame_error(self, error: PerceptionError) -> None:
        """Tell of a frame that came to nothing; from any thread."""
        self._reports.on_error(error)

    def diagnose(self) -> list[DiagnosticStatus]:
        """One status for the input, one for each lane, and one for the pictures."""
        statuses = self._reports.diagnose()
        if self._pictures is not None:
            name = f'{self.get_fully_qualified_name()}: pictures'
            statuses.append(pictures_status(name, self._pictures))
        return statuses

    def _on_done(self, frame: Frame) -> None:
        self._input.done(frame.header)

    def _choose_annotated(self, frame: Frame) -> Frame | None:
        if not self.annotated_wanted():
            return None
        chosen = self._drawn_frames.choose(frame)
        if chosen is None or not self._annotated_limit.is_due(self._annotated_params.value.rate):
            return None
        return chosen

    def _on_lane_stopped(self, lane: Lane, error: PerceptionError) -> None:
        """A lane cannot go on; called in its thread, which `deactivate` would wait for."""
        self.fail_soon(PerceptionError(f'{lane.name} stopped: {error}'))

    def _draw(self, frame: Frame) -> None:
        annotated = self._annotated
        if annotated is not None:
            self.draw(frame, annotated)


def _recorded_s(frame: Frame) -> float:
    """When the image was made: a recording that is played faster or slower keeps its rates."""
    return (stamp_ns(frame.header) or frame.received_ns) / 1e9
