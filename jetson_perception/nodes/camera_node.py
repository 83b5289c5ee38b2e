#!/usr/bin/env python3
"""A camera, file, stream or rendered scene as an image topic.

Out: `image_raw` and `camera_info`, one each a frame, stamped when the frame was captured;
`image_raw/compressed` while somebody subscribes; `stats`; for a scene also the truth, under
`ground_truth/`: `mask`, or `detections` and `keypoints`, and `label_info` (latched).
In:  with `every_frame`, `image_raw/done` (FrameDone) from the nodes that process every frame.
The service `set_camera_info` takes a calibration over, as camera_info_manager does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.camera import open_source
from jetson_perception.camera.capture import Capture
from jetson_perception.camera.pace import Pace
from jetson_perception.dds.transports import MEBIBYTE
from jetson_perception.errors import ParameterError
from jetson_perception.ros.calibration_files import calibration_file, first_calibration
from jetson_perception.ros.calibration_service import CalibrationService
from jetson_perception.ros.camera_parameters import CameraParams
from jetson_perception.ros.camera_publisher import CameraPublisher
from jetson_perception.ros.camera_report import source_status
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.picture_parameters import JpegParams
from jetson_perception.ros.run import run_node
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diagnostic_msgs.msg import DiagnosticStatus

    from jetson_perception.camera.source import FrameSource

#: How long `deactivate` waits for the capturing thread, and then for the encoding one.
_CAPTURE_END_S = 1.2
_ENCODING_END_S = 0.2


class CameraNode(ManagedNode):
    """Reads a source in a thread of its own and publishes every frame; reopens a lost source."""

    def __init__(self, **options: Any) -> None:
        self._source: FrameSource | None = None
        self._publisher: CameraPublisher | None = None
        self._calibrations: CalibrationService | None = None
        self._capture: Capture | None = None
        super().__init__('camera_node', CameraParams, **options)
        self._jpeg_params = self.declare(JpegParams, 'image_raw.compressed')
        steady_timer(self, 1.0, self._publish_stats)

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
        calibration = first_calibration(params.calibration, output)
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
            self,
            self._source,
            lambda: self.own.value,
            lambda: self._jpeg_params.value,
            calibration,
            on_failure=self.fail_soon,
        )
        self._calibrations = CalibrationService(
            self,
            output,
            getattr(calibration, 'camera_name', '') or self.get_namespace().strip('/'),
            self._publisher.calibrate,
            self._publisher.image_size_wh,
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
        assert self._publisher is not None, 'as the capture'
        for left in self._capture.close(_CAPTURE_END_S):
            self.left_behind.add(left)
        self.left_behind.add(self._publisher.end(_ENCODING_END_S))
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

    def hang(self) -> str:
        """Whether the encoding of compressed images has not returned."""
        activity = self._publisher.jpegs.activity if self._publisher is not None else None
        return activity.describe() if activity is not None and activity.is_stuck() else ''

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
        name = f'{self.get_fully_qualified_name()}: source'
        return [source_status(name, source.uri, publisher, capture)]

    def _publish_stats(self) -> None:
        if self._capture is not None and self._publisher is not None and self.context.ok():
            self._publisher.publish_stats()


#: Shared memory for images: eleven of 1280×720, or one of 3840×2160.
SEGMENT_BYTES = 32 * MEBIBYTE


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(CameraNode, args, SEGMENT_BYTES)


if __name__ == '__main__':
    main()
