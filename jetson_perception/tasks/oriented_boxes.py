"""Oriented boxes of Ultralytics' OBB networks: turned about their center, and suppressed as such.

There are two layouts, both with center, size and angle in pixels of the network's input:

- (1, 4 + classes + 1, A), or transposed, of v8 and 11: box, scores, angle. Overlap is that of the
  normal distributions that have a box's mean and covariance (Llerena et al., Gaussian Bounding
  Boxes and Probabilistic Intersection-over-Union, 2021), and a box that was suppressed suppresses
  others all the same, as in their post-processing.
- (1, N, 7), of 26: box, score, class, angle, which need no suppression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted, quoted
from jetson_perception.tasks.cells import cell_counts
from jetson_perception.tasks.detection_options import MAX_CANDIDATES, thresholds_of
from jetson_perception.tasks.detectors.output import are_probabilities
from jetson_perception.tasks.finite import count_not_finite, require_finite
from jetson_perception.tasks.results import Detections, enclosing, have_area, stretched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform

_END_TO_END_VALUES = 7
_EPSILON = np.float32(1e-7)
_LEAST_SIZE, _FARTHEST = np.float32(1e-3), np.float32(1e5)
"""Pixels of the network's input; fourth powers of what is farther overflow in float32."""
_LEAST_ANGLE, _ANGLE_PER_SCORE = 0.1, 10
"""Half of the angles are above; half of the scores of a black image are nearly 0."""


@dataclass(frozen=True, slots=True)
class OrientedLayout:
    """How one output holds oriented boxes.

    Attributes
    ----------
    class_count : int
        Number of classes; 0 if unknown, which is possible with end-to-end outputs.
    end_to_end : bool
        Whether rows are box, score, class, angle; else they are box, scores, angle.
    channels_last : bool
        Whether it is (1, rows, values).
    """

    class_count: int
    end_to_end: bool
    channels_last: bool

    family: ClassVar[str] = 'oriented'
    keypoint_count: ClassVar[int] = 0
    coefficient_count: ClassVar[int] = 0
    told_by: ClassVar[str] = 'angles, which no scores can be, as the last value of each row'
    usual: ClassVar[ModelInfo] = ModelInfo()
    padding: ClassVar[int] = 114

    @property
    def value_count(self) -> int:
        """Values a row."""
        return _END_TO_END_VALUES if self.end_to_end else 5 + self.class_count


def recognize_oriented(outputs: NetworkOutputs, info: ModelInfo) -> OrientedLayout | None:
    """The layout of oriented boxes; None where outputs hold others.

    Without a task, the last value a row tells: a score is from 0 to 1, and an angle goes below
    and above.

    Raises
    ------
    ModelError
        When the task is 'obb', and the first output holds no such boxes.
    ParameterError
        When no task is named, and the last value a row may be an angle or the score of a class.
    """
    layout = _of_shape(outputs, info)
    if info.task == '' and info.layout == '' and layout is not None and len(outputs.arrays) == 1:
        return layout if _has_angles(layout, outputs, info) else None
    if info.task != 'obb':
        return None
    if layout is not None:
        return layout
    named = len(info.class_names)
    names = f' and {named} names' if named else ''
    raise ModelError(
        f'the task of {info.path or "the model"} is {quoted(info.task)}{names}, and its first '
        f'output is {outputs.dtype} {outputs.shapes[0]}; expected (1, 4 + classes + 1, anchors) '
        "or (1, n, 7): correct 'task' or 'class_names', or export the model again"
    )


def _of_shape(outputs: NetworkOutputs, info: ModelInfo) -> OrientedLayout | None:
    """The layout that the first output has if its boxes are oriented."""
    shape, named = outputs.shapes[0], len(info.class_names)
    if len(shape) != 3 or shape[0] != 1 or outputs.dtype.kind != 'f':
        return None
    counts = cell_counts(outputs.network_wh)
    if shape[2] == _END_TO_END_VALUES and shape[1] not in counts:
        return OrientedLayout(named, end_to_end=True, channels_last=True)
    for last in (False, True):
        values, rows = (shape[2], shape[1]) if last else (shape[1], shape[2])
        classes = values - 5
        if rows in counts and classes > 0 and named in (0, classes):
            return OrientedLayout(classes, end_to_end=False, channels_last=last)
    return None


def _has_angles(layout: OrientedLayout, outputs: NetworkOutputs, info: ModelInfo) -> bool:
    """Whether the values of a run are those of oriented boxes.

    Raises
    ------
    ParameterError
        When they are those of a detector as well.
    """
    tensor = outputs.arrays[0].astype(np.float32)
    rows = tensor[0] if layout.channels_last else tensor[0].T
    angles = rows[:, -1]
    if not len(rows) or not np.isfinite(rows).all() or not _are_angles(angles):
        return False
    if layout.end_to_end:
        ids = rows[:, 5]
        scored = are_probabilities(rows[:, 4]) and bool(rows[:, 4].any())
        return scored and bool(ids.min() >= 0 and (ids == ids.round()).all() and angles.any())
    scores = rows[:, 4:-1]
    if not are_probabilities(scores):
        return False
    if not are_probabilities(angles):
        return True
    if np.median(angles) < max(_LEAST_ANGLE, _ANGLE_PER_SCORE * np.median(scores.max(axis=1))):
        return False
    if info.class_names:  # as many as the classes beside an angle
        return True
    of_classes, one_more = (counted(layout.class_count + more, 'class') for more in (0, 1))
    raise ParameterError(
        f'the first output {outputs.shapes[0]} of {info.path or "the model"} has rows of '
        f"{of_classes} and an angle (set 'task' to obb) or of {one_more}, of which the last is "
        "likely everywhere (set 'task' to detect)",
        'task',
    )


