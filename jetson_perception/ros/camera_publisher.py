"""The frames of a source as topics: images, what is known of the camera and the scene, stats."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from jetson_perception.errors import CudaError, ImageError
from jetson_perception.images import encodings
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.msg import PipelineStats
from jetson_perception.pipeline import Frame, JpegBytes, RateMeter, RawImage, StageTimes
from jetson_perception.printable import counted
from jetson_perception.ros import qos
from jetson_perception.ros.camera_infos import CameraInfos
from jetson_perception.ros.camera_parameters import NATIVE
from jetson_perception.ros.frame_ids import recorded_frame_id, usable_frame_id
from jetson_perception.ros.ground_truth import GroundTruthPublisher
from jetson_perception.ros.image_sender import image_sender
from jetson_perception.ros.jpeg_publisher import JpegPublisher
from jetson_perception.ros.listeners import Listeners
from jetson_perception.ros.result_messages import stage_messages
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from rclpy.node import Node

    from jetson_perception.camera.calibration import Calibration
    from jetson_perception.camera.source import CapturedFrame, FrameSource
    from jetson_perception.cuda.device_picture import DevicePicture
    from jetson_perception.errors import PerceptionError, SourceError
    from jetson_perception.pipeline import LeftBehind
    from jetson_perception.ros.picture_parameters import JpegParams

_LOG_EVERY_S = 10.0


class FrameHandler(Protocol):
    """Who handles frames in this process, before they are published; in the capturing thread."""

    def take(self, frame: Frame) -> None:
        """Take a frame; never waits."""
        ...

    def wait_until_done(self, frame: Frame, stop: threading.Event) -> None:
        """Return when the next frame may come, or `stop` is set."""
        ...


class CameraPublisher:
    """Publishes every frame of a source: a `FrameTaker`.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    namespace : str
        Put before the topics' names, absolute or below the node's; empty for camera_node.
    source : FrameSource
        Whose frames they are.
    params : callable
        Gives the SourceParams; asked for every frame.
    jpeg_params : callable
        Gives the JpegParams of `image_raw/compressed`; asked for every image there.
    calibration : Calibration or str, optional
        Of the camera; a text is why there is none, which is told as an error.
    every_frame : bool
        Whether the next frame waits until all who take every frame are done with one.
    on_failure : callable
        Told, in the capturing thread, why no frame will come any more.
    handler : FrameHandler, optional
        Who handles frames in this process; it counts as one of those who subscribe.

    Attributes
    ----------
    listeners : Listeners
        Who is waited for.
    published : int
        Frames published since `begin`.
    times, rate : StageTimes, RateMeter
        Of those frames.
    infos : CameraInfos
        Of the camera.
    problem : str
        What is wrong with the frames, for people; empty when nothing is.
    jpegs : JpegPublisher
        Of `image_raw/compressed`.
    header : std_msgs Header or None
        Of the newest frame since `begin`.
    """

    def __init__(
        self,
        node: Node,
        namespace: str,
        source: FrameSource,
        params: Callable[[], Any],
        jpeg_params: Callable[[], JpegParams],
        calibration: Calibration | str | None = None,
        *,
        every_frame: bool,
        on_failure: Callable[[PerceptionError], None],
        handler: FrameHandler | None = None,
    ) -> None:
        self._node = node
        self._on_failure = on_failure
        self._source = source
        self._params = params
        self._handler = handler
        self._frame_id = usable_frame_id(node, params().frame_id, namespace)
        self._every_frame = every_frame
        self._is_native = params().encoding == NATIVE
        self.infos = CameraInfos(node, calibration)
        prefix = f'{namespace}/' if namespace else ''
        images_qos = qos.EVERY_IMAGE if every_frame else qos.IMAGES
        small_qos = qos.EVERY_IMAGE if every_frame else qos.RESULTS
        self._images = node.create_publisher(
            Image, f'{prefix}image_raw', **qos.overridable(images_qos)
        )
        self._image_sender = image_sender(self._images)
        self.jpegs = JpegPublisher(
            node,
            f'{prefix}image_raw/compressed',
            qos.EVERY_IMAGE if every_frame else qos.COMPRESSED_IMAGES,
            jpeg_params,
            every_image=every_frame,
        )
        self._infos = node.create_publisher(
            CameraInfo, f'{prefix}camera_info', **qos.overridable(small_qos)
        )
        self._stats = node.create_publisher(
            PipelineStats, f'{prefix}stats', **qos.overridable(qos.RESULTS)
        )
        names = source.truth_class_names
        self._truth = GroundTruthPublisher(node, names, prefix) if names else None
        self.listeners = Listeners(
            node,
            [self._images, self.jpegs.topic],
            max(params().wait_for_subscribers - (handler is not None), 0),
            every_frame=every_frame,
        )
        self._stamp_ns = -1
        self._count_anew()

    @property
    def problem(self) -> str:
        """What is wrong with the frames, for people; empty when nothing is."""
        return self.infos.problem

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
        self.header: Header | None = None
        self.infos.begin()

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

    def take(self, captured: CapturedFrame, stop: threading.Event) -> None:
        """Publish a frame, and wait until it is answered where every one is."""
        self.listeners.wait_to_send(stop)
        if stop.is_set():
            return
        frame = self._frame(captured)
        if self._handler is not None:
            self._handler.take(frame)
        self._publish(frame, captured)
        if self._handler is not None:
            self._handler.wait_until_done(frame, stop)
        resend = partial(self._publish_image, frame, captured)
        self.listeners.wait_for_answers(frame.stamp_ns, resend, stop)

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
        if self.header is None:
            return
        self._stats.publish(
            PipelineStats(
                header=self.header,
                engine='camera',
                input=self._source.uri,
                frame_rate=self.rate.rate(time.monotonic_ns()),
                frames_received=self.published,
                frames_processed=self.published,
                stages=stage_messages(self.times),
            )
        )

    def _frame(self, captured: CapturedFrame) -> Frame:
        """A frame as it was captured; what is another encoding becomes bgr8 if that is needed."""
        age_ns = time.time_ns() - captured.captured_ns
        stamp = self._stamp(captured, age_ns)
        header = Header(stamp=stamp.to_msg(), frame_id=self._frame_id_of(captured))
        frame = _made(captured, header, age_ns / 1e6)
        frame.encoding, frame.input_name = captured.encoding, self._source.uri
        frame.stamp_ns = stamp.nanoseconds
        return frame

    def _publish(self, frame: Frame, captured: CapturedFrame) -> None:
        begun = time.monotonic_ns()
        if RECORDER.on:
            RECORDER.sample(begun)
        header, size_wh = frame.header, captured.size_wh
        self._publish_image(frame, captured)
        sent = time.monotonic_ns()
        info = self.infos.message(size_wh, captured.calibration, header)
        if self._infos.get_subscription_count():
            self._infos.publish(info)
        # Asked here too, so that no pixels are fetched from a GPU for nobody.
        if not self._every_frame and self.jpegs.topic.get_subscription_count():
            with _unusable_ones_told(self._node, self._source.uri):
                self.jpegs.give(captured.pixels, captured.encoding, header)
        if self._truth is not None:
            self._truth.publish(captured, header)
        now = time.monotonic_ns()
        assert frame.age_ms is not None, 'as the source says when it was captured'
        self.times.record('transport', frame.age_ms)
        self.times.span('publish', begun, now, frame.stamp_ns)
        if RECORDER.on:
            captured_ns = begun - int(frame.age_ms * 1e6)
            RECORDER.span('capture', captured_ns, begun, frame.stamp_ns, 'camera: capture')
            RECORDER.span('send', begun, sent, frame.stamp_ns)
            RECORDER.sample(now)
        self.rate.tick(now)
        self.header = header
        self.published += 1
        if self.published == 1:
            topic, size = self._images.topic_name, '×'.join(map(str, size_wh))
            self._node.get_logger().info(f'{topic}: first image {size} {captured.encoding}')

    def _frame_id_of(self, frame: CapturedFrame) -> str:
        recorded = '' if self._params().frame_id else recorded_frame_id(frame.frame_id)
        return recorded or self._frame_id

    def _stamp(self, frame: CapturedFrame, age_ns: int) -> Time:
        """When a frame was captured: by the ROS clock, which need not be the system's."""
        now_ns = self._node.get_clock().now().nanoseconds  # simulated time, for one
        stamp = max(now_ns - age_ns, 0)
        if frame.recorded_ns is not None and self._params().recorded_stamps:
            stamp = frame.recorded_ns
        if self._every_frame and stamp == self._stamp_ns:
            stamp += 1  # answers tell frames apart by their stamps
        self._stamp_ns = stamp
        return Time(nanoseconds=stamp)

    def _publish_image(self, frame: Frame, captured: CapturedFrame) -> None:
        with _unusable_ones_told(self._node, self._source.uri):
            if self._images.get_subscription_count():
                self._send_raw(frame, captured)
            if self._every_frame and self.jpegs.topic.get_subscription_count():
                self.jpegs.send(captured.pixels, captured.encoding, frame.header)

    def _send_raw(self, frame: Frame, captured: CapturedFrame) -> None:
        if self._is_native and captured.encoding != encodings.JPEG:
            self._image_sender.send(captured.pixels, captured.encoding, frame.header)
        else:
            self._image_sender.send(frame.bgr(), 'bgr8', frame.header)


