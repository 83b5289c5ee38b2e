"""Boxes that ONNX's NonMaxSuppression selected: rows of image, class and box of other outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted
from jetson_perception.tasks.detectors.box_layout import BoxLayout, Columns
from jetson_perception.tasks.detectors.decoding import decode_boxes
from jetson_perception.tasks.detectors.output import (
    are_corners,
    is_relative,
    listed,
    one,
    outputs_seen,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.detectors.output import Output
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform
    from jetson_perception.tasks.results import Detections


@dataclass(frozen=True, slots=True)
class SelectedLayout:
    """Indices of boxes, shape (n, 3), into boxes (1, A, 4) and scores (1, classes, A).

    Attributes
    ----------
    class_count : int
        Number of classes.
    indices, boxes, scores : int
        Indices of the outputs.
    box_format : str
        'xyxy', 'yxyx' or 'cxcywh'.
    relative : bool
        Whether coordinates are fractions of the network's input.
    """

    class_count: int
    indices: int
    boxes: int
    scores: int
    box_format: str
    relative: bool = False

    family: ClassVar[str] = 'selected'
    keypoint_count: ClassVar[int] = 0
    coefficient_count: ClassVar[int] = 0
    told_by: ClassVar[str] = 'rows of three indices, beside boxes and scores'
    usual: ClassVar[ModelInfo] = ModelInfo()
    padding: ClassVar[int] = 114


def recognize_selected(outputs: NetworkOutputs, info: ModelInfo) -> SelectedLayout | None:
    """The layout of selected boxes; None where outputs are none.

    Raises
    ------
    ParameterError
        When nothing says whether boxes are x, y or y, x: the suppression takes both.
    """
    if info.layout not in ('', 'selected') or info.task not in ('', 'detect'):
        return None
    seen = outputs_seen(outputs)
    if len(seen) != 3:
        return None
    indices = one([each for each in seen if each.is_integer and each.array.shape[-1:] == (3,)])
    floats = [each for each in seen if each.is_float and each.array.ndim == 3]
    boxes = one([each for each in floats if each.columns_a_row == 4])
    scores = one([each for each in floats if each is not boxes])
    if indices is None or boxes is None or scores is None:
        return None
    if scores.columns_a_row != boxes.rows:
        return None
    return SelectedLayout(
        scores.rows,
        indices.index,
        boxes.index,
        scores.index,
        info.box_format or _box_format(boxes, seen, info),
        is_relative(boxes.array),
    )


def _box_format(boxes: Output, seen: list[Output], info: ModelInfo) -> str:
    if not are_corners(boxes.array):
        return 'cxcywh'
    if boxes.name.startswith('yolonms_layer'):  # YOLOv3 of Keras
        return 'yxyx'
    raise ParameterError(
        f'{listed(seen)} of {info.path or "the model"} are boxes and what a suppression selected '
        "of them; set 'box_format': xyxy (left, top, right, bottom), yxyx (top, left, bottom, "
        'right), or cxcywh (center and size)',
        'box_format',
    )


def decode_selected(
    outputs: Sequence[NDArray[Any]],
    layout: SelectedLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Detections in pixels of the source image, best score first; see `decode_boxes`.

    Raises
    ------
    ModelError
        When an index is beyond the boxes or classes, or a value that counts is not finite.
    """
    indices = np.asarray(outputs[layout.indices]).reshape(-1, 3).astype(np.int64)
    indices = indices[(indices[:, 0] == 0) & (indices[:, 2] >= 0)]  # others fill up
    boxes, scores = outputs[layout.boxes][0], outputs[layout.scores][0]
    class_id, box = indices[:, 1], indices[:, 2]
    if len(indices) and (
        box.max() >= len(boxes) or not 0 <= class_id.min() <= class_id.max() < len(scores)
    ):
        raise selects_too_much(layout, len(boxes), len(scores))
    plain = BoxLayout(
        'suppressed',
        layout.class_count,
        Columns(0),
        Columns(1, count=0),
        Columns(2, count=0),
        corners=layout.box_format != 'cxcywh',
        rows_first=layout.box_format == 'yxyx',
        relative=layout.relative,
    )
    return decode_boxes([boxes[box], scores[class_id, box], class_id], plain, transform, options)


def selects_too_much(layout: SelectedLayout, box_count: int, class_count: int) -> ModelError:
    """The error for an index beyond the boxes or classes."""
    return ModelError(
        f'output {layout.indices} selects a box or class that the others do not have: '
        f'{counted(box_count, "box")}, {counted(class_count, "class")}; export the model again'
    )
