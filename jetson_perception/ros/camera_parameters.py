"""Parameters of a source: of camera_node, and of a node that reads one itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jetson_perception.camera.video_decoders import VIDEO_DECODERS
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.ros.camera_topics import MOST_CAMERAS
from jetson_perception.ros.image_messages import MOST_FRAME_ID_CHARACTERS
from jetson_perception.ros.parameters import param

NATIVE = 'native'
"""The encoding of images that stay as a source gives them."""


def _source(description: str) -> Any:
    return param(
        '',
        description,
        at_configure=True,
        opens=True,
        takes_integer=True,
        secret=True,
        other_names=('video_device', 'camera_device', 'device', 'device_id', 'gscam_config'),
    )


def _enough(description: str) -> Any:
    return param(1, description, between=(0, 100), at_configure=True)


@dataclass(frozen=True)
class SourceParams:
    """Parameters of whoever reads a source."""

    source: str = _source('Where frames come from.')
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
    encoding: str = param(
        'bgr8',
        'Encoding of image_raw: bgr8, as rviz2 and cv_bridge take it; native leaves images of '
        'v4l2://, csi:// and gst:// as they come, such as nv12 or yuv422_yuy2, which costs '
        'nothing; JPEGs become bgr8.',
        choices=('bgr8', NATIVE),
        at_configure=True,
    )
    video_decoder: str = param(
        'auto',
        'Who decodes H.264 and H.265 of file:// and rtsp://. auto has NVDEC do it, on the GPU '
        'that an engine of this process runs on, where PyNvVideoCodec and PyAV 17 are installed '
        "(else files by nvv4l2decoder of a Jetson's GStreamer); frames stay on the GPU, and come "
        'to the host only for who needs them there. gpu does so without an engine too, cpu '
        'never. What NVDEC does not decode, as 10-bit video, or what is to be rotated, is decoded '
        'on the CPU in any case, and the log says why.',
        choices=VIDEO_DECODERS,
        at_configure=True,
    )
    loop: bool = param(False, 'Restart a file, folder or bag at its end.', at_configure=True)
    wait_for_subscribers: int = _enough('How many nodes a file, folder or bag waits for.')
    recorded_stamps: bool = param(
        True,
        'Give images of a bag the stamps that they were recorded with; false stamps them when '
        'they are played, so that latency is known.',
    )
    frame_id: str = param(
        '',
        "Frame of the images in tf; empty for the one that a bag recorded, else the node's "
        'namespace and name, as rig_left for /rig/left/camera_node: camera_node is left out, and '
        'alone it is camera.',
        at_configure=True,
        other_names=('camera_frame_id',),
    )
    calibration: str = param(
        '',
        'YAML that camera_calibration wrote: a path, file:// or package://; empty for the '
        'camera_info that a bag recorded beside its images, else none.',
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


@dataclass(frozen=True)
class CameraParams(SourceParams):
    """Parameters of camera_node."""

    source: str = _source(
        'Where frames come from: v4l2:///dev/video0 or 0, csi://0, rtsp://host/path, '
        'file:///a.mp4, images:///folder, bag:///folder?topic=/camera/image_raw, '
        'gst://pipeline, scene://oranges; required.'
    )
    wait_for_subscribers: int = _enough(
        'A file, folder, bag, or scene with frames= starts once this many nodes subscribe to its '
        'images; seg_node and yolo_node do so when their engines are ready. With every_frame, '
        'only nodes that process every frame count, and no image is sent while there are fewer. '
        '0 starts at once.'
    )
    every_frame: bool = param(
        False,
        'Send the next image only when every node that runs with every_frame has finished the '
        'last one: no image is lost, whatever the rate. Images are then published reliable.',
        at_configure=True,
    )
    max_image_pixels: int = param(
        MAX_IMAGE_PIXELS,
        'Larger pictures of a folder are skipped, and larger videos, streams and sizes refused, '
        'before they take memory.',
        between=(1, MOST_IMAGE_PIXELS),
        at_configure=True,
    )


@dataclass(frozen=True)
class OwnSourceParams(SourceParams):
    """Parameters of a source that a node reads in its own process, instead of an image topic."""

    source: str = _source(
        'A camera, file or stream that this node reads itself, in its own process, as camera_node '
        'does in another: v4l2:///dev/video0 or 0, csi://0, rtsp://host/path, file:///a.mp4, '
        'images:///folder, bag:///folder?topic=/camera/image_raw, gst://pipeline, '
        'scene://oranges. Its images are on camera/image_raw while somebody subscribes. Empty for '
        'the images of the topic image.'
    )
    sources: tuple[str, ...] = param(
        (),
        'Several cameras that this node reads itself, in place of source, each with its name: '
        'front=v4l2:///dev/video0 has images and results under front. Other parameters of a '
        'source hold for each; ${NAME} in frame_id, calibration and calibration_output stands for '
        'the name.',
        at_configure=True,
        opens=True,
        secret=True,
        example="['front=v4l2:///dev/video0', 'rear=rtsp://host/path']",
    )
    wait_for_subscribers: int = _enough(
        'A file, folder, bag, or scene with frames= starts once this many nodes take its images, '
        'this one included. With every_frame, only nodes that process every frame count.'
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if len(self.sources) > MOST_CAMERAS:
            return f'sources has {len(self.sources)} cameras; at most {MOST_CAMERAS} are taken'
        return super().problem()
