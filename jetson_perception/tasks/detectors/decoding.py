"""Boxes out of outputs whose layout is known, as each framework's post-processing has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.tasks.activations import sigmoid, softmax
from jetson_perception.tasks.cells import cells
from jetson_perception.tasks.detection_options import MAX_CANDIDATES, thresholds_of
from jetson_perception.tasks.detectors.output import is_relative
from jetson_perception.tasks.finite import all_finite, count_not_finite, require_finite
from jetson_perception.tasks.nms import class_aware_nms
from jetson_perception.tasks.results import Detections, have_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.detectors.box_layout import BoxLayout
    from jetson_perception.tasks.preprocess import ImageTransform


def decode_boxes(
    outputs: Sequence[NDArray[Any]],
    layout: BoxLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """Detections in pixels of the source image, best score first.

    Parameters
    ----------
    outputs : sequence of ndarray
        The model's outputs for one image.
    layout : BoxLayout
        What they hold.
    transform : ImageTransform
        From the preprocessing of this image.
    options : DetectionOptions
        Thresholds.

    Returns
    -------
    Detections
        Boxes are clipped to the image, and dropped if outside. Everything is finite.

    Raises
    ------
    ModelError
        When the outputs do not have the layout's shapes, or scores, or boxes that reach their
        threshold, are NaN or infinite.
    """
    boxes = layout.boxes.read(outputs)
    row, score, class_id = _scored(outputs, layout, options)
    boxes = boxes[row].astype(np.float32)
    if not all_finite(boxes):
        bad = ~np.isfinite(boxes).all(axis=1)
        require_finite('boxes', int(np.count_nonzero(bad)), len(boxes), 'rows')
    boxes = _corners(boxes, row, layout, transform.network_wh)
    kept = _kept(boxes, score, class_id, layout, options)
    found = Detections(transform.boxes_to_source(boxes[kept]), score[kept], class_id[kept], None)
    visible = have_area(found.xyxy)
    return found if visible.all() else found[visible]


def _corners(
    boxes: NDArray[np.float32],
    row: NDArray[np.intp],
    layout: BoxLayout,
    network_wh: tuple[int, int],
) -> NDArray[np.float32]:
    """Left, top, right, bottom in pixels of the network's input, of boxes as the network has them.

    `row` says which row of the output each is of.
    """
    if layout.bins:
        return _from_distances(boxes, row, layout, network_wh)
    if layout.grid:
        boxes = _on_grid(boxes, row, layout.grid, network_wh)
    if layout.rows_first:
        boxes = boxes[:, [1, 0, 3, 2]]
    if not layout.corners:
        half = boxes[:, 2:] * np.float32(0.5)
        boxes = np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), axis=1)
    if layout.relative or (layout.relative is None and is_relative(boxes)):
        boxes = boxes * np.array(network_wh * 2, np.float32)
    return boxes if layout.unit == 1 else boxes * np.float32(layout.unit)


def _from_distances(
    boxes: NDArray[np.float32],
    row: NDArray[np.intp],
    layout: BoxLayout,
    network_wh: tuple[int, int],
) -> NDArray[np.float32]:
    """Corners from the mean of each side's distribution."""
    shares = softmax(boxes.reshape(-1, layout.bins))
    distances = (shares @ np.arange(layout.bins, dtype=np.float32)).reshape(-1, 4)
    place, stride = (each[row] for each in cells(network_wh, layout.grid))
    place, distances = (place + np.float32(layout.cell_center)) * stride, distances * stride
    boxes = np.concatenate((place - distances[:, :2], place + distances[:, 2:]), axis=1)
    if not layout.clips:
        return boxes
    return np.clip(boxes, np.float32(0), np.array(network_wh * 2, np.float32))


