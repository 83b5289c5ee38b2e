"""What the output tensors of YOLO networks mean: recognize the layout, decode the detections.

There are three families:

``objectness``
    YOLOv5, v7: (1, A, 5 + classes), three anchors per cell; the score is objectness × class.
``anchor_free``
    YOLOv8, 11, 12, and YOLO26 without its end-to-end head: (1, 4 + classes + keypoints, A), one
    anchor per cell.
``end_to_end``
    YOLOv10, YOLO26, and exports with built-in NMS: (1, N, 6 + keypoints), rows of left, top,
    right, bottom, score, class, which need no suppression.

Boxes of the first two are center x, center y, width, height. All coordinates are pixels of the
network's input. Instance segmentation networks have mask coefficients in place of keypoints, and
a second output with the mask prototypes, (1, coefficients, height / 4, width / 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted, quoted
from jetson_perception.tasks.cells import cell_counts
from jetson_perception.tasks.detection_options import (
    MAX_CANDIDATES,
    DetectionOptions,
    thresholds_of,
)
from jetson_perception.tasks.finite import all_finite, count_not_finite, not_finite, require_finite
from jetson_perception.tasks.instance_masks import instance_ids
from jetson_perception.tasks.nms import class_aware_nms
from jetson_perception.tasks.other_networks import boxes_apart
from jetson_perception.tasks.results import Detections, have_area

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from jetson_perception.tasks.preprocess import ImageTransform

FAMILIES: tuple[str, ...] = ('objectness', 'anchor_free', 'end_to_end')
"""Values of `YoloLayout.family`, and of the parameter `layout`."""

_VALUES_BEFORE_CLASSES = {'objectness': 5, 'anchor_free': 4, 'end_to_end': 6}
#: Classes that are tried for poses; a file may claim any number of values.
_MOST_POSE_CLASSES = 10_000
_COCO_POSE_VALUES = 80 + 17 * 3
_TOLD_BY = {
    'objectness': 'three rows a cell',
    'anchor_free': 'one row a cell, and the number of its values',
    'end_to_end': 'rows of corners, score and class, in pixels',
}
_ANCHORS_A_CELL = {'objectness': 3, 'anchor_free': 1}
_MAX_END_TO_END_SIDE = 1000
_PROTOTYPE_STRIDE = 4
_ROUNDING = 0.01  # how far FP16 and INT8 may push scores outside 0 to 1


@dataclass(frozen=True, slots=True)
class YoloLayout:
    """How one output tensor holds boxes.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    class_count : int
        Number of classes; 0 if unknown, which is possible with end-to-end outputs.
    keypoint_shape : tuple of int or None
        Keypoints per object, and values per keypoint: 2 (x, y) or 3 (x, y, score).
    channels_last : bool
        True for (1, anchors, values), False for (1, values, anchors).
    output : int
        Index of the tensor among the model's outputs.
    coefficient_count : int
        Mask coefficients per object; 0 for a model without masks.
    prototypes : int
        Index of the mask prototypes among the outputs, if there are coefficients.
    """

    family: str
    class_count: int
    keypoint_shape: tuple[int, int] | None
    channels_last: bool
    output: int = 0
    coefficient_count: int = 0
    prototypes: int = 0

    usual: ClassVar[ModelInfo] = ModelInfo()
    padding: ClassVar[int] = 114

    @property
    def told_by(self) -> str:
        """What the family is told by where nothing names it, for people."""
        return _TOLD_BY[self.family]

    @property
    def keypoint_count(self) -> int:
        """Keypoints per object; 0 for a model without keypoints."""
        return self.keypoint_shape[0] if self.keypoint_shape else 0

    @property
    def value_count(self) -> int:
        """Values per anchor."""
        classes = 0 if self.family == 'end_to_end' else self.class_count
        points, depth = self.keypoint_shape or (0, 0)
        values = _VALUES_BEFORE_CLASSES[self.family] + classes + points * depth
        return values + self.coefficient_count


def recognize_layout(
    output_shapes: Sequence[tuple[int, ...]], info: ModelInfo, network_wh: tuple[int, int]
) -> YoloLayout:
    """The layout that the shapes and the model's metadata agree on.

    Parameters
    ----------
    output_shapes : sequence of tuple of int
        The shapes that a run gave, of all outputs.
    info : ModelInfo
        `task`, `class_names`, `keypoint_shape` and `layout` are used; empty ones are inferred.
    network_wh : tuple of int
        Width and height of the network's input, pixels; determines the number of anchors.

    Raises
    ------
    ModelError
        When no output is one of a YOLO detector, or the metadata contradicts the shapes.
    ParameterError
        When the shapes are ambiguous; the error names the parameter that decides.
    """
    _check_info(info)
    name = info.path or 'the model'
    _refuse_other_networks(output_shapes, info, network_wh)
    layouts = _readings(output_shapes, info, network_wh)
    if not layouts:
        raise _no_reading(name, output_shapes, info, network_wh)
    if len(layouts) > 1:
        raise _ambiguous(name, output_shapes, layouts)
    return layouts[0]


def require_scores(outputs: Sequence[NDArray[Any]], layout: YoloLayout, info: ModelInfo) -> None:
    """Refuse outputs whose scores are none, though their shapes are those of the layout.

    Parameters
    ----------
    outputs : sequence of ndarray
        What a run gave.
    layout : YoloLayout
        From `recognize_layout`.
    info : ModelInfo
        Whoever says `layout` is believed.

    Raises
    ------
    ModelError
        When values that the layout takes for scores are below 0 or above 1.
    """
    if info.layout:
        return
    tensor = outputs[layout.output][0]
    rows = tensor if layout.channels_last else tensor.T
    last = _VALUES_BEFORE_CLASSES[layout.family]
    if layout.family != 'end_to_end':
        last += layout.class_count
    scores = rows[:, 4 : 5 if layout.family == 'end_to_end' else last]
    scores = scores[np.isfinite(scores)]
    if layout.family == 'end_to_end':
        scores = scores[scores != -1]  # of rows that are not used
    if scores.size and (scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING):
        raise ModelError(
            f'output {outputs[layout.output].shape} of {info.path or "the model"} has the shape '
            f'of {_described([layout])}, but its scores are from {scores.min():.3g} to '
            f'{scores.max():.3g}, not from 0 to 1; export it with its decoding, or set '
            f"'layout' to {layout.family} if scores may be so"
        )


def decode(
    outputs: Sequence[NDArray[Any]],
    layout: YoloLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Detections in pixels of the source image, best score first.

    Parameters
    ----------
    outputs : sequence of ndarray
        The model's outputs for one image, float32 or float16.
    layout : YoloLayout
        From `recognize_layout`.
    transform : ImageTransform
        From the preprocessing of this image.
    options : DetectionOptions
        Thresholds.

    Returns
    -------
    Detections
        Boxes are clipped to the image, and dropped if outside; all keypoints are returned, those
        outside at its edge, as Ultralytics does. If nothing is found, a model with keypoints gives
        an empty keypoint array, and one with masks `instance_ids` of zeros. Everything is finite.

    Raises
    ------
    ModelError
        When the output does not have the layout's shape; when the best score or the objectness of
        an anchor, or the score of a row, is NaN or infinite; when any other value is, of a box
        that reaches its threshold; or when a mask prototype is, and there is a box to mask.
    """
    tensor = outputs[layout.output]
    if tensor.ndim != 3 or tensor.shape[2 if layout.channels_last else 1] != layout.value_count:
        raise ModelError(
            f'output {layout.output} is {tensor.shape}, not (1, …) with {layout.value_count} '
            'values per anchor as when the model was loaded; load the model again'
        )
    prototypes = outputs[layout.prototypes] if layout.coefficient_count else None
    if prototypes is not None and (
        prototypes.ndim != 4 or prototypes.shape[1] != layout.coefficient_count
    ):
        raise ModelError(
            f'output {layout.prototypes} is {prototypes.shape}, not (1, '
            f'{layout.coefficient_count}, …) mask prototypes as when the model was loaded; load '
            'the model again'
        )
    rows = tensor[0] if layout.channels_last else tensor[0].T
    with np.errstate(over='ignore', invalid='ignore'):  # checked below
        if layout.family == 'end_to_end':
            xyxy, score, class_id, values = _read_end_to_end(rows, layout, options)
        else:
            xyxy, score, class_id, values = _read_anchors(rows, layout, options)
        xyxy = transform.boxes_to_source(xyxy)
        points = _keypoints(values, layout, transform)
    found = Detections(xyxy, score, class_id, points)
    visible = have_area(xyxy)
    if not visible.all():
        found, values = found[visible], values[visible]
    if found.keypoints is not None and not all_finite(found.keypoints):
        bad = ~np.isfinite(found.keypoints).all(axis=-1)
        require_finite('keypoints', int(np.count_nonzero(bad)), bad.size, 'keypoints')
    if found.keypoints is not None:
        points = found.keypoints[..., :2]
        np.clip(points, np.float32(0), np.array(transform.source_wh, np.float32), out=points)
    if prototypes is None:
        return found
    if not all_finite(values):
        require_finite('mask coefficients', count_not_finite(values), values.size, 'values')
    if len(found) and not all_finite(prototypes):
        raise not_finite('mask prototypes')
    ids = instance_ids(prototypes[0], values, found.xyxy, transform)
    return replace(found, instance_ids=ids)


