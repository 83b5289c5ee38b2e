"""The arguments of the launch files, and what is wrong with those that a user gives.

Nothing here imports launch or rclpy.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetson_perception.model_info import PRECISIONS, RUNTIMES
from jetson_perception.printable import printable
from jetson_perception.process.allocator import SYSTEM
from jetson_perception.recorded_topics import COMPRESSED, RECORDED_IMAGES
from jetson_perception.tracking.params import TRACKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PACKAGE = 'jetson_perception'


@dataclass(frozen=True, slots=True)
class Argument:
    """One launch argument.

    Attributes
    ----------
    name, default, description : str
        As `ros2 launch --show-args` prints them; an empty default leaves the value to the node's
        YAML file.
    choices : tuple of str
        The allowed values; empty for any.
    """

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


_COMMON = (
    Argument(
        'transport',
        'auto',
        'auto has our processes choose transports of Fast DDS and settings of the allocator with '
        'which no large image is lost; system leaves everything as it is.',
        ('auto', SYSTEM),
    ),
    Argument(
        'every_frame',
        '',
        'true: a file, folder, bag or scene waits until the node is done with each image, so that '
        'no image is lost.',
        ('', 'true', 'false'),
    ),
    Argument('use_sim_time', 'false', 'Use the time from /clock.', ('true', 'false')),
    Argument('rviz', 'false', 'Start rviz2 with a view of the images.', ('true', 'false')),
    Argument(
        'respawn',
        'false',
        'true: a node that ends, whatever the reason, is started again after respawn_delay.',
        ('true', 'false'),
    ),
    Argument('respawn_delay', '2.0', 'Seconds until a node that ended is started again.'),
    Argument(
        'record',
        '',
        'Folder that gets a recording of the results and images in MCAP, in a new folder named by '
        'the time.',
    ),
    Argument(
        'record_images',
        COMPRESSED,
        'What record takes of the images: as JPEG, raw, which is many times as much, or none.',
        RECORDED_IMAGES,
    ),
)
_CAMERA = (
    Argument(
        'source',
        '',
        'Camera, file or stream to open: v4l2:///dev/video0, csi://0, rtsp://host/path, '
        'file:///a.mp4, images:///folder, bag:///folder?topic=/camera/image_raw, gst://pipeline, '
        'scene://oranges. A rendered scene if this is empty and no file sets it.',
    ),
    Argument('width', '', 'Width to request from the source, pixels.'),
    Argument('height', '', 'Height to request from the source, pixels.'),
    Argument('frame_rate', '', 'Frames per second to request from the source.'),
    Argument('pixel_format', '', 'Four-letter code of a v4l2 format, such as MJPG.'),
    Argument('loop', '', 'Restart a file, folder or bag at its end.', ('', 'true', 'false')),
    Argument(
        'wait_for_subscribers',
        '',
        'Number of subscribers that a file, folder, bag or scene with frames= waits for.',
    ),
    Argument('calibration', '', 'YAML file written by camera_calibration.'),
    Argument(
        'calibration_output',
        '',
        'YAML file that the service set_camera_info writes, read instead of calibration once it '
        'is there.',
    ),
    Argument(
        'recorded_stamps',
        '',
        'true: images of a bag have the stamps that were recorded; false: the time of playing.',
        ('', 'true', 'false'),
    ),
    Argument(
        'frame_id',
        '',
        "Frame of the images in tf; if this is empty and no file sets it, a bag's own, else the "
        "camera's namespace and name, as rig_left for /rig/left/camera_node.",
    ),
    Argument(
        'camera_params_file',
        '',
        'YAML file for camera_node; if empty, a params_file that names the camera or sets source, '
        'otherwise config/camera_node.yaml.',
    ),
    Argument('camera_name', 'camera_node', 'Name of the camera node.'),
    Argument(
        'camera_namespace',
        '',
        'Namespace of the camera node and its topics; / for none. If it is empty, camera, in the '
        'namespace of the other node if there is one: seg/camera, yolo/camera.',
    ),
)
_PERCEPTION = (
    Argument(
        'image',
        '',
        'Image topic of a camera that is already running, raw or compressed; not together with '
        'source. If it is empty, camera_node is started.',
    ),
    Argument(
        'in_process',
        'false',
        'true: the node reads the source itself, which saves the way of each image from process '
        'to process, and no camera_node is started; topics have the same names. So it is too '
        'where params_file sets source under the name of the node.',
        ('true', 'false'),
    ),
    Argument(
        'image_topics',
        '',
        'Image topics of several cameras that are already running, separated by commas, in place '
        'of image; the results of /front/image_raw are published under /front.',
    ),
    Argument(
        'sources',
        '',
        'Several cameras that the node reads itself, with their names, separated by commas: '
        'front=v4l2:///dev/video0,rear=rtsp://host/path; images and results of each are below its '
        'name.',
    ),
    Argument(
        'image_transport',
        '',
        'raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage; ffmpeg: video of '
        'ffmpeg_image_transport; foxglove: foxglove_msgs/CompressedVideo.',
        ('', 'raw', 'compressed', 'ffmpeg', 'foxglove'),
    ),
    Argument(
        'runtime',
        '',
        'Library that runs the model; auto takes the fastest one installed.',
        ('', *RUNTIMES),
    ),
    Argument(
        'autostart',
        'true',
        'Configure and activate the node at start; false leaves both steps to a lifecycle '
        'manager. A camera_node that is started beside it comes up by itself.',
        ('true', 'false'),
    ),
    Argument(
        'view',
        'false',
        'Start the live view: a page of all results at http://127.0.0.1:8080 (view_port).',
        ('true', 'false'),
    ),
    Argument('view_port', '8080', 'Port of the live view.'),
    Argument(
        'view_recordings',
        '',
        'Folder that the button of the live view records to; nothing can be recorded if empty.',
    ),
)

_DEPTH = (
    Argument(
        'depth_image',
        '',
        'Depth images registered to the images, raw or compressedDepth: objects are published in '
        'space too, on <engine>/detections_3d. For several cameras, a topic for each in the order '
        'of image_topics, separated by commas.',
    ),
    Argument(
        'camera_info',
        '',
        'Calibration of the images, for depth_image; if it is empty, camera_info in the namespace '
        'of the image topic. For several cameras as depth_image.',
    ),
    Argument(
        'target_frame',
        '',
        'Frame of tf that objects in space are published in; if it is empty, that of the camera.',
    ),
)
_PRECISION = Argument(
    'precision',
    '',
    'Number type that TensorRT builds the engine for, and that ONNX Runtime computes in on CUDA.',
    ('', *PRECISIONS),
)
_TRACKER = Argument(
    'tracker',
    '',
    'What gives objects ids that they keep from frame to frame, and draws their ways.',
    ('', *TRACKERS),
)
_SCORE_THRESHOLD = Argument('score_threshold', '', 'Results that score less are dropped; 0 to 1.')

CAMERA_ARGUMENTS = (
    Argument(
        'params_file',
        '',
        'YAML file with parameters of camera_node; camera_params_file is the same, under the name '
        'that it has in the other launch files.',
    ),
    *_CAMERA,
    *_COMMON,
)
SEG_ARGUMENTS = (
    Argument(
        'model',
        '',
        'ONNX file, or name of a model that comes with the package. If this and params_file are '
        'empty, the model for scene://oranges.',
    ),
    Argument('params_file', '', 'YAML file for seg_node; config/seg_node.yaml if empty.'),
    Argument('name', 'seg_node', 'Name of the node.'),
    Argument('namespace', 'seg', 'Namespace of the node and its topics.'),
    _PRECISION,
    *_PERCEPTION,
    *_CAMERA,
    *_COMMON,
)
YOLO_ARGUMENTS = (
    Argument(
        'model',
        '',
        'ONNX file for one engine; use params_file for several. If both are empty, the '
        "package's detector and pose model run on scene://people.",
    ),
    Argument('engine_name', 'det', 'Name of the engine of model, which its topics begin with.'),
    Argument('params_file', '', 'YAML file for yolo_node; config/yolo_node.yaml if empty.'),
    Argument('name', 'yolo_node', 'Name of the node.'),
    Argument('namespace', 'yolo', 'Namespace of the node and its topics.'),
    _PRECISION,
    _SCORE_THRESHOLD,
    _TRACKER,
    *_PERCEPTION,
    *_DEPTH,
    *_CAMERA,
    *_COMMON,
)
CONCURRENT_ARGUMENTS = (
    Argument(
        'detect_model',
        '',
        'ONNX file of a detector, for the engine det in FP16; needs detect_int8_model, too.',
    ),
    Argument(
        'detect_int8_model',
        '',
        'The same detector quantized, for det_int8; jetson-perception quantize makes it.',
    ),
    Argument(
        'pose_model',
        '',
        'ONNX file of a pose model, for the engine pose in FP16; needs pose_int8_model, too.',
    ),
    Argument('pose_int8_model', '', 'The same pose model quantized, for pose_int8.'),
    Argument(
        'params_file',
        '',
        'YAML file for yolo_node with these engines; config/concurrent.yaml if empty.',
    ),
    Argument('name', 'yolo_node', 'Name of the node.'),
    Argument('namespace', 'yolo', 'Namespace of the node and its topics.'),
    _SCORE_THRESHOLD,
    _TRACKER,
    *_PERCEPTION,
    *_DEPTH,
    *_CAMERA,
    *_COMMON,
)


OF_LAUNCH = frozenset(
    ('launch-prefix', 'launch-prefix-filter', 'emulate_tty', 'sigterm_timeout', 'sigkill_timeout')
)
"""Arguments that every launch file takes, as launch itself reads them."""

_OTHER_WORDS = {
    'camera_frame_id': 'frame_id',
    'camera_info_topic': 'camera_info',
    'camera_info_url': 'calibration',
    'compressed': 'image_transport',
    'conf': 'score_threshold',
    'confidence': 'score_threshold',
    'depth': 'depth_image',
    'depth_image_topic': 'depth_image',
    'depth_topic': 'depth_image',
    'device': 'source',
    'fps': 'frame_rate',
    'cameras': 'image_topics',
    'image_topic': 'image',
    'images': 'image_topics',
    'image_height': 'height',
    'image_width': 'width',
    'input': 'source',
    'input_topic': 'image',
    'name': 'camera_name',
    'namespace': 'camera_namespace',
    'params': 'params_file',
    'rate': 'frame_rate',
    'threshold': 'score_threshold',
    'topic': 'image',
    'url': 'source',
    'video': 'source',
    'video_device': 'source',
    'weights': 'model',
}
"""What others call an argument."""


def defaults(arguments: Sequence[Argument], **values: str) -> dict[str, str]:
    """Values of a launch file's arguments: those given, and defaults for the others.

    Raises
    ------
    KeyError
        For a name that is not an argument.
    """
    known = {argument.name: argument.default for argument in arguments}
    for name in values:
        if name not in known:
            raise KeyError(f'{name} is not a launch argument; expected one of {", ".join(known)}')
    return known | values


def unknown_argument_problem(
    file: str,
    given: Collection[str],
    arguments: Sequence[Argument],
    parameters: Mapping[str, Collection[str]],
) -> str:
    """What to tell who gives a launch file arguments that it does not have; '' if it has all.

    Parameters
    ----------
    file : str
        Name of the launch file.
    given : collection of str
        Names of the arguments that it was given.
    arguments : sequence of Argument
        Those that it has.
    parameters : mapping of str to collection of str
        Names of the parameters of each node that it starts.
    """
    known = [argument.name for argument in arguments]
    unknown = [name for name in given if name not in known and name not in OF_LAUNCH]
    if not unknown:
        return ''
    hints = (_of_node(name, parameters) or _with_hint(name, known) for name in unknown)
    return (
        f'{file} has no launch argument {", ".join(hints)}; '
        f'`ros2 launch {PACKAGE} {file} --show-args` lists those that it has'
    )


def _of_node(name: str, parameters: Mapping[str, Collection[str]]) -> str:
    """A name that is a parameter of nodes, with where to put it; '' for others."""
    nodes = [node for node, names in parameters.items() if name.rpartition('.')[2] in names]
    if not nodes:
        return ''
    file = 'camera_params_file' if nodes == ['camera_node'] else 'params_file'
    return (
        f'{printable(name, 60)} (it is a parameter of {" and ".join(nodes)}: put it into a YAML '
        f'file, {file}:=)'
    )


def _with_hint(name: str, known: Sequence[str]) -> str:
    """An unknown name, with the known one that was probably meant."""
    plain = name.lower().replace('-', '_')
    close = difflib.get_close_matches(plain, known, n=1)
    # What others call a thing that this launch file has not is like no other argument either.
    meant = [_OTHER_WORDS[plain]] if plain in _OTHER_WORDS else close
    meant = [one for one in meant if one in known]
    return printable(name, 60) + (f' (did you mean {meant[0]}:=?)' if meant else '')
