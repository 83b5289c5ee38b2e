"""Our nodes as they are measured: networks of one operator, so that inference is no limit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.bringup import NodeProcess
from jetson_perception.camera.opening import open_source
from jetson_perception.camera.pace import Pace
from transport.lab import CAMERA, launched

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'test'))

from onnx_models import color_segmentation, detector  # noqa: E402

if TYPE_CHECKING:
    from transport.lab import Lab

ANSWERS = '/det/detections'
MASKS = '/mask'
ALL_MASKS = f'{MASKS}:sensor_msgs/Image:reliable:50'
STATS = '/det/stats'
CAMERA_INFO = '/camera/camera_info'
DETECTIONS = f'{ANSWERS}:vision_msgs/Detection2DArray:reliable:50'
#: What stands for a camera.
SCENE = {'source': 'scene://oranges', 'width': 1280, 'height': 720, 'frame_rate': 30.0}
#: Of the scene, for a camera that plays them.
_FRAMES = 4
#: camera_node publishes one with each image.
SENT_BY_CAMERA_NODE = f'{CAMERA_INFO}:sensor_msgs/CameraInfo:best_effort:50'


def yolo_node(lab: Lab, *, from_launch: bool = True, **parameters: Any) -> NodeProcess:
    """A yolo_node with one detector of 640×640; its environment is as our launch files set it."""
    model = str(detector(lab.folder / 'detector.onnx'))
    return NodeProcess(
        'yolo_node',
        parameters={'engines': ['det'], 'det.model': model, 'det.threads': 1, **parameters},
        remappings={} if 'source' in parameters else _camera(),
        environment=launched() if from_launch else {},
    )


def seg_node(lab: Lab, *, from_launch: bool = True, **parameters: Any) -> NodeProcess:
    """A seg_node, likewise."""
    model = str(color_segmentation(lab.folder / 'segmentation.onnx'))
    return NodeProcess(
        'seg_node',
        parameters={'model': model, 'threads': 1, **parameters},
        remappings=_camera(),
        environment=launched() if from_launch else {},
    )


def camera_node(*, from_launch: bool = True, **parameters: Any) -> NodeProcess:
    """A camera_node; of a rendered scene of 1280×720 at 30 Hz, unless parameters say otherwise."""
    return NodeProcess(
        'camera_node',
        namespace='camera',
        parameters=SCENE | parameters,
        environment=launched() if from_launch else {},
    )


def rendered_beforehand(lab: Lab, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Parameters of a camera_node that plays frames of the scene, which costs next to nothing.

    To render them takes a sixth of a core at 1280×720 and 30 Hz, which nodes are short of then.
    """
    folder = lab.folder / 'frames'
    folder.mkdir(exist_ok=True)
    source = open_source(SCENE['source'], size_wh=size_wh, pace=Pace.OFFLINE)
    source.open()
    try:
        for number in range(_FRAMES):
            # As BMP, which is read the fastest.
            cv2.imwrite(str(folder / f'{number}.bmp'), source.read().pixels)
    finally:
        source.close()
    # Pictures are scaled to a width and height, where there is one.
    return {'source': f'images://{folder}', 'loop': True, 'width': 0, 'height': 0}


def _camera() -> dict[str, str]:
    return {'image': CAMERA, 'image/compressed': f'{CAMERA}/compressed'}