@contextmanager
def _unusable_ones_told(node: Node, uri: str) -> Iterator[None]:
    """Leave out an image that cannot be had; the next one may be whole, or find room."""
    try:
        yield
    except (CudaError, ImageError) as error:  # a full GPU, or a damaged JPEG
        if error.fatal:
            raise
        node.get_logger().error(
            f'an image of {uri} is not published: {error}', throttle_duration_sec=_LOG_EVERY_S
        )


def _made(captured: CapturedFrame, header: Header, age_ms: float) -> Frame:
    """A frame that lanes take as it was captured, wherever it lies."""
    encoding, picture = captured.encoding, captured.on_device
    raw = jpeg = None
    if encoding == encodings.JPEG:
        jpeg = JpegBytes(captured.pixels, MAX_IMAGE_PIXELS)
    elif picture is None:
        raw = RawImage(captured.pixels, encoding, *captured.size_wh)
    load = partial(_bgr, captured.image, encoding)
    return Frame(load, header, age_ms, raw, jpeg, picture)


def _bgr(image: NDArray[np.uint8] | DevicePicture, encoding: str) -> NDArray[np.uint8]:
    """A captured image as bgr8, on the host."""
    pixels = image if isinstance(image, np.ndarray) else image.on_host()
    return encodings.to_bgr(pixels, encoding)
