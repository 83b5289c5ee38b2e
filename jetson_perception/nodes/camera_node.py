#!/usr/bin/env python3
"""A camera, file, stream or rendered scene as an image topic.

Out: `image_raw` and `camera_info`, one each a frame, stamped when the frame was captured;
`image_raw/compressed` while somebody subscribes; `stats`; for a scene also the truth, under
`ground_truth/`: `mask`, or `detections` and `keypoints`, and `label_info` (latched).
In:  with `every_frame`, `image_raw/done` (FrameDone) from the nodes that process every frame.
The service `set_camera_info` takes a calibration over, as camera_info_manager does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType

from jetson_perception.camera import open_source
from jetson_perception.camera.calibration import load_calibration
from jetson_perception.camera.capture import Capture
from jetson_perception.camera.pace import Pace
from jetson_perception.errors import ParameterError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.ros import diagnostics
from jetson_perception.ros.calibration_files import calibration_file
from jetson_perception.ros.calibration_service import CalibrationService
from jetson_perception.ros.camera_publisher import CameraPublisher
from jetson_perception.ros.image_messages import MOST_FRAME_ID_CHARACTERS
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.parameters import param
from jetson_perception.ros.run import run_node

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.camera.calibration import Calibration
    from jetson_perception.camera.source import FrameSource

#: How long `deactivate` waits for the capturing thread.
_CAPTURE_END_S = 1.2


@dataclass(frozen=True)
class CameraParams:
    """Parameters of camera_node."""

    source: str = param(
        '',
        'Where frames come from: v4l2:///dev/video0 or 0, csi://0, rtsp://host/path, '
        'file:///a.mp4, images:///folder, bag:///folder?topic=/camera/image_raw, '
        'gst://pipeline, scene://oranges; required.',
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
        '',
        'Four-letter code of a v4l2 format, such as MJPG; empty for the default.',
        at_configure=True,
    )
    loop: bool = param(False, 'Restart a file, folder or bag at its end.', at_configure=True)
    wait_for_subscribers: int = param(
        1,
        'A file, folder, bag, or scene with frames= starts once this many nodes subscribe to its '
        'images; seg_node and yolo_node do so when their engines are ready. With every_frame, '
        'only nodes that process every frame count, and no image is sent while there are fewer. '
        '0 starts at once.',
        between=(0, 100),
        at_configure=True,
    )
    every_frame: bool = param(
        False,
        'Send the next image only when every node that runs with every_frame has finished the '
        'last one: no image is lost, whatever the rate. Images are then published reliable.',
        at_configure=True,
    )
    recorded_stamps: bool = param(
        True,
        'Give images of a bag the stamps that they were recorded with; false stamps them when '
        'they are played, so that latency is known.',
    )
    frame_id: str = param(
        '',
        "Frame of the images in tf; empty for the node's namespace, as front/camera, and camera "
        'where that is /.',
        at_configure=True,
        other_names=('camera_frame_id',),
    )
    calibration: str = param(
        '',
        'YAML that camera_calibration wrote: a path, file:// or package://; empty for none.',
        at_configure=True,
        opens=True,
        other_names=('camera_info_url',),
    )
    calibration_output: str = param(
        '',
        'YAML that the service set_camera_info writes, and that is read instead of calibration '
        'once it is there; empty to refuse. Can be set only at start.',
        read_only=True,
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
        self._publisher: CameraPublisher | None = None
        self._calibrations: CalibrationService | None = None
        self._capture: Capture | None = None
        super().__init__('camera_node', CameraParams, **options)
        # Not the node's clock: simulated time may stand still, or come late.
        self.create_timer(1.0, self._publish_stats, clock=Clock(clock_type=ClockType.STEADY_TIME))

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
        output = calibration_file(params.calibration_output) if params.calibration_output else None
        calibration = _calibration(params, output)
        self._source = open_source(
            params.source,
            size_wh=(params.width, params.height) if params.width else None,
            frame_rate=params.frame_rate or None,
            loop=params.loop,
            pixel_format=params.pixel_format,
            max_image_pixels=params.max_image_pixels,
            pace=Pace.EVERY_FRAME if params.every_frame else Pace.LIVE,
        )
        self._publisher = CameraPublisher(
            self, self._source, lambda: self.own.value, calibration, on_failure=self.fail_soon
        )

        self._calibrations = CalibrationService(
            self,
            output,
            calibration.camera_name if calibration else self.get_namespace().strip('/'),
            self._publisher.calibrate,
        )

    def activate(self) -> None:
        """Start reading."""
        assert self._source is not None, 'configure comes before activate'
        assert self._publisher is not None, 'as the source'
        self._publisher.begin()
        self._capture = Capture(self._source, self._publisher, self.left_behind.at_work)
        self._capture.start()

    def deactivate(self) -> None:
        """Stop reading and let the source go."""
        if self._capture is None:
            return
        for left in self._capture.close(_CAPTURE_END_S):
            self.left_behind.add(left)
        self._publish_stats()  # the count of all frames, for those who compare
        self._capture = None

    def cleanup(self) -> None:
        """Take the topics down."""
        publisher, self._publisher, self._source = self._publisher, None, None
        calibrations, self._calibrations = self._calibrations, None
        if calibrations is not None:
            calibrations.close()
        if publisher is not None:
            publisher.destroy()

    def facts(self) -> dict[str, Any]:
        """Where images come, for those who wait for them."""
        return {'image topic': self.resolve_topic_name('image_raw')}

    def trying_again(self) -> str:
        """Why a source that was lost, or is not there yet, is opened again now and then."""
        capture = self._capture
        if capture is None or capture.at_end or not capture.problem:
            return ''
        return f'the source is opened again by itself; at present: {capture.problem}'

    def diagnose(self) -> list[DiagnosticStatus]:
        """Whether frames come, and how fast."""
        source, publisher, capture = self._source, self._publisher, self._capture
        if source is None or publisher is None or capture is None:
            return []
        rate = publisher.rate.rate(time.monotonic_ns())
        level, phase, message = _situation(capture, publisher)
        values: dict[str, Any] = {
            'source': source.uri,
            'state': phase,
            'frame rate (Hz)': rate,
            'frames published': publisher.published,
            'times lost': capture.times_lost,
        }
        for stage, times in publisher.times.summary().items():
            values[f'{stage} median (ms)'] = times.median_ms
            values[f'{stage} 99th percentile (ms)'] = times.p99_ms
        name = f'{self.get_fully_qualified_name()}: source'
        return [diagnostics.status(level, name, message or f'{rate:.1f} frames a second', values)]

    def _publish_stats(self) -> None:
        if self._capture is not None and self._publisher is not None and self.context.ok():
            self._publisher.publish_stats()


def _calibration(params: CameraParams, output: Path | None) -> Calibration | None:
    """The calibration to begin with: the one that was set by the service, or the one given."""
    if output is not None and os.path.lexists(output):
        return load_calibration(output)
    if params.calibration:
        return load_calibration(calibration_file(params.calibration))
    return None


def _situation(capture: Capture, publisher: CameraPublisher) -> tuple[Any, str, str]:
    """Level of what a source is at, a word for programs, and for people; '' while frames come."""
    listeners = publisher.listeners
    if capture.at_end:
        return diagnostics.OK, 'ended', capture.problem
    if capture.problem:
        return diagnostics.ERROR, 'lost', capture.problem
    if listeners.waiting:
        level = diagnostics.WARN if listeners.are_late else diagnostics.OK
        return level, 'waiting', listeners.waiting
    if publisher.problem:
        return diagnostics.WARN, 'playing', publisher.problem
    return diagnostics.OK, 'playing', ''


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(CameraNode, args)


if __name__ == '__main__':
    main()
