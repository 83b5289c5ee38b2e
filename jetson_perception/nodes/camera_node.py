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

from jetson_perception.dds.transports import MEBIBYTE
from jetson_perception.errors import ParameterError
from jetson_perception.ros.camera_parameters import CameraParams
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.picture_parameters import JpegParams
from jetson_perception.ros.run import run_node
from jetson_perception.ros.source_reader import SourceReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diagnostic_msgs.msg import DiagnosticStatus


class CameraNode(ManagedNode):
    """Reads a source in a thread of its own and publishes every frame; reopens a lost source."""

    def __init__(self, **options: Any) -> None:
        self._reader: SourceReader | None = None
        super().__init__('camera_node', CameraParams, **options)
        self._jpeg_params = self.declare(JpegParams, 'image_raw.compressed')

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
        self._reader = SourceReader(
            self,
            '',
            lambda: self.own.value,
            lambda: self._jpeg_params.value,
            every_frame=params.every_frame,
            max_image_pixels=params.max_image_pixels,
            on_failure=self.fail_soon,
        )

    def activate(self) -> None:
        """Start reading."""
        assert self._reader is not None, 'configure comes before activate'
        self._reader.start(self.left_behind.at_work)

    def deactivate(self) -> None:
        """Stop reading and let the source go."""
        if self._reader is not None:
            for left in self._reader.close():
                self.left_behind.add(left)

    def cleanup(self) -> None:
        """Take the topics down."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.destroy()

    def hang(self) -> str:
        """Whether the encoding of compressed images has not returned."""
        return self._reader.hang() if self._reader is not None else ''

    def facts(self) -> dict[str, Any]:
        """Where images come, for those who wait for them."""
        return {'image topic': self.resolve_topic_name('image_raw')}

    def trying_again(self) -> str:
        """Why a source that was lost, or is not there yet, is opened again now and then."""
        return self._reader.trying_again() if self._reader is not None else ''

    def diagnose(self) -> list[DiagnosticStatus]:
        """Whether frames come, and how fast."""
        if self._reader is None:
            return []
        status = self._reader.diagnose(f'{self.get_fully_qualified_name()}: source')
        return [status] if status is not None else []


#: Shared memory for images: eleven of 1280×720, or one of 3840×2160.
SEGMENT_BYTES = 32 * MEBIBYTE


def main(args: Sequence[str] | None = None) -> None:
    """Run the node."""
    run_node(CameraNode, args, SEGMENT_BYTES)


if __name__ == '__main__':
    main()