def _are_angles(values: NDArray[np.float32]) -> bool:
    """Whether all may be angles: v8 and 11 limit them to -π/4 … 3π/4, 26 does not."""
    return bool(np.abs(values).max() <= 2 * np.pi)


def decode_oriented(
    outputs: Sequence[NDArray[Any]],
    layout: OrientedLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Oriented boxes in pixels of the source image, best score first.

    Their `xyxy` are the upright boxes around them, clipped to the image; those outside are
    dropped, and so are those of no size, or that reach 100,000 pixels, before they suppress
    others.

    Raises
    ------
    ModelError
        When the output has another shape, or the best score of a row, or another value of one
        that reaches its threshold, is NaN or infinite.
    """
    tensor = outputs[0]
    if tensor.ndim != 3 or tensor.shape[2 if layout.channels_last else 1] != layout.value_count:
        raise ModelError(
            f'output 0 is {tensor.shape}, without the {counted(layout.value_count, "value")} '
            'a row that it had when the model was loaded; load the model again'
        )
    rows = tensor[0] if layout.channels_last else tensor[0].T
    boxes, score, class_id = _likely(rows, layout, options)
    order = np.argsort(-score, kind='stable')
    if not layout.end_to_end:
        order = order[:MAX_CANDIDATES]
        order = order[_stay(boxes[order], class_id[order], options)]
    order = order[: options.max_detections]
    boxes, score, class_id = boxes[order], score[order], class_id[order]
    (width, height), (content_w, content_h) = transform.source_wh, transform.content_wh
    oriented = stretched(boxes, (width / content_w, height / content_h))
    oriented[:, :2] = transform.points_to_source(boxes[:, :2])
    limits = np.array(transform.source_wh * 2, np.float32)
    xyxy = np.clip(enclosing(oriented), np.float32(0), limits)
    found = Detections(xyxy, score, class_id, oriented=oriented)
    visible = have_area(xyxy)
    return found if visible.all() else found[visible]


def _likely(
    rows: NDArray[Any], layout: OrientedLayout, options: DetectionOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Box with angle, score and class of the rows that reach their threshold."""
    if layout.end_to_end:
        score, ids = rows[:, 4].astype(np.float32), rows[:, 5].astype(np.float32)
        require_finite('classes', count_not_finite(ids), len(ids), 'rows')
        class_id = ids.astype(np.int32)
    else:
        classes = rows[:, 4:-1]
        class_id = classes.argmax(axis=1).astype(np.int32)  # the first NaN, if there is one
        score = classes[np.arange(len(classes)), class_id].astype(np.float32)
    require_finite('scores', count_not_finite(score), len(score), 'rows')
    known = (class_id >= 0) & (class_id < (layout.class_count or np.iinfo(np.int32).max))
    reached = thresholds_of(options).reached(score, np.maximum(class_id, 0))
    chosen = np.flatnonzero(known & reached)
    boxes = rows[chosen][:, [0, 1, 2, 3, -1]].astype(np.float32)
    require_finite('boxes', count_not_finite(boxes), boxes.size, 'values')
    sizes = boxes[:, 2:4]
    are_boxes = (sizes >= _LEAST_SIZE).all(axis=1)
    are_boxes &= (np.abs(boxes[:, :4]) <= _FARTHEST).all(axis=1)
    chosen = chosen[are_boxes]
    return boxes[are_boxes], score[chosen], class_id[chosen]


def _stay(
    boxes: NDArray[np.float32], class_id: NDArray[np.int32], options: DetectionOptions
) -> NDArray[np.bool_]:
    """Which boxes no better one overlaps too much, of boxes whose best comes first."""
    overlaps: NDArray[np.bool_] = np.greater(overlap(boxes, boxes), options.iou_threshold)
    if not options.class_agnostic:
        overlaps &= class_id[:, None] == class_id
    return np.logical_not(np.triu(overlaps, 1).any(axis=0))


def overlap(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of oriented boxes as normal distributions, 0 to 1, shape (some, others).

    One minus the Hellinger distance, for boxes of center x and y, width, height and angle.
    """
    one, other = _covariances(some)[:, :, None], _covariances(others)[:, None, :]
    xx, yy, xy = one + other
    determinant = np.maximum(xx * yy - xy * xy, 0)  # rounding may take a thin box's below 0
    dx, dy = some[:, None, :2].transpose(2, 0, 1) - others[None, :, :2].transpose(2, 0, 1)
    shift = (yy * dx * dx + xx * dy * dy - 2 * xy * dx * dy) / (4 * (determinant + _EPSILON))
    areas = [np.maximum(each[0] * each[1] - each[2] * each[2], 0) for each in (one, other)]
    shape = determinant / (4 * np.sqrt(areas[0] * areas[1]) + _EPSILON) + _EPSILON
    distance = np.clip(shift + np.log(shape) / 2, _EPSILON, 100)
    return 1 - np.sqrt(1 - np.exp(-distance) + _EPSILON)


def _covariances(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Variance of x and of y, and covariance, of points all over each box; shape (3, n)."""
    along, across = np.square(boxes[:, 2]) / 12, np.square(boxes[:, 3]) / 12
    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    return np.stack(
        (
            along * cosine * cosine + across * sine * sine,
            along * sine * sine + across * cosine * cosine,
            (along - across) * cosine * sine,
        )
    )
