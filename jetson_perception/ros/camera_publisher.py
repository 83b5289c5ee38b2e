"""The frames of a source as topics: images, what is known of the camera and the scene, stats."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from jetson_perception.camera.calibration import Calibration
from jetson_perception.errors import ParameterError
from jetson_perception.msg import PipelineStats
from jetson_perception.pipeline import RateMeter, StageTimes
from jetson_perception.printable import counted
from jetson_perception.ros import qos
from jetson_perception.ros.camera_messages import camera_info_message
from jetson_perception.ros.frame_ids import recorded_frame_id, usable_frame_id
from jetson_perception.ros.ground_truth import GroundTruthPublisher
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.image_sender import image_sender
from jetson_perception.ros.jpeg_publisher import JpegPublisher
from jetson_perception.ros.listeners import Listeners
from jetson_perception.ros.result_messages import stage_messages
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.camera.source import CapturedFrame, FrameSource
    from jetson_perception.errors import PerceptionError, SourceError
    from jetson_perception.pipeline import LeftBehind
    from jetson_perception.ros.picture_parameters import JpegParams

_LOG_EVERY_S = 10.0


class CameraPublisher:
    """Publishes every frame of a source: a `FrameTaker`.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    source : FrameSource
        Whose frames they are.
    params : callable
        Gives the node's CameraParams; asked for every frame.
    jpeg_params : callable
        Gives the JpegParams of `image_raw/compressed`; asked for every image there.
    calibration : Calibration or str, optional
        Of the camera; a text is why there is none, which is told as an error.
    on_failure : callable
        Told, in the capturing thread, why no frame will come any more.

    Attributes
    ----------
    listeners : Listeners
        Who is waited for.
    published : int
        Frames published since `begin`.
    times, rate : StageTimes, RateMeter
        Of those frames.
    problem : str
        What is wrong with the frames, for people; empty when nothing is.
    jpegs : JpegPublisher
        Of `image_raw/compressed`.
    """

    def __init__(
        self,
        node: Node,
        source: FrameSource,
        params: Callable[[], Any],
        jpeg_params: Callable[[], JpegParams],
        calibration: Calibration | str | None = None,
        *,
        on_failure: Callable[[PerceptionError], None],
    ) -> None:
        self._node = node
        self._on_failure = on_failure
        self._source = source
        self._params = params
        self._calibration = calibration
        self._frame_id = usable_frame_id(node, params().frame_id)
        self._every_frame = every_frame = params().every_frame
        images_qos = qos.EVERY_IMAGE if every_frame else qos.IMAGES
        small_qos = qos.EVERY_IMAGE if every_frame else qos.RESULTS
        self._images = node.create_publisher(Image, 'image_raw', **qos.overridable(images_qos))
        self._image_sender = image_sender(self._images)
        self.jpegs = JpegPublisher(node, 'image_raw/compressed', small_qos, jpeg_params)
        self._infos = node.create_publisher(
            CameraInfo, 'camera_info', **qos.overridable(small_qos)
        )
        self._stats = node.create_publisher(PipelineStats, 'stats', **qos.overridable(qos.RESULTS))
        names = source.truth_class_names
        self._truth = GroundTruthPublisher(node, names) if names else None
        self.listeners = Listeners(
            node,
            [self._images, self.jpegs.publisher],
            params().wait_for_subscribers,
            every_frame=every_frame,
        )
        self._header = Header()
        self._stamp_ns = -1
        self._count_anew()

    def begin(self) -> None:
        """Get ready, and count anew: a capture is about to start."""
        self._count_anew()
        self.jpegs.start()

    def end(self, patience_s: float) -> LeftBehind | None:
        """End what goes on beside the capture, which is over; a thread, if that takes longer."""
        return self.jpegs.close(patience_s)

    def _count_anew(self) -> None:
        self.times, self.rate = StageTimes(), RateMeter()
        self.published = 0
        self.problem = ''
        #: The message for the newest frame; made anew when the size changes.
        self._info: CameraInfo | None = None
        self._info_of: Calibration | str | None = None

    def calibrate(self, calibration: Calibration) -> None:
        """Publish this calibration from the next frame on; any thread may call it."""
        self._calibration = calibration

    def image_size_wh(self) -> tuple[int, int] | None:
        """Width and height of the newest image; None before the first one."""
        info = self._info
        return None if info is None else (info.width, info.height)

    def destroy(self) -> None:
        """Take the topics down."""
        self.jpegs.destroy()
        for publisher in (self._images, self._infos, self._stats):
            self._node.destroy_publisher(publisher)
        if self._truth is not None:
            self._truth.destroy()
        self.listeners.close()

    def opened(self, stop: threading.Event) -> None:
        """Wait for those who are to hear the first frame."""
        self.listeners.wait_to_begin(self._source.live, stop)

    def take(self, frame: CapturedFrame, stop: threading.Event) -> None:
        """Publish a frame, and wait until it is answered where every one is."""
        self.listeners.wait_to_send(stop)
        if stop.is_set():
            return
        header = self._publish(frame)
        resend = partial(self._publish_image, frame, header)
        self.listeners.wait_for_answers(stamp_ns(header), resend, stop)

    def lost(self, error: SourceError, retry_s: float) -> None:
        """Say so, now and then."""
        self._node.get_logger().error(
            f'{error}; trying again in {retry_s:.1f} s', throttle_duration_sec=_LOG_EVERY_S
        )

    def failed(self, error: PerceptionError) -> None:
        """Have the node go inactive, and say why."""
        self._on_failure(error)

    def ended(self) -> None:
        """Say so."""
        self._node.get_logger().info(
            f'{self._source.uri} came to its end after {counted(self.published, "frame")}'
        )

    def publish_stats(self) -> None:
        """Publish how it goes, once a frame was published."""
        if not self.published:
            return
        self._stats.publish(
            PipelineStats(
                header=self._header,
                engine='camera',
                input=self._source.uri,
                frame_rate=self.rate.rate(time.monotonic_ns()),
                frames_received=self.published,
                frames_processed=self.published,
                stages=stage_messages(self.times),
            )
        )

    def _publish(self, frame: CapturedFrame) -> Header:
        begun = time.monotonic_ns()
        if RECORDER.on:
            RECORDER.sample(begun)
        age_ns = time.time_ns() - frame.captured_ns
        stamp = self._stamp(frame, age_ns)
        header = Header(stamp=stamp.to_msg(), frame_id=self._frame_id_of(frame))
        self._publish_image(frame, header)
        sent = time.monotonic_ns()
        self._infos.publish(self._info_for(frame, header))
        if not self._every_frame:
            self.jpegs.give(frame.pixels, frame.encoding, header)
        if self._truth is not None:
            self._truth.publish(frame, header)
        now = time.monotonic_ns()
        self.times.record('transport', age_ns / 1e6)
        frame_stamp_ns = stamp_ns(header)
        self.times.span('publish', begun, now, frame_stamp_ns)
        if RECORDER.on:
            RECORDER.span('capture', begun - age_ns, begun, frame_stamp_ns, 'camera: capture')
            RECORDER.span('send', begun, sent, frame_stamp_ns)
            RECORDER.sample(now)
        self.rate.tick(now)
        self._header = header
        self.published += 1
        if self.published == 1:
            height, width = frame.pixels.shape[:2]
            self._node.get_logger().info(f'first image {width}×{height} {frame.encoding}')
        return header

    def _frame_id_of(self, frame: CapturedFrame) -> str:
        recorded = '' if self._params().frame_id else recorded_frame_id(frame.frame_id)
        return recorded or self._frame_id

    def _stamp(self, frame: CapturedFrame, age_ns: int) -> Time:
        """When a frame was captured: by the ROS clock, which need not be the system's."""
        now_ns = self._node.get_clock().now().nanoseconds  # simulated time, for one
        stamp = max(now_ns - age_ns, 0)
        params = self._params()
        if frame.recorded_ns is not None and params.recorded_stamps:
            stamp = frame.recorded_ns
        if params.every_frame and stamp == self._stamp_ns:
            stamp += 1  # answers tell frames apart by their stamps
        self._stamp_ns = stamp
        return Time(nanoseconds=stamp)

    def _publish_image(self, frame: CapturedFrame, header: Header) -> None:
        if self._images.get_subscription_count():
            self._image_sender.send(frame.pixels, frame.encoding, header)
        if self._every_frame:
            self.jpegs.send(frame.pixels, frame.encoding, header)

    def _info_for(self, frame: CapturedFrame, header: Header) -> CameraInfo:
        height, width = frame.pixels.shape[:2]
        info, calibration = self._info, self._calibration
        if calibration is None:
            calibration = frame.calibration
        if (
            info is None
            or (info.width, info.height) != (width, height)
            or calibration is not self._info_of
        ):
            scaled = self._scaled(calibration, (width, height))
            info = self._info = camera_info_message(scaled)
            self._info_of = calibration
        info.header = header
        return info

    def _scaled(
        self, calibration: Calibration | str | None, size_wh: tuple[int, int]
    ) -> Calibration:
        self.problem = ''
        problem = calibration
        if isinstance(calibration, Calibration):
            try:
                return calibration.scaled_to(size_wh)
            except ParameterError as error:
                problem = str(error)
        if problem:
            # Images are worth having without one; wrong geometry would be worse than none.
            self.problem = f'camera_info says uncalibrated: {problem}'
            self._node.get_logger().error(self.problem, throttle_duration_sec=_LOG_EVERY_S)
        return Calibration.uncalibrated(size_wh)
