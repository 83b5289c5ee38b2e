"""Raw heads of YOLOv5 and YOLOv7: a map of five dimensions for each stride, before the sigmoid.

Their boxes are relative to anchors, which the outputs do not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.activations import sigmoid
from jetson_perception.tasks.detection_options import thresholds_of
from jetson_perception.tasks.finite import count_not_finite, require_finite
from jetson_perception.tasks.yolo import YoloLayout, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections

VALUES_BEFORE_CLASSES = 5
"""Of each row: a box, and its objectness."""
_YOLOV5 = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
_YOLOV7 = (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401)


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """Maps of (1, anchors, h, w, 5 + classes), the finest first.

    Attributes
    ----------
    class_count : int
        Number of classes.
    outputs : tuple of int
        Index of each level's output.
    anchors : tuple of tuples
        Width and height of each anchor of each level, pixels.
    """

    class_count: int
    outputs: tuple[int, ...]
    anchors: tuple[tuple[tuple[float, float], ...], ...]

    family: ClassVar[str] = 'anchors'
    keypoint_count: ClassVar[int] = 0
    coefficient_count: ClassVar[int] = 0
    told_by: ClassVar[str] = 'a map of five dimensions for each stride'
    usual: ClassVar[ModelInfo] = ModelInfo()
    padding: ClassVar[int] = 114


def recognize_heads(outputs: NetworkOutputs, info: ModelInfo) -> HeadLayout | None:
    """The layout of raw heads; None where outputs are none, or include decoded boxes.

    Raises
    ------
    ParameterError
        When their anchors are not set.
    """
    if info.layout not in ('', 'anchors') or info.task not in ('', 'detect'):
        return None
    shapes = outputs.shapes
    if len(shapes) not in (3, 4) or not all(
        len(shape) == 5 and shape[0] == 1 and shape[4] > VALUES_BEFORE_CLASSES for shape in shapes
    ):
        return None
    order = tuple(sorted(range(len(shapes)), key=lambda index: -shapes[index][2]))
    count, values = shapes[0][1], shapes[0][4]
    width, height = outputs.network_wh
    for level, index in enumerate(order):
        stride = stride_of(level)
        cells = (-(-height // stride), -(-width // stride))
        if shapes[index] != (1, count, *cells, values):
            return None
    numbers = iter(info.anchors)
    if len(info.anchors) != 2 * count * len(order):
        raise _without_anchors(info, 2 * count * len(order))
    pairs = [tuple((next(numbers), next(numbers)) for _ in range(count)) for _ in order]
    return HeadLayout(values - VALUES_BEFORE_CLASSES, order, tuple(pairs))


def stride_of(level: int) -> int:
    """Pixels a cell of a level, of which 0 is the finest."""
    return 8 << level


def _without_anchors(info: ModelInfo, expected: int) -> ParameterError:
    given = f'anchors has {len(info.anchors)} numbers' if info.anchors else 'it names none'
    known = f'{list(_YOLOV5)} (YOLOv5, YOLOv7-tiny) or {list(_YOLOV7)} (YOLOv7)'
    ways = f', such as {known}' if expected == len(_YOLOV5) else ''
    return ParameterError(
        f'{info.path or "the model"} gives raw heads, whose boxes are relative to anchors, and '
        f"{given}; set 'anchors' to width and height of each, {expected} numbers{ways}, or export "
        'it with its boxes decoded (YOLOv7: --grid)',
        'anchors',
    )


def decode_heads(
    outputs: Sequence[NDArray[Any]],
    layout: HeadLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Detections in pixels of the source image, best score first; see `tasks.yolo.decode`.

    Raises
    ------
    ModelError
        When an output has another shape, or an objectness, or a value of a box that is likely, is
        NaN or infinite.
    """
    # What `decode` would drop is not worth a sigmoid: no score exceeds its objectness.
    lowest = thresholds_of(options).lowest
    found = []
    for level, index in enumerate(layout.outputs):
        values = outputs[index]
        if values.ndim != 5 or values.shape[4] != VALUES_BEFORE_CLASSES + layout.class_count:
            raise ModelError(
                f'output {index} is {values.shape}, without the values that it had when the model '
                'was loaded; load the model again'
            )
        objectness = values[0, ..., 4].astype(np.float32)
        require_finite('scores', count_not_finite(objectness), objectness.size, 'anchors')
        anchor, row, column = np.nonzero(sigmoid(objectness) >= lowest)
        likely = values[0, anchor, row, column].astype(np.float32)
        require_finite('boxes', count_not_finite(likely), likely.size, 'values')
        likely = sigmoid(likely)
        place = np.stack((column, row), axis=1).astype(np.float32)
        sizes = np.array(layout.anchors[level], np.float32)[anchor]
        likely[:, :2] = (likely[:, :2] * 2 - np.float32(0.5) + place) * stride_of(level)
        likely[:, 2:4] = np.square(likely[:, 2:4] * 2) * sizes
        found.append(likely)
    rows = np.concatenate(found)
    plain = YoloLayout('objectness', layout.class_count, None, channels_last=True)
    return decode([rows[np.newaxis]], plain, transform, options)