def _read_end_to_end(
    rows: NDArray[Any], layout: YoloLayout, options: DetectionOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    values = rows.astype(np.float32)
    row_count = len(values)
    require_finite('scores', count_not_finite(values[:, 4]), row_count, 'rows')
    thresholds = thresholds_of(options)
    values = values[values[:, 4] >= thresholds.lowest]
    classes = values[:, 5]
    known = (classes >= 0) & (classes < (layout.class_count or np.iinfo(np.int32).max))
    known |= ~np.isfinite(classes)
    values = values[known]
    if thresholds.table is not None:
        number = np.isfinite(values[:, 5])
        ids = np.where(number, values[:, 5], 0).astype(np.int32)
        values = values[thresholds.reached(values[:, 4], ids) | ~number]
    if not all_finite(values[:, :6]):
        bad = ~np.isfinite(values[:, :6]).all(axis=1)
        require_finite('boxes or classes', int(np.count_nonzero(bad)), row_count, 'rows')
    values = values[np.argsort(-values[:, 4], kind='stable')[: options.max_detections]]
    return values[:, :4], values[:, 4].copy(), values[:, 5].astype(np.int32), values[:, 6:]


def _read_anchors(
    rows: NDArray[Any], layout: YoloLayout, options: DetectionOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    first = _VALUES_BEFORE_CLASSES[layout.family]
    last = first + layout.class_count
    thresholds = thresholds_of(options)
    if layout.family == 'objectness':
        # The product with a class score cannot exceed the objectness.
        is_likely = _at_least(rows[:, 4], thresholds.lowest)
        bad = ~np.isfinite(rows[:, 4])
    else:
        best = _best_class_score(rows, first, last)
        is_likely = _at_least(best, thresholds.lowest)
        bad = ~np.isfinite(best)
    likely = np.flatnonzero(is_likely)
    values = rows[likely].astype(np.float32)

    class_id = values[:, first:last].argmax(axis=1).astype(np.int32)
    score = values[np.arange(len(values)), first + class_id]
    if layout.family == 'objectness':
        bad[likely] |= ~np.isfinite(score)  # argmax finds the first NaN
        score = score * values[:, 4]
    require_finite('scores', int(np.count_nonzero(bad)), len(bad), 'anchors')
    half = values[:, 2:4] * np.float32(0.5)
    xyxy = np.concatenate((values[:, :2] - half, values[:, :2] + half), axis=1)

    chosen = np.flatnonzero(thresholds.reached(score, class_id))
    boxes = xyxy[chosen]
    if not (all_finite(boxes) and all_finite(score[chosen])):
        bad = ~(np.isfinite(boxes).all(axis=1) & np.isfinite(score[chosen]))
        require_finite('boxes', int(np.count_nonzero(bad)), len(rows), 'anchors')
    if len(chosen) > MAX_CANDIDATES:
        best = np.argsort(-score[chosen], kind='stable')[:MAX_CANDIDATES]
        chosen = chosen[np.sort(best)]
    if len(chosen) < len(score):
        xyxy, score, class_id, values = (a[chosen] for a in (xyxy, score, class_id, values))
    kept = class_aware_nms(
        xyxy,
        score,
        class_id,
        options.iou_threshold,
        options.max_detections,
        class_agnostic=options.class_agnostic,
    )
    return xyxy[kept], score[kept], class_id[kept], values[kept, last:]


def _best_class_score(rows: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    """Best class score of each anchor, NaN where one is NaN; shape (anchors,)."""
    # The bits of positive float16 numbers have the same order as the numbers, and NumPy compares
    # integers many times faster.
    half = rows.dtype == np.float16
    bits = rows.view(np.uint16) if half else rows
    if bits.size and bits.flags.c_contiguous:
        # A maximum along the long axis is vectorized; transposing first is worth it.
        bits = cv2.transpose(bits).T
    best = bits[:, first:last].max(axis=1)
    if not half:
        return best
    # As bits, negative values and negative NaNs rank above all others, so compare them again.
    scores: NDArray[Any] = best.view(np.float16)
    again = np.flatnonzero(best > 0x7FFF)
    if len(again):
        scores[again] = rows[again, first:last].astype(np.float32).max(axis=1)
    return scores


def _at_least(scores: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Where scores reach the threshold, and perhaps where they are just below it."""
    if scores.dtype == np.float16:
        scores = scores.view(np.int16)
        # One step lower, in case float16 rounded up: the decoder compares again in float32.
        return scores >= np.float16(threshold).view(np.int16) - 1
    return scores >= np.float32(threshold)


def _keypoints(
    values: NDArray[np.float32], layout: YoloLayout, transform: ImageTransform
) -> NDArray[np.float32] | None:
    if layout.keypoint_shape is None:
        return None
    count, depth = layout.keypoint_shape
    raw = values.reshape(-1, count, depth)
    points = np.ones((len(raw), count, 3), np.float32)
    points[..., :2] = transform.points_to_source(raw[..., :2])
    if depth == 3:
        points[..., 2] = raw[..., 2]
    return points


def _check_info(info: ModelInfo) -> None:
    if info.layout and info.layout not in FAMILIES:
        raise ParameterError(
            f'layout is {quoted(info.layout)}; choose one of {", ".join(FAMILIES)}', 'layout'
        )
    if info.task not in ('', 'detect', 'pose', 'segment'):
        raise ModelError(
            f'the task of {info.path or "the model"} is {quoted(info.task)}; detect, pose and '
            "segment models can be decoded here: take another model, or correct 'task'"
        )
    if info.task == 'pose' and info.layout == 'objectness':
        raise ModelError(
            "task 'pose' and layout 'objectness' do not go together; poses of YOLOv8, 11 and 26 "
            'are supported'
        )
    shape = info.keypoint_shape
    if shape is not None and (len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3)):
        raise ParameterError(
            f'keypoint_shape is {shape}; give the number of keypoints and of values per keypoint, '
            '2 (x, y) or 3 (x, y, score), such as 17, 3',
            'keypoint_shape',
        )


def _refuse_other_networks(
    shapes: Sequence[tuple[int, ...]], info: ModelInfo, network_wh: tuple[int, int]
) -> None:
    """Refuse, by name, common exports that cannot be decoded here."""
    name = info.path or 'the model'
    if info.task == 'segment' and not _prototypes(shapes, network_wh):
        grid = f'{network_wh[1] // _PROTOTYPE_STRIDE}, {network_wh[0] // _PROTOTYPE_STRIDE}'
        raise ModelError(
            f"the task of {name} is 'segment', but none of its outputs {_listed(shapes)} holds "
            f'mask prototypes, (1, n, {grid}); export it with both outputs, or correct '
            "'task'"
        )
    if any(len(shape) == 2 and shape[1] == 7 for shape in shapes):
        raise ModelError(
            f'{name} gives (n, 7) rows, outputs {_listed(shapes)}, as YOLOv7 exports with NMS '
            'do; export it without --end2end and --include-nms'
        )
    if len(shapes) >= 4 and any(shape[2:] == (4,) for shape in shapes):
        raise ModelError(
            f'{name} has the outputs of a suppression plugin, {_listed(shapes)}; export it '
            'without EfficientNMS (no --end2end)'
        )
    if boxes_apart(shapes):
        raise ModelError(
            f'{name} gives boxes of anchors apart from their scores, {_listed(shapes)}, as '
            'YOLOv4 does, which nothing here reads yet'
        )
    batches = sorted({shape[0] for shape in shapes if len(shape) == 3 and shape[0] != 1})
    if batches:
        raise ModelError(
            f'{name} gives results for a batch of {batches[0]}, outputs {_listed(shapes)}; export '
            'it with a batch of 1 or a dynamic batch'
        )


def _readings(
    shapes: Sequence[tuple[int, ...]], info: ModelInfo, network_wh: tuple[int, int]
) -> list[YoloLayout]:
    """Every layout that the shapes allow and the metadata does not exclude."""
    if info.task != 'segment' and info.keypoint_shape is None:
        # With prototypes, the values after the classes are mask coefficients. Another task
        # contradicts that.
        with_masks = _readings(shapes, replace(info, task='segment'), network_wh)
        if with_masks:
            return with_masks if info.task == '' else []
    prototypes = _prototypes(shapes, network_wh) if info.task == 'segment' else [(0, 0)]
    families = (info.layout,) if info.layout else FAMILIES
    return [
        YoloLayout(
            family, class_count, keypoint_shape, channels_last, index, coefficients, prototype
        )
        for prototype, coefficients in prototypes
        for index, shape in enumerate(shapes)
        if len(shape) == 3 and shape[0] == 1
        for family in families
        for channels_last in (False, True)
        if _anchors_fit(family, shape, channels_last, bool(info.layout), network_wh)
        for class_count, keypoint_shape in _contents(
            family,
            shape[2 if channels_last else 1] - _VALUES_BEFORE_CLASSES[family] - coefficients,
            info,
        )
    ]


def _prototypes(
    shapes: Sequence[tuple[int, ...]], network_wh: tuple[int, int]
) -> list[tuple[int, int]]:
    """Index and channels of each output that has the shape of mask prototypes."""
    grid = (network_wh[1] // _PROTOTYPE_STRIDE, network_wh[0] // _PROTOTYPE_STRIDE)
    return [
        (index, shape[1])
        for index, shape in enumerate(shapes)
        if len(shape) == 4 and shape[0] == 1 and shape[2:] == grid
    ]


def _anchors_fit(
    family: str,
    shape: tuple[int, ...],
    channels_last: bool,
    family_is_given: bool,
    network_wh: tuple[int, int],
) -> bool:
    """Whether this axis of the shape can be the family's anchors."""
    values, anchors = (shape[2], shape[1]) if channels_last else (shape[1], shape[2])
    cells = cell_counts(network_wh)
    counts = {(count * n, n) for count in cells for n in _ANCHORS_A_CELL.values()}
    if (anchors, _ANCHORS_A_CELL.get(family)) in counts:
        return True
    if any(count in shape for count, _ in counts):
        return False
    # No axis has a known number of anchors: these are rows of an end-to-end head, or the network
    # has other strides, and then only the setting says which family it is.
    if family == 'end_to_end':
        return channels_last and (family_is_given or max(shape) <= _MAX_END_TO_END_SIDE)
    return family_is_given and anchors > values


def _contents(
    family: str, free: int, info: ModelInfo
) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """What the values after the box may be, as class count and keypoint shape."""
    named = len(info.class_names)
    end_to_end = family == 'end_to_end'
    if info.task in ('detect', 'segment') or (info.task == '' and info.keypoint_shape is None):
        if end_to_end and free == 0:
            yield named, None
        elif not end_to_end and free > 0 and named in (0, free):
            yield free, None
    if info.task in ('detect', 'segment') or family == 'objectness':
        return
    if info.keypoint_shape is not None:
        classes = free - info.keypoint_shape[0] * info.keypoint_shape[1]
        if end_to_end and classes == 0:
            yield named, info.keypoint_shape
        elif not end_to_end and classes > 0 and named in (0, classes):
            yield classes, info.keypoint_shape
        return
    if end_to_end:
        counts = [0]
    elif named:
        counts = [named]
    elif info.task == 'pose':
        counts = list(range(1, min(free, _MOST_POSE_CLASSES)))
    else:
        # If nothing is known, this may also be a pose model of one class, or one with COCO's
        # classes as well as its keypoints.
        counts = [1, 80] if free == _COCO_POSE_VALUES else [1]
    depths = (2, 3) if named or info.task == 'pose' or end_to_end else (3,)
    for classes in counts:
        for depth in depths:
            points, rest = divmod(free - classes, depth)
            if points > 0 and rest == 0:
                yield (named if end_to_end else classes), (points, depth)


def _no_reading(
    name: str, shapes: Sequence[tuple[int, ...]], info: ModelInfo, network_wh: tuple[int, int]
) -> ModelError | ParameterError:
    alone = _readings(shapes, ModelInfo(), network_wh)
    said = [
        f'{field} {value}'
        for field, value in (
            ('task', quoted(info.task) if info.task else ''),
            ('layout', quoted(info.layout) if info.layout else ''),
            ('class_names', _names(info.class_names)),
            ('keypoint_shape', str(info.keypoint_shape) if info.keypoint_shape else ''),
        )
        if value
    ]
    size = f'{network_wh[0]}×{network_wh[1]}'
    if alone and said:
        return ModelError(
            f'outputs {_listed(shapes)} of {name} hold {_described(alone)}; the metadata or '
            f'parameters say {", ".join(said)}: correct them, or use the model that they belong '
            'to'
        )
    if any(len(shape) == 3 and min(shape[1:]) >= 5 for shape in shapes) and not info.layout:
        return ParameterError(
            f'outputs {_listed(shapes)} of {name} have no number of anchors that is known for a '
            f'{size} input, so nothing here reads them unless they are those of a YOLO with other '
            f"strides; if so, set 'layout' to one of {', '.join(FAMILIES)}",
            'layout',
        )
    return ModelError(
        f'outputs {_listed(shapes)} of {name} are not those of a YOLO detector for a {size} '
        'input, such as (1, 84, 8400), (1, 25200, 85) or (1, 300, 6); export a detect, pose or '
        'segment model' + (f' (the metadata or parameters say {", ".join(said)})' if said else '')
    )


def _ambiguous(
    name: str, shapes: Sequence[tuple[int, ...]], layouts: list[YoloLayout]
) -> ModelError | ParameterError:
    if len({replace(layout, prototypes=0) for layout in layouts}) == 1:
        return ModelError(
            f'several of the outputs {_listed(shapes)} of {name} have the shape of mask '
            'prototypes; export the model with one of them'
        )
    if len({replace(layout, output=0) for layout in layouts}) == 1:
        parameter, choices = 'output_name', 'the output that holds the objects'
    elif len({layout.family for layout in layouts}) > 1:
        parameter, choices = 'layout', ', '.join(sorted({layout.family for layout in layouts}))
    elif len({layout.keypoint_shape is None for layout in layouts}) > 1:
        parameter, choices = 'task', 'detect or pose'
    elif len({layout.keypoint_shape for layout in layouts}) > 1:
        parameter = 'keypoint_shape'
        choices = 'keypoints per object, and 2 (x, y) or 3 (x, y, score) values per keypoint'
    else:
        parameter, choices = 'class_names', 'the names of all classes'
    return ParameterError(
        f'outputs {_listed(shapes)} of {name} may hold {_described(layouts)}; set {parameter!r}: '
        f'{choices}',
        parameter,
    )


def _described(layouts: list[YoloLayout]) -> str:
    shown = [
        f'{layout.class_count or "some"} class{"es" * (layout.class_count != 1)}'
        + (
            ' with {} keypoints of {}'.format(*layout.keypoint_shape)
            if layout.keypoint_shape
            else ''
        )
        + (
            f' and {counted(layout.coefficient_count, "mask coefficient")}'
            if layout.coefficient_count
            else ''
        )
        + f' ({layout.family})'
        for layout in layouts
    ]
    shown = list(dict.fromkeys(shown))  # several outputs may be read alike
    return ', or '.join(shown[:3]) + (', or others' if len(shown) > 3 else '')


def _names(names: tuple[str, ...]) -> str:
    return f'with {counted(len(names), "name")}' if names else ''


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ', '.join(str(tuple(shape)) for shape in shapes)
