#!/usr/bin/env python3
"""A camera, file, stream or rendered scene as an image topic.

Out: `image_raw` and `camera_info`, one each a frame, stamped when the frame was captured;
`image_raw/compressed` while somebody subscribes; `stats`; of a scene also what it knows, under
`ground_truth/`: `mask`, or `detections` and `keypoints`, and `label_info` (latched).
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from jetson_perception import images
from jetson_perception.camera import open_source
from jetson_perception.camera.calibration import Calibration, load_calibration
from jetson_perception.camera.reconnect import frames
from jetson_perception.errors import ParameterError, PerceptionError, SourceError
from jetson_perception.msg import PipelineStats
from jetson_perception.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.pipeline import (
    Activity,
    LeftBehind,
    RateMeter,
    StageTimes,
    WatchedThread,
    call_within,
    join_until,
)
from jetson_perception.printable import printable
from jetson_perception.ros import diagnostics, qos
from jetson_perception.ros.camera_messages import camera_info_message
from jetson_perception.ros.ground_truth import GroundTruthPublisher
from jetson_perception.ros.image_messages import (
    MOST_FRAME_ID_CHARACTERS,
    ImageMessage,
    jpeg_message,
)
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.parameters import param
from jetson_perception.ros.result_messages import stage_messages
from jetson_perception.ros.run import run_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.camera.source import CapturedFrame, FrameSource

log = logging.getLogger('jetson_perception.nodes.camera_node')  # also when run as __main__
LOG_EVERY_S = 10.0
#: How long `deactivate` waits for the capturing thread, and when one that has not ended is stuck.
_CAPTURE_END_S = 1.2
_RELEASE_LIMIT_S = 30.0
#: How often the next one looks whether it has.
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class CameraParams:
    """Parameters of camera_node."""

    source: str = param(
        '',
        'Where frames come from: v4l2:///dev/video0 or 0, csi://0, rtsp://host/path, '
        'file:///a.mp4, images:///folder, gst://pipeline, scene://oranges; to be set.',
        at_configure=True,
        opens=True,
        takes_integer=True,
        other_names=('video_device', 'camera_device', 'device', 'device_id', 'gscam_config'),
    )
    width: int = param(
        0,
        'Width in pixels; 0 for what the source gives.',
        between=(0, 16384),
        at_configure=True,
        other_names=('image_width',),
    )
    height: int = param(
        0,
        'Height in pixels; 0 for what the source gives.',
        between=(0, 16384),
        at_configure=True,
        other_names=('image_height',),
    )
    frame_rate: float = param(
        0.0,
        'Frames a second; 0 for what the source gives.',
        between=(0.0, 1000.0),
        at_configure=True,
        other_names=('framerate', 'fps'),
    )
    pixel_format: str = param(
        '', 'Four letters of a v4l2 format, as MJPG; empty for the default.', at_configure=True
    )
    loop: bool = param(False, 'Begin a file or folder anew at its end.', at_configure=True)
    frame_id: str = param(
        'camera',
        'Frame of the images in tf.',
        at_configure=True,
        other_names=('camera_frame_id',),
    )
    calibration: str = param(
        '',
        'YAML that camera_calibration wrote; empty for none.',
        at_configure=True,
        opens=True,
        other_names=('camera_info_url',),
    )

    max_image_pixels: int = param(
        MAX_IMAGE_PIXELS,
        'Larger pictures of a folder are skipped, and larger videos, streams and sizes refused, '
        'before they take memory.',
        between=(1, MOST_IMAGE_PIXELS),
        at_configure=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if bool(self.width) != bool(self.height):
            return f'width is {self.width} and height {self.height}; set both or neither'
        if len(self.frame_id) > MOST_FRAME_ID_CHARACTERS:
            return (
                f'frame_id has {len(self.frame_id)} characters; at most '
                f'{MOST_FRAME_ID_CHARACTERS} are taken'
            )
        return ''


class CameraNode(ManagedNode):
    """Reads a source in a thread of its own and publishes every frame; reopens a lost source."""

    def __init__(self, **options: Any) -> None:
        self._source: FrameSource | None = None
        self._thread: WatchedThread | None = None
        self._stop = threading.Event()
        #: Why no frame comes, and what is wrong with those that come; empty when nothing is.
        self._state = self._problem = ''
        self._lost = 0
        self._published = 0
        self._header = Header()
        #: Of the newest frame; made anew when the size changes.
        self._info: CameraInfo | None = None
        super().__init__('camera_node', CameraParams, **options)
        self.create_timer(1.0, self._publish_stats)

    def configure(self) -> None:
        """Make the source and the topics."""
        params: CameraParams = self.own.value
        if not params.source:
            raise ParameterError(
                'source is not set; start the node with what it is to read, such as '
                'source:=v4l2:///dev/video0 or source:=rtsp://host/path; source:=scene://oranges '
                'is a rendered scene',
                'source',
            )
        self._calibration: Calibration | None = None
        if params.calibration:
            self._calibration = load_calibration(params.calibration)
        self._source = open_source(
            params.source,
            size_wh=(params.width, params.height) if params.width else None,
            frame_rate=params.frame_rate or None,
            loop=params.loop,
            pixel_format=params.pixel_format,
            max_image_pixels=params.max_image_pixels,
        )
        self._message = ImageMessage()
        self._images = self.create_publisher(
            Image, 'image_raw', qos.SENSOR_DATA, qos_overriding_options=qos.overridable()
        )
        self._jpegs = self.create_publisher(
            CompressedImage, 'image_raw/compressed', qos.SENSOR_DATA
        )
        self._infos = self.create_publisher(
            CameraInfo, 'camera_info', qos.SENSOR_DATA, qos_overriding_options=qos.overridable()
        )
        self._stats = self.create_publisher(PipelineStats, 'stats', qos.RESULTS)
        names = self._source.truth_class_names
        self._truth = GroundTruthPublisher(self, names) if names else None

    def activate(self) -> None:
        """Start reading."""
        self._stop = threading.Event()  # another one's: a thread left behind keeps its own
        self._times, self._rate = StageTimes(), RateMeter()
        self._published = self._lost = 0
        self._state = self._problem = ''
        self._info = None
        self._activity = Activity('the source')
        self._thread = WatchedThread(partial(self._run, self._stop), 'capture', self._activity)
        self._thread.start()

    def deactivate(self) -> None:
        """Stop reading and let the source go."""
        self._stop.set()
        deadline_s = time.monotonic() + _CAPTURE_END_S
        if self._source is not None:
            self.leave_behind(
                call_within(self._source.close, 'the source', 'its release', _CAPTURE_END_S)
            )
        if self._thread is not None:
            self._activity.begin('the end of capturing', limit_s=_RELEASE_LIMIT_S)
            left = join_until([self._thread], deadline_s)
            if left:
                self.leave_behind(LeftBehind(left))
            self._publish_stats()  # the count of all frames, for those who compare
            self._thread = None

    def cleanup(self) -> None:
        """Take the topics down."""
        if self._source is None:
            return
        self._source = None
        for publisher in (self._images, self._jpegs, self._infos, self._stats):
            self.destroy_publisher(publisher)
        if self._truth is not None:
            self._truth.destroy()

    def diagnose(self) -> list[DiagnosticStatus]:
        """Whether frames come, and how fast."""
        source = self._source
        if source is None:
            return []
        rate = self._rate.rate(time.monotonic_ns())
        values: dict[str, Any] = {
            'source': source.uri,
            'frame rate (Hz)': rate,
            'frames published': self._published,
            'times lost': self._lost,
        }
        for stage, times in self._times.summary().items():
            values[f'{stage} median (ms)'] = times.median_ms
            values[f'{stage} 99th percentile (ms)'] = times.p99_ms
        name = f'{self.get_fully_qualified_name()}: source'
        if self._state:
            return [diagnostics.status(diagnostics.ERROR, name, self._state, values)]
        if self._problem:
            return [diagnostics.status(diagnostics.WARN, name, self._problem, values)]
        return [diagnostics.status(diagnostics.OK, name, f'{rate:.1f} frames a second', values)]

    def _run(self, stop: threading.Event) -> None:
        source = self._source
        assert source is not None, 'configure comes before activate'
        while at_work := self.left_at_work():
            self._state = at_work
            if stop.wait(_LOOK_EVERY_S):
                return
        self.get_logger().info(f'reading {source.uri}')
        try:
            for frame in frames(source, stop=stop, on_lost=self._on_lost):
                self._state = ''
                self._publish(frame)
        except Exception as error:  # noqa: BLE001 - the node stays up to say what happened
            if not stop.is_set():  # what it works with may be gone by then
                self._explain_end(source, error)
        else:
            if not stop.is_set():
                self._state = f'{source.uri} came to its end'
                self.get_logger().info(f'{self._state} after {self._published} frames')

    def _explain_end(self, source: FrameSource, error: Exception) -> None:
        if isinstance(error, PerceptionError):
            self._state = str(error)
            self.get_logger().error(f'{error}. Once mended, deactivate and activate this node')
        else:
            self._state = f'unexpected {type(error).__name__}: {printable(error)}'
            log.error('reading %s failed', source.uri, exc_info=error)

    def _on_lost(self, error: SourceError, retry_s: float) -> None:
        self._lost += 1
        self._state = str(error)
        self.get_logger().error(
            f'{error}; trying again in {retry_s:.1f} s', throttle_duration_sec=LOG_EVERY_S
        )

    def _publish(self, frame: CapturedFrame) -> None:
        begun = time.monotonic_ns()
        age_ns = time.time_ns() - frame.captured_ns
        # By the ROS clock, which need not be the system's: simulated time, for one.
        stamp = Time(nanoseconds=max(self.get_clock().now().nanoseconds - age_ns, 0))
        header = Header(stamp=stamp.to_msg(), frame_id=self.own.value.frame_id)
        if self._images.get_subscription_count():
            self._images.publish(self._message.fill(frame.pixels, frame.encoding, header))
        if self._jpegs.get_subscription_count():
            bgr = images.to_bgr(frame.pixels, frame.encoding)
            self._jpegs.publish(jpeg_message(bgr, header))
        self._infos.publish(self._info_for(frame, header))
        if self._truth is not None:
            self._truth.publish(frame, header)
        now = time.monotonic_ns()
        self._times.record('transport', age_ns / 1e6)
        self._times.record('publish', (now - begun) / 1e6)
        self._rate.tick(now)
        self._header = header
        self._published += 1

    def _info_for(self, frame: CapturedFrame, header: Header) -> CameraInfo:
        height, width = frame.pixels.shape[:2]
        info = self._info
        if info is None or (info.width, info.height) != (width, height):
            info = self._info = camera_info_message(self._calibration_for((width, height)))
        info.header = header
        return info

    def _calibration_for(self, size_wh: tuple[int, int]) -> Calibration:
        self._problem = ''
        if self._calibration is not None:
            try:
                return self._calibration.scaled_to(size_wh)
            except ParameterError as error:
                # Images are worth having without one; wrong geometry would be worse than none.
                self._problem = f'camera_info says uncalibrated: {error}'
                self.get_logger().error(self._problem, throttle_duration_sec=LOG_EVERY_S)
        return Calibration.uncalibrated(size_wh)

    def _publish_stats(self) -> None:
        if self._thread is None or not self._published or not self.context.ok():
            return
        self._stats.publish(
            PipelineStats(
                header=self._header,
                engine='camera',
                frame_rate=self._rate.rate(time.monotonic_ns()),
                frames_received=self._published,
                frames_processed=self._published,
                stages=stage_messages(self._times),
            )
        )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(CameraNode, args)


if __name__ == '__main__':
    main()
