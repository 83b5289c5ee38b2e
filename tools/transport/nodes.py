"""Our nodes as they are measured: networks of one operator, so that inference is no limit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.bringup import NodeProcess
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


def pictures(lab: Lab, width: int, height: int) -> str:
    """A source of two pictures of that size, which takes less time than to render a scene."""
    folder = lab.folder / 'pictures'
    folder.mkdir(exist_ok=True)
    scene = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    picture = cv2.resize(scene, (width, height), interpolation=cv2.INTER_CUBIC)
    for name, pixels in (('first', picture), ('second', 255 - picture)):
        cv2.imwrite(str(folder / f'{name}.bmp'), pixels)
    return f'images://{folder}'


def _camera() -> dict[str, str]:
    return {'image': CAMERA, 'image/compressed': f'{CAMERA}/compressed'}
