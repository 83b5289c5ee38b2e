#!/usr/bin/env python3
"""A camera, file, stream or rendered scene as an image topic.

Out: `image_raw` and `camera_info`, one each a frame, stamped when the frame was captured;
`image_raw/compressed` while somebody subscribes; `stats`; of a scene also what it knows, under
`ground_truth/`: `mask`, or `detections` and `keypoints`, and `label_info` (latched).
In:  with `every_frame`, `image_raw/done` (FrameDone) of those that handle every frame.
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

from jetson_perception.camera import open_source
from jetson_perception.camera.calibration import Calibration, load_calibration
from jetson_perception.camera.pace import Pace
from jetson_perception.camera.reconnect import frames
from jetson_perception.errors import ParameterError, PerceptionError, SourceError
from jetson_perception.images import encodings
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.msg import PipelineStats
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
    stamp_ns,
)
from jetson_perception.ros.listeners import Listeners
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
        'file:///a.mp4, images:///folder, bag:///folder?topic=/camera/image_raw, '
        'gst://pipeline, scene://oranges; to be set.',
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
    loop: bool = param(False, 'Begin a file, folder or bag anew at its end.', at_configure=True)
    wait_for_subscribers: int = param(
        1,
        'A file, folder, bag, or scene with frames=, begins when so many subscribe to its '
        'images; a node of ours does when its engines are there. With every_frame it is nodes '
        'that handle every frame, and with fewer none is sent. 0 begins at once.',
        between=(0, 100),
        at_configure=True,
    )
    every_frame: bool = param(
        False,
        'Send the next image only when every node with every_frame that is there is done with '
        'the last one: none is lost, whatever the rate. Images are then reliable.',
        at_configure=True,
    )
    recorded_stamps: bool = param(
        True,
        'Give images of a bag the stamps that they were recorded with, so that ages count from '
        'then; false stamps them when they are played.',
    )
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
        self._ended = False
        self._lost = 0
        self._published = 0
        self._stamp_ns = -1
        self._listeners: Listeners | None = None
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
                'source is not set; start the node with what it is to read, such as --ros-args -p '
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
            pace=Pace.EVERY_FRAME if params.every_frame else Pace.LIVE,
        )
        images_qos = qos.EVERY_IMAGE if params.every_frame else qos.SENSOR_DATA
        self._message = ImageMessage()
        self._images = self.create_publisher(
            Image, 'image_raw', images_qos, qos_overriding_options=qos.overridable()
        )
        self._jpegs = self.create_publisher(CompressedImage, 'image_raw/compressed', images_qos)
        self._infos = self.create_publisher(
            CameraInfo, 'camera_info', images_qos, qos_overriding_options=qos.overridable()
        )
        self._stats = self.create_publisher(PipelineStats, 'stats', qos.RESULTS)
        names = self._source.truth_class_names
        self._truth = GroundTruthPublisher(self, names) if names else None
        self._listeners = Listeners(
            self,
            [self._images, self._jpegs],
            params.wait_for_subscribers,
            every_frame=params.every_frame,
        )

    def activate(self) -> None:
        """Start reading."""
        self._stop = threading.Event()  # another one's: a thread left behind keeps its own
        self._times, self._rate = StageTimes(), RateMeter()
        self._published = self._lost = 0
        self._state = self._problem = ''
        self._ended = False
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
        if self._listeners is not None:
            self._listeners.close()
            self._listeners = None

    def facts(self) -> dict[str, Any]:
        """Where images come, for those who wait for them."""
        return {'image topic': self.resolve_topic_name('image_raw')}

    def diagnose(self) -> list[DiagnosticStatus]:
        """Whether frames come, and how fast."""
        source, listeners = self._source, self._listeners
        if source is None or listeners is None:
            return []
        rate = self._rate.rate(time.monotonic_ns())
        values: dict[str, Any] = {
            'source': source.uri,
            'state': self._phase(listeners),
            'frame rate (Hz)': rate,
            'frames published': self._published,
            'times lost': self._lost,
        }
        for stage, times in self._times.summary().items():
            values[f'{stage} median (ms)'] = times.median_ms
            values[f'{stage} 99th percentile (ms)'] = times.p99_ms
        name = f'{self.get_fully_qualified_name()}: source'
        if self._ended:
            return [diagnostics.status(diagnostics.OK, name, self._state, values)]
        if self._state:
            return [diagnostics.status(diagnostics.ERROR, name, self._state, values)]
        if listeners.waiting:
            level = diagnostics.WARN if listeners.are_late else diagnostics.OK
            return [diagnostics.status(level, name, listeners.waiting, values)]
        if self._problem:
            return [diagnostics.status(diagnostics.WARN, name, self._problem, values)]
        return [diagnostics.status(diagnostics.OK, name, f'{rate:.1f} frames a second', values)]

    def _phase(self, listeners: Listeners) -> str:
        """What the source does, in a word for programs."""
        if self._ended:
            return 'ended'
        if self._state:
            return 'lost'
        return 'waiting' if listeners.waiting else 'playing'

    def _run(self, stop: threading.Event) -> None:
        source, listeners = self._source, self._listeners
        assert source is not None, 'configure comes before activate'
        assert listeners is not None, 'as the source'
        while at_work := self.left_at_work():
            self._state = at_work
            if stop.wait(_LOOK_EVERY_S):
                return
        self._state = ''
        self.get_logger().info(f'reading {source.uri}')
        try:
            begin = partial(listeners.wait_to_begin, source.live, stop)
            for frame in frames(source, stop=stop, on_lost=self._on_lost, on_open=begin):
                self._state = ''
                listeners.wait_to_send(stop)
                if stop.is_set():
                    break
                header = self._publish(frame)
                resend = partial(self._publish_image, frame, header)
                listeners.wait_for_answers(stamp_ns(header), resend, stop)
        except Exception as error:  # noqa: BLE001 - the node stays up to say what happened
            if not stop.is_set():  # what it works with may be gone by then
                self._explain_end(source, error)
        else:
            if not stop.is_set():
                self._state = f'{source.uri} came to its end after {self._published} frames'
                self._ended = True
                self.get_logger().info(self._state)

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

    def _publish(self, frame: CapturedFrame) -> Header:
        begun = time.monotonic_ns()
        age_ns = time.time_ns() - frame.captured_ns
        stamp = self._stamp(frame, age_ns)
        header = Header(stamp=stamp.to_msg(), frame_id=self.own.value.frame_id)
        self._publish_image(frame, header)
        self._infos.publish(self._info_for(frame, header))
        if self._truth is not None:
            self._truth.publish(frame, header)
        now = time.monotonic_ns()
        self._times.record('transport', age_ns / 1e6)
        self._times.record('publish', (now - begun) / 1e6)
        self._rate.tick(now)
        self._header = header
        self._published += 1
        return header

    def _stamp(self, frame: CapturedFrame, age_ns: int) -> Time:
        """When a frame was captured: by the ROS clock, which need not be the system's."""
        now_ns = self.get_clock().now().nanoseconds  # simulated time, for one
        stamp = max(now_ns - age_ns, 0)
        params: CameraParams = self.own.value
        if frame.recorded_ns is not None and params.recorded_stamps:
            stamp = frame.recorded_ns
        if params.every_frame and stamp == self._stamp_ns:
            stamp += 1  # answers tell frames apart by their stamps
        self._stamp_ns = stamp
        return Time(nanoseconds=stamp)

    def _publish_image(self, frame: CapturedFrame, header: Header) -> None:
        if self._images.get_subscription_count():
            self._images.publish(self._message.fill(frame.pixels, frame.encoding, header))
        if self._jpegs.get_subscription_count():
            bgr = encodings.to_bgr(frame.pixels, frame.encoding)
            self._jpegs.publish(jpeg_message(bgr, header))

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
                input=self._source.uri if self._source is not None else '',
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
