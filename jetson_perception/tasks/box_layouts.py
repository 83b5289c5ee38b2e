"""Boxes of detectors that are no YOLO: where outputs hold them, and how to read them.

The networks differ in little: where boxes, scores and classes are, how a box is written, what
becomes of a score, and whether boxes suppress each other. `BoxLayout` says that, `decode_boxes`
does it as the post-processing of each framework does:

``rt_detr``
    RT-DETR, RT-DETRv2, D-FINE, DEIM, RF-DETR: logits by the sigmoid, the best pairs of query and
    class, as many as there are queries; no suppression.
``detr``
    DETR, Conditional DETR, YOLOS: the softmax of logits, whose last class is "no object".
``yolox``
    YOLOX and the first exports of YOLOv6: one anchor a cell, center and size, objectness × class.
``boxes_scores``
    YOLO-NAS, PP-YOLOE: corners in pixels, a score a class.
``suppressed``
    What a suppression in the network left: corners, a score and a class a row.
``nanodet``
    NanoDet, NanoDet-Plus: scores of classes, then for each side of the box the distribution of its
    distance from the cell, in cells.
``centernet``
    CenterNet: the best centers, as corners in cells of four pixels, with score and class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.tasks.activations import sigmoid
from jetson_perception.tasks.detection_options import MAX_CANDIDATES, thresholds_of
from jetson_perception.tasks.finite import all_finite, count_not_finite, require_finite
from jetson_perception.tasks.nms import class_aware_nms
from jetson_perception.tasks.results import Detections, have_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.preprocess import ImageTransform

FAMILIES = (
    'rt_detr',
    'detr',
    'yolox',
    'boxes_scores',
    'suppressed',
    'nanodet',
    'centernet',
)
"""Values of `BoxLayout.family`, and of the parameter `layout`."""


_MOST_RELATIVE = 1.5


def is_relative(boxes: NDArray[Any]) -> bool:
    """Whether coordinates are fractions of the image; False without any but zeros."""
    values = np.abs(boxes[..., :4].astype(np.float32))
    return bool(values.size and 0 < values.max() <= _MOST_RELATIVE)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of an output: its index, the first column, and how many; -1 for all that follow.

    Without a column (`count` 0) the output has a value a row. `transposed` outputs have a column
    for each row.
    """

    output: int
    first: int = 0
    count: int = -1
    transposed: bool = False

    def read(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Shape (rows, columns), or (rows,) without columns."""
        rows = _without_batch(outputs[self.output], 1 if self.count == 0 else 2)
        if self.count == 0:
            return rows
        rows = rows.T if self.transposed else rows
        last = None if self.count < 0 else self.first + self.count
        if last is not None and rows.shape[1] < last:
            raise ModelError(
                f'output {self.output} is {outputs[self.output].shape}, without the columns that '
                'it had when the model was loaded; load the model again'
            )
        return rows[:, self.first : last]


def _without_batch(array: NDArray[Any], dimensions: int) -> NDArray[Any]:
    """An array of so many dimensions, without those of size 1 before them, or one after them."""
    while array.ndim > dimensions and array.shape[0] == 1:
        array = array[0]
    if array.ndim == dimensions + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != dimensions:
        raise ModelError(
            f'an output is {array.shape}, which had {dimensions} dimensions when the model was '
            'loaded; load the model again'
        )
    return array


@dataclass(frozen=True, slots=True)
class BoxLayout:
    """Where outputs hold boxes, scores and classes, and how.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    class_count : int
        Number of classes; 0 if unknown, which is possible where the network gives class ids.
    boxes, scores : Columns
        Four values a box, or four distributions; a value a class, or one a row where there are
        `classes`.
    classes : Columns or None
        A class id a row.
    corners : bool
        Whether a box is left, top, right, bottom; else it is center x, center y, width, height.
    relative : bool or None
        Whether coordinates are fractions of the network's input; else they are its pixels. None
        if there was no box to tell by: then each image's boxes do.
    activation : str
        What makes scores of the values: '' (they are scores), 'sigmoid', or 'softmax', whose last
        class is "no object".
    objectness : Columns or None
        A value a row that multiplies its scores.
    grid : tuple of int
        Strides of the cells that centers and logarithmic sizes, or distances, are relative to;
        empty where boxes are decoded by the network.
    bins : int
        Values of the distribution of a side's distance; 0 where boxes are no distributions.
    cell_center : float
        Where in its cell distances are measured from, as a fraction of it.
    rows_first : bool
        Whether y comes before x.
    unit : int
        Pixels a coordinate's unit.
    count : int or None
        Index of the output that says how many rows are used.
    image : Columns or None
        A value a row: which image of the batch it is of.
    several_classes_a_row : bool
        Whether a row may be several objects; else it is one, of its best class.
    """

    family: str
    class_count: int
    boxes: Columns
    scores: Columns
    classes: Columns | None = None
    corners: bool = False
    relative: bool | None = False
    activation: str = ''
    objectness: Columns | None = None
    grid: tuple[int, ...] = ()
    bins: int = 0
    cell_center: float = 0.0
    rows_first: bool = False
    unit: int = 1
    count: int | None = None
    image: Columns | None = None
    several_classes_a_row: bool = False

    # What users of a `YoloLayout` ask for.
    keypoint_count: ClassVar[int] = 0
    coefficient_count: ClassVar[int] = 0

    @property
    def suppresses(self) -> bool:
        """Whether overlapping boxes are still to be suppressed."""
        return self.family in ('yolox', 'boxes_scores', 'nanodet')


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
    """Corners from the mean of each side's distribution; inside the input, as NanoDet clips."""
    shares = _softmax(boxes.reshape(-1, layout.bins))
    distances = (shares @ np.arange(layout.bins, dtype=np.float32)).reshape(-1, 4)
    place, stride = (each[row] for each in cells(network_wh, layout.grid))
    place, distances = (place + np.float32(layout.cell_center)) * stride, distances * stride
    boxes = np.concatenate((place - distances[:, :2], place + distances[:, 2:]), axis=1)
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
        values = _softmax(values)[:, :-1]
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
    likely = np.flatnonzero(flat >= _least_value(thresholds.lowest, layout.activation))
    best = likely[np.argsort(-flat[likely], kind='stable')[:rows]]
    score = flat[best] if layout.activation == '' else sigmoid(flat[best])
    row, class_id = np.divmod(best, classes)
    class_id = class_id.astype(np.int32)
    chosen = thresholds.reached(score, class_id)
    return row[chosen], score[chosen], class_id[chosen]


def _least_value(threshold: float, activation: str) -> float:
    """A value that is below all whose score reaches a threshold, if barely."""
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


@lru_cache(maxsize=8)
def cells(
    network_wh: tuple[int, int], strides: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row of every cell, shape (cells, 2), and its stride, shape (cells, 1)."""
    places, sizes = [], []
    for stride in strides:
        width, height = (-(-side // stride) for side in network_wh)
        y, x = np.mgrid[:height, :width]
        places.append(np.stack((x, y), axis=-1).reshape(-1, 2))
        sizes.append(np.full((width * height, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(sizes).astype(np.float32)


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


def _softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