def _scored(
    outputs: Sequence[NDArray[Any]], layout: BoxLayout, options: DetectionOptions
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.int32]]:
    """Rows that reach their threshold, with score and class; a row may be there several times."""
    if layout.several_classes_a_row:
        return _best_pairs(outputs, layout, options)
    score, class_id = _best(outputs, layout)
    if layout.count is not None:
        used = int(np.asarray(outputs[layout.count]).reshape(-1)[0])
        score, class_id = score[: max(used, 0)], class_id[: max(used, 0)]
    require_finite('scores', count_not_finite(score), score.size, 'rows')
    known = (class_id >= 0) & (class_id < (layout.class_count or np.iinfo(np.int32).max))
    thresholds = thresholds_of(options)
    if layout.image is not None:  # a batch that the model fixes holds the same image again
        known &= layout.image.read(outputs)[:, 0] == 0
    row = np.flatnonzero(known & thresholds.reached(score, np.maximum(class_id, 0)))
    return row, score[row], class_id[row]


def _best(
    outputs: Sequence[NDArray[Any]], layout: BoxLayout
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Score and class of each row."""
    values = layout.scores.read(outputs).astype(np.float32)
    if layout.classes is not None:
        ids = _column(layout.classes.read(outputs))
        require_finite('classes', count_not_finite(ids), ids.size, 'rows')
        return _column(values), ids.astype(np.int32)
    if layout.activation == 'softmax':
        values = softmax(values)[:, :-1]
    class_id = values.argmax(axis=1).astype(np.int32)
    score = values[np.arange(len(values)), class_id]
    if layout.activation == 'sigmoid':
        score = sigmoid(score)
    if layout.objectness is not None:
        score = score * layout.objectness.read(outputs)[:, 0].astype(np.float32)
    return score, class_id


def _column(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.ndim == 1 else values[:, 0]


def _best_pairs(
    outputs: Sequence[NDArray[Any]], layout: BoxLayout, options: DetectionOptions
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.int32]]:
    """The best pairs of row and class, at most as many as there are rows."""
    values = layout.scores.read(outputs).astype(np.float32)
    rows, classes = values.shape
    flat = values.reshape(-1)
    require_finite('scores', count_not_finite(flat), flat.size, 'values')
    thresholds = thresholds_of(options)
    likely = np.flatnonzero(flat >= least_value(thresholds.lowest, layout.activation))
    best = likely[np.argsort(-flat[likely], kind='stable')[:rows]]
    score = flat[best] if layout.activation == '' else sigmoid(flat[best])
    row, class_id = np.divmod(best, classes)
    class_id = class_id.astype(np.int32)
    chosen = thresholds.reached(score, class_id)
    return row[chosen], score[chosen], class_id[chosen]


def least_value(threshold: float, activation: str) -> float:
    """A value that is below all whose score reaches a threshold, if barely, by the activation."""
    if activation == '':
        return threshold
    if threshold >= 1:
        threshold = 1 - 1e-7
    return float(np.log(threshold / (1 - threshold))) - 1e-3 if threshold > 0 else -np.inf


def _kept(
    boxes: NDArray[np.float32],
    score: NDArray[np.float32],
    class_id: NDArray[np.int32],
    layout: BoxLayout,
    options: DetectionOptions,
) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first."""
    order = np.argsort(-score, kind='stable')
    if not layout.suppresses:
        return order[: options.max_detections]
    order = order[:MAX_CANDIDATES]
    kept = class_aware_nms(
        boxes[order],
        score[order],
        class_id[order],
        options.iou_threshold,
        options.max_detections,
        class_agnostic=options.class_agnostic,
    )
    return order[kept]


def _on_grid(
    boxes: NDArray[np.float32],
    row: NDArray[np.intp],
    strides: tuple[int, ...],
    network_wh: tuple[int, int],
) -> NDArray[np.float32]:
    """Center and size in pixels, from offsets in cells and logarithms of sizes."""
    place, stride = (each[row] for each in cells(network_wh, strides))
    with np.errstate(over='ignore'):
        size = np.exp(boxes[:, 2:]) * stride
    if not all_finite(size):
        require_finite('boxes', count_not_finite(size.max(axis=1)), len(boxes), 'rows')
    return np.concatenate(((boxes[:, :2] + place) * stride, size), axis=1)
