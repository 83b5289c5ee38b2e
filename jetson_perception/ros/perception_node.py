"""What seg_node and yolo_node share: an image topic into a pipeline, its health out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from jetson_perception.errors import ImageError, PerceptionError
from jetson_perception.images.encodings import UNNAMED
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.images.sixteen_bit import range_problem
from jetson_perception.msg import PipelineStats
from jetson_perception.pipeline import (
    EveryFrame,
    Frame,
    Lane,
    NewestFrame,
    NewestWorker,
    Pipeline,
)
from jetson_perception.ros import diagnostics, qos
from jetson_perception.ros.annotation import AnnotatedPublisher
from jetson_perception.ros.cv_bridge_images import CvBridgeImages
from jetson_perception.ros.image_messages import (
    MOST_FRAME_ID_CHARACTERS,
    frame_from_compressed,
    frame_from_image,
    stamp_ns,
)
from jetson_perception.ros.lockstep import FrameAnswers
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.model_opening import ModelOpening
from jetson_perception.ros.parameters import param
from jetson_perception.ros.result_messages import stats_message
from jetson_perception.ros.watchdog import ImageWatchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus

#: Seconds between two log lines about frames that failed, and for which one failure is news.
LOG_EVERY_S = 5.0

#: How long transitions wait for models to be opened, and for the first runs of engines. What takes
#: longer goes on behind them.
_OPENING_PATIENCE_S = 10.0
_FIRST_RUN_PATIENCE_S = 3.0
#: How long `deactivate` waits for the lanes, and then for the drawing thread.
_LANES_END_S = 1.2
_DRAWING_END_S = 0.2


@dataclass(frozen=True)
class ImageInputParams:
    """Parameters of a node that subscribes to an image topic."""

    image_transport: str = param(
        'raw',
        'raw subscribes to sensor_msgs/Image on image, compressed to CompressedImage on '
        'image/compressed.',
        choices=('raw', 'compressed'),
        at_configure=True,
    )
    max_image_pixels: int = param(
        MAX_IMAGE_PIXELS,
        'Images of more pixels are refused, compressed ones before they are decoded: a few '
        'hundred bytes can claim gigabytes. Decoding one of 8192 by 8192 takes up to 750 MB and '
        'some seconds, so set what the camera sends where strangers may publish.',
        between=(1, MOST_IMAGE_PIXELS),
        at_configure=True,
    )
    intensity_range: tuple[int, ...] = param(
        (),
        'Lowest and highest value of mono16 and 16UC1 images, as of thermal cameras, which become '
        'black and white; such images are refused without it.',
        example='[28000, 32000]',
    )
    every_frame: bool = param(
        False,
        'Have every engine handle every frame, in order, however long that takes; for '
        'recordings that camera_node plays with every_frame too, which then waits. The image '
        'topic has to be reliable.',
        at_configure=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        return range_problem(self.intensity_range)


class PerceptionNode(ManagedNode):
    """Takes images, runs lanes, publishes stats, diagnostics and annotated images.

    A subclass gives `openers`, `adopt`, `make_lanes` and `draw`, and publishes results in its
    lanes' `publish`.

    An engine may have to be built first. `configure` and `activate` then come through at once, and
    the lanes begin when the engines are there; when a build fails, the node goes inactive. Who is
    subscribed to the images is ready for them: until then it is not.
    """

    def __init__(self, name: str, params: type, **options: Any) -> None:
        self._pipeline: Pipeline | None = None
        self._subscription: Any = None
        self._watchdog: ImageWatchdog | None = None
        self._drawer: NewestWorker[Frame] | None = None
        self._annotated: AnnotatedPublisher | None = None
        self._stats_publishers: dict[str, Any] = {}
        self._rejected = 0
        self._last_error, self._last_error_s = '', -math.inf
        self._last_header: Any = None
        self._stamp_missing = False
        self._cv_bridge = CvBridgeImages()
        #: Encodings of which was said what they are taken for.
        self._taken_as: set[str] = set()
        self._stop_reason = ''
        self._opening: ModelOpening | None = None
        self._ready = self._adopted = False
        #: Says what is done with, where every frame is to be handled.
        self._answers: FrameAnswers | None = None
        super().__init__(name, params, **options)
        self._input = self.declare(ImageInputParams)
        self._stats_timer = self.create_timer(
            1.0, self._publish_stats, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._stopped = self.create_guard_condition(self._give_up)
        # Models are opened in a thread; what follows is for the executor's.
        self._opened = self.create_guard_condition(self._on_opened)

    def openers(self) -> dict[str, Callable[..., Any]]:
        """By engine, what opens its model in a thread, with keywords as `open_engine` has them."""
        return {}

    def adopt(self, models: dict[str, Any]) -> None:
        """Take the models of `openers` over, and announce what they will publish."""

    def configure(self) -> None:
        """Open the models; wait for them unless an engine is being built, or it takes long."""
        self._refuse_while_left_at_work()
        self._adopted = False
        self._opening = ModelOpening(self.openers(), self._opened.trigger)
        self._wait_for_models(self._opening)
        if self._opening.done:
            self._adopt_opened(self._opening)
        else:
            self.get_logger().info(f'{self._opening.progress}; no image is taken until then')

    def _wait_for_models(self, opening: ModelOpening) -> None:
        begun_s = time.monotonic()
        while not opening.wait_for_news(timeout_s=1.0):
            if self.ending.is_set():
                raise PerceptionError('the process is ending')
            if time.monotonic() - begun_s > _OPENING_PATIENCE_S:
                return
            self.diagnostics.publish()  # its timer waits for this transition

    def cleanup(self) -> None:
        """Cancel what is being built. Overridden to close the models that were adopted."""
        if self._opening is not None:
            self.leave_behind(self._opening.close())
        self._opening, self._ready = None, False

    def end_soon(self) -> None:
        """Cut openings, builds and first runs short."""
        super().end_soon()
        opening, pipeline = self._opening, self._pipeline
        if opening is not None:
            opening.interrupt()
        if pipeline is not None:
            pipeline.call_off()

    def busy(self) -> tuple[str, dict[str, Any]]:
        """How far the engines are, while they are being built, and what else takes long."""
        progress = self._opening.progress if self._opening is not None else ''
        pipeline = self._pipeline
        if not progress and pipeline is not None and not pipeline.begun:
            texts = (activity.describe() for activity in pipeline.activities)
            progress = next(filter(None, texts), '')
        return progress or self.left_at_work(), {}

    def hang(self) -> str:
        """What has not returned of an opening, a lane, the publisher or the drawing."""
        watched = list(self._pipeline.activities) if self._pipeline is not None else []
        if self._opening is not None:
            watched.append(self._opening.activity)
        if self._drawer is not None:
            watched.append(self._drawer.activity)
        return next((activity.describe() for activity in watched if activity.is_stuck()), '')

    def _refuse_while_left_at_work(self) -> None:
        """Raise where a thread of before still uses the engines."""
        at_work = self.left_at_work()
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

    def stats_topic(self, lane: Lane) -> str:
        """Where a lane's PipelineStats go."""
        raise NotImplementedError

    def draw(self, frame: Frame, publisher: AnnotatedPublisher) -> None:
        """Publish what subscribers want to see of a frame; runs in the drawing thread."""
        raise NotImplementedError

    def drawing_wanted(self) -> bool:
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
        opening = self._opening
        if opening is not None and opening.done and not self._adopted:
            self._adopt_opened(opening)  # done before the executor came to `_on_opened`
        if not self._ready and (opening is None or opening.done):
            raise PerceptionError(self.problem or 'the engines are not there')
        self._rejected, self._last_error = 0, ''
        self._last_error_s = -math.inf
        self._stop_reason = ''
        self._annotated = AnnotatedPublisher(self)
        self._drawer = NewestWorker(self._draw, 'drawing')
        if self._ready:
            self._start_lanes()
            self._subscribe()

    def _subscribe(self) -> None:
        """Take images from now on."""
        every_frame = self._input.value.every_frame
        compressed = self._input.value.image_transport == 'compressed'
        self._subscription = self.create_subscription(
            CompressedImage if compressed else Image,
            'image/compressed' if compressed else 'image',
            self._on_compressed if compressed else self._on_image,
            qos.EVERY_IMAGE if every_frame else qos.IMAGE_INPUT,
            qos_overriding_options=qos.overridable(),
        )
        kind = 'CompressedImage' if compressed else 'Image'
        self._watchdog = ImageWatchdog(
            self, self._subscription, f'sensor_msgs/msg/{kind}', every_frame=every_frame
        )
        if every_frame:
            self._answers = FrameAnswers(self, self._subscription.topic_name)
        self.get_logger().info(f'waiting for images on {self._subscription.topic_name}')

    def _start_lanes(self) -> None:
        policy = EveryFrame() if self._input.value.every_frame else NewestFrame()
        lanes = self.make_lanes()
        for lane in lanes:
            lane.refine = self.refiner(lane)
        self._pipeline = Pipeline(lanes, self._on_settled, self._on_lane_stopped, policy)
        self._stats_publishers = {
            lane.name: self.create_publisher(PipelineStats, self.stats_topic(lane), qos.RESULTS)
            for lane in self._pipeline.lanes
        }
        if self.ending.is_set():
            raise PerceptionError('the process is ending')
        if not self._pipeline.start(_FIRST_RUN_PATIENCE_S):
            if self.ending.is_set():
                raise PerceptionError('the process is ending')
            self.get_logger().info(f'{self.busy()[0]}; frames are dropped until then')

    def _on_opened(self) -> None:
        """Go on when engines have been built; in the executor's thread."""
        opening = self._opening
        if opening is None or not opening.done or self._adopted or not self.configured:
            return
        try:
            self._adopt_opened(opening)
            if self.active:
                self._start_lanes()
                self._subscribe()
        except Exception as error:  # noqa: BLE001 - told in diagnostics
            self.go_inactive(error)
        else:
            self.get_logger().info('engines are there')

    def _adopt_opened(self, opening: ModelOpening) -> None:
        self._adopted = True
        self.adopt(opening.take())
        self._ready = True

    def deactivate(self) -> None:
        """Unsubscribe, then end the threads."""
        if self._watchdog is not None:
            self._watchdog.close()
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
        if self._pipeline is not None:
            self.leave_behind(self._pipeline.close(_LANES_END_S))
        if self._drawer is not None:
            self.leave_behind(self._drawer.close(_DRAWING_END_S))
        if self._annotated is not None:
            self._annotated.destroy()
        if self._answers is not None:
            self._answers.close()
        for publisher in self._stats_publishers.values():
            self.destroy_publisher(publisher)
        self._watchdog = self._subscription = self._pipeline = None
        self._drawer = self._annotated = self._answers = None
        self._stats_publishers = {}

    def on_frame_error(self, error: PerceptionError) -> None:
        """Log a frame that came to nothing, now and then, and keep it for diagnostics."""
        self._last_error, self._last_error_s = str(error), time.monotonic()
        self.get_logger().error(str(error), throttle_duration_sec=LOG_EVERY_S)

    def diagnose(self) -> list[DiagnosticStatus]:
        """One status a lane."""
        pipeline = self._pipeline
        if pipeline is None:
            return []
        return [self._diagnose_lane(lane) for lane in pipeline.lanes]

    def _on_image(self, msg: Image) -> None:
        if msg.encoding in UNNAMED and self._watchdog is not None:
            self._say_what_is_assumed(msg.encoding)
        values = self._input.value.intensity_range
        to_frame = partial(frame_from_image, intensity_range=values, cv_bridge=self._cv_bridge)
        self._take(msg, to_frame)

    def _say_what_is_assumed(self, encoding: str) -> None:
        if encoding in self._taken_as:
            return
        self._taken_as.add(encoding)
        taken = UNNAMED[encoding]
        self.get_logger().warning(
            f'images on {self._subscription.topic_name} are {encoding}, which does not say what '
            f'the channels hold; they are taken as {taken}. Have the publisher name the encoding, '
            f"as with cv_bridge: cv2_to_imgmsg(image, encoding='{taken}')"
        )

    def _on_compressed(self, msg: CompressedImage) -> None:
        self._take(msg, frame_from_compressed)

    def _take(self, msg: Any, to_frame: Any) -> None:
        if self._watchdog is None or self._pipeline is None:
            return
        self._watchdog.image_arrived()
        if self._answers is not None and not self._answers.is_new(msg.header):
            return
        if not self._stamp_missing and not stamp_ns(msg.header):
            self._stamp_missing = True
            self.get_logger().warning(
                f'images on {self._subscription.topic_name} have no stamp: results carry none '
                'either, and latency is not known; have the camera driver set header.stamp'
            )
        try:
            frame = to_frame(msg, self.get_clock(), self._input.value.max_image_pixels)
        except ImageError as error:
            self._rejected += 1
            self.on_frame_error(ImageError(f'image on {self._subscription.topic_name}: {error}'))
            frame_id = msg.header.frame_id[:MOST_FRAME_ID_CHARACTERS]
            self._last_header = Header(stamp=msg.header.stamp, frame_id=frame_id)
            self._answer(self._last_header)
            return
        self._last_header = msg.header
        self._pipeline.offer(frame)

    def _on_settled(self, frame: Frame) -> None:
        if self._drawer is not None and self.drawing_wanted():
            self._drawer.give(frame)
        else:
            self._answer(frame.header)

    def _answer(self, header: Any) -> None:
        """Nothing more will come of a frame; who sent it may wait for that."""
        if self._answers is not None:
            self._answers.done(header)

    def _on_lane_stopped(self, lane: Lane, error: PerceptionError) -> None:
        """A lane cannot go on; called in its thread, which `deactivate` would wait for."""
        self._stop_reason = f'{lane.name} stopped: {error}'
        self._stopped.trigger()

    def _give_up(self) -> None:
        if self.active and self._stop_reason:
            self.get_logger().fatal(f'{self._stop_reason}. The node becomes inactive')
            self.trigger_deactivate()
            self.problem = self.problem or self._stop_reason

    def _draw(self, frame: Frame) -> None:
        try:
            if self._annotated is not None:
                self.draw(frame, self._annotated)
        finally:
            self._answer(frame.header)

    def _publish_stats(self) -> None:
        if self._pipeline is None or self._last_header is None or self._subscription is None:
            return
        for lane in self._pipeline.lanes:
            self._stats_publishers[lane.name].publish(
                stats_message(
                    lane, self._rejected, self._last_header, self._subscription.topic_name
                )
            )

    def _diagnose_lane(self, lane: Lane) -> DiagnosticStatus:
        counts = lane.counts
        failed = counts.failed + self._rejected
        values: dict[str, Any] = {
            'frame rate (Hz)': lane.frame_rate(),
            'frames received': counts.received + self._rejected,
            'frames processed': counts.processed,
            'frames skipped (a newer one came)': counts.skipped,
            'frames failed': failed,
            'last error': self._last_error or 'none',
        }
        for stage, times in lane.times.summary().items():
            values[f'{stage} median (ms)'] = times.median_ms
            values[f'{stage} 99th percentile (ms)'] = times.p99_ms
        name = f'{self.get_fully_qualified_name()}: {lane.name}'
        if lane.activity.is_stuck():
            return diagnostics.status(diagnostics.ERROR, name, lane.activity.describe(), values)
        if self._watchdog is not None and self._watchdog.warned:
            level = diagnostics.OK if self._watchdog.at_end() else diagnostics.WARN
            return diagnostics.status(level, name, self._watchdog.explanation(), values)
        if time.monotonic() - self._last_error_s < LOG_EVERY_S:
            message = f'{failed} frames failed, the last: {self._last_error}'
            return diagnostics.status(diagnostics.WARN, name, message, values)
        return diagnostics.status(
            diagnostics.OK, name, f'{lane.frame_rate():.1f} results a second', values
        )
