"""What seg_node and yolo_node share: the life of a pipeline, from images to results."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline import (
    AllFrames,
    EveryFrame,
    Frame,
    HowOften,
    Lane,
    NewestFrame,
    Pace,
    PictureKind,
    Pipeline,
    arrival_s,
)
from jetson_perception.process.start_times import START_TIMES
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.model_reload import ModelReload
from jetson_perception.ros.node_camera import NodeCamera
from jetson_perception.ros.node_input import NodeInput
from jetson_perception.ros.node_models import NodeModels
from jetson_perception.ros.picture_parameters import AnnotatedParams, JpegParams
from jetson_perception.ros.start_report import tell_start
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.ros.annotation import AnnotatedPublisher
    from jetson_perception.ros.model_reload import Renewal

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
    subscribes to its images, or reads its source, only when it is ready for them.
    """

    def __init__(self, name: str, params: type, **options: Any) -> None:
        self._pipeline: Pipeline | None = None
        self._cameras: list[NodeCamera] = []
        super().__init__(name, params, **options)
        #: Where frames come from.
        self.node_input = NodeInput(self)
        self._annotated_params = self.declare(AnnotatedParams, 'annotated', is_listed=False)
        self._jpeg_params = self.declare(JpegParams, 'annotated.compressed', is_listed=False)
        self._models = NodeModels(self, self.adopt, self._on_late_models)
        #: How models are opened anew.
        self.reloads = ModelReload(self, self)
        steady_timer(self, 1.0, self._publish_stats)

    def openers(self) -> dict[str, Callable[..., Any]]:
        """What opens the model of each engine in a thread, with keywords as for `open_engine`."""
        return {}

    def adopt(self, models: dict[str, Any]) -> None:
        """Take the models of `openers` over, and announce what they will publish."""

    def models_in_use(self) -> dict[str, Any]:
        """The models that the node has adopted, by the names that `openers` has."""
        return {}

    def renewal(self, name: str, model: Any) -> Renewal:
        """An engine with another model; raises PerceptionError where it cannot have that."""
        raise NotImplementedError

    def configure(self) -> None:
        """Make the inputs, and open the models.

        Waits for them unless an engine is being built, or it takes long.
        """
        START_TIMES.begin_again()
        self.left_behind.refuse_while_at_work()
        for index, each in enumerate(self.node_input.places()):
            # One by one: if one cannot be made, `cleanup` takes those before it down.
            self._cameras.append(NodeCamera(self, index, each.prefix, each.make))
        self.node_input.open()  # discovery goes on while models open
        START_TIMES.done('inputs')
        self._models.open(self.openers())
        START_TIMES.done('models')
        if not self._models.ready:
            self.get_logger().info(f'{self._models.progress}; no image is taken until then')

    @property
    def prefixes(self) -> list[str]:
        """What the topics of each camera begin with: '' for the only one, else '/front/'."""
        return [camera.prefix for camera in self._cameras]

    def cleanup(self) -> None:
        """Cancel what is being built. A subclass also closes the models that it adopted."""
        self.reloads.cancel()
        cameras, self._cameras = self._cameras, []
        for camera in cameras:
            camera.input.destroy()
        self.node_input.close()
        self.left_behind.add(self._models.close())

    def end_soon(self) -> None:
        """Cut openings, builds and first runs short."""
        super().end_soon()
        self._models.interrupt()
        self.reloads.interrupt()
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

    def facts(self) -> dict[str, Any]:
        """Where images of a source come that the node reads itself, and how a reload went."""
        return {**self.node_input.facts(), **self.reloads.facts()}

    def trying_again(self) -> str:
        """Why a source that was lost, or is not there yet, is opened again now and then."""
        return next(filter(None, (each.input.trying_again() for each in self._cameras)), '')

    def hang(self) -> str:
        """What has not returned of an opening, a lane, the publisher, a drawing or the input."""
        watched = self._models.activities + self.reloads.activities
        if self._pipeline is not None:
            watched += self._pipeline.activities
        for camera in self._cameras:
            watched += camera.activities
        hangs = (
            *(activity.describe() for activity in watched if activity.is_stuck()),
            *(camera.input.hang() for camera in self._cameras),
        )
        return next(filter(None, hangs), '')

    def make_lanes(self) -> list[Lane]:
        """Lanes for the models that `configure` opened."""
        raise NotImplementedError

    def refiner(self, lane: Lane) -> Callable[[Frame, Any], Any] | None:
        """What a lane's results pass before they are published.

        Called at each activation, once for each camera: a tracker knows the objects of one.
        """
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

    def picture_kinds(self, camera: NodeCamera) -> list[PictureKind]:
        """What else is made of a camera's frames to look at, each in a thread of its own.

        Asked when the engines are there.
        """
        return []

    def annotated_wanted(self) -> bool:
        """Whether `draw` has anybody to draw for."""
        return any(camera.annotated_wanted() for camera in self._cameras)

    def frame_rates(self, frame: Frame) -> dict[str, float]:
        """Results a second of each lane, by its name, of the camera that a frame came from; Hz."""
        return {lane.name: lane.records[frame.input_index].frame_rate() for lane in self.lanes}

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """What runs the engines; none while the node is not active."""
        return self._pipeline.lanes if self._pipeline else ()

    def activate(self) -> None:
        """Start the threads and the input, in this order."""
        self.left_behind.refuse_while_at_work()
        self._models.adopt_opened()  # they may be there before the executor hears of it
        if not self._models.ready and not self._models.opening:
            raise PerceptionError(self.problem or 'the engines are not ready')
        for camera in self._cameras:
            camera.reports.forget_errors()
            camera.open_pictures(self.draw, self._annotated_params, self._jpeg_params)
        if self._models.ready:
            self._start_lanes()

    def _start_lanes(self) -> None:
        """Start the engines' threads, then take images."""
        every_frame = self.node_input.every_frame
        policy = EveryFrame() if every_frame else NewestFrame()
        lanes = self.make_lanes()
        time_s = _recorded_s if every_frame else arrival_s
        for lane in lanes:
            lane.refine = self.refinement(lane)
            lane.pace = Pace(partial(self.how_often, lane), time_s)
        cameras = self._cameras
        decoder = self.node_input.jpeg_decoder
        self._pipeline = pipeline = Pipeline(
            lanes, self._settle, self._on_lane_stopped, policy, len(cameras), decoder
        )
        for camera in cameras:
            camera.add_pictures(self.picture_kinds(camera))
            camera.prepare(lanes, self.stats_topic)
        if self.ending.is_set():
            raise PerceptionError('the process is ending')
        has_begun = pipeline.start(_FIRST_RUN_PATIENCE_S)
        START_TIMES.done('first runs')
        if not has_begun:
            if self.ending.is_set():
                raise PerceptionError('the process is ending')
            self.get_logger().info(f'{self.busy()[0]}; no image is taken until then')
        self.node_input.open()  # again, after a deactivation
        for camera in cameras:
            camera.start(pipeline.offer)

    def refinement(self, lane: Lane) -> Callable[[Frame, Any], Any] | None:
        """What a lane's results of all cameras pass, each by `refiner`."""
        refiners = [self.refiner(lane) for _ in self._cameras]
        refine = tuple(each for each in refiners if each is not None)
        if len(refine) < len(refiners):
            return None
        return lambda frame, result: refine[frame.input_index](frame, result)

    def _settle(self, frame: Frame) -> None:
        tell_start(frame)
        self._cameras[frame.input_index].settle(frame)

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
        """Take no more images, then end the threads."""
        for camera in self._cameras:
            camera.input.stop()
        if self._pipeline is not None:
            self.left_behind.add(self._pipeline.close(_LANES_END_S))
        deadline_s = time.monotonic() + _DRAWING_END_S
        for camera in self._cameras:
            for left in camera.close_pictures(deadline_s):
                self.left_behind.add(left)
            camera.close()
        self.node_input.close()
        self._pipeline = None
        self.reloads.lanes_ended()

    def on_frame_error(self, error: PerceptionError) -> None:
        """Tell of a frame that came to nothing, whichever camera's; from any thread."""
        for camera in self._cameras:
            camera.reports.on_error(error)

    def diagnose(self) -> list[DiagnosticStatus]:
        """For each camera, one status for the input, one for each lane, one for the pictures."""
        return [status for camera in self._cameras for status in camera.diagnose()]

    def _publish_stats(self) -> None:
        for camera in self._cameras:
            camera.reports.publish()

    def _on_lane_stopped(self, lane: Lane, error: PerceptionError) -> None:
        """A lane cannot go on; called in its thread, which `deactivate` would wait for."""
        self.fail_soon(PerceptionError(f'{lane.name} stopped: {error}'))


def _recorded_s(frame: Frame) -> float:
    """When the image was made: a recording that is played faster or slower keeps its rates."""
    return (stamp_ns(frame.header) or frame.received_ns) / 1e9
