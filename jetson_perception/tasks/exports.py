"""Which network an export is of, told by names, types, shapes and values of its outputs.

Shapes alone mislead: (1, 300, 84) may be boxes of RT-DETR or of an end-to-end YOLO with 26
keypoints. Whatever can be read in several ways is an error that names them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import counted
from jetson_perception.tasks.box_layouts import BoxLayout, is_relative
from jetson_perception.tasks.dense_exports import read_nanodet, read_yolox
from jetson_perception.tasks.export_outputs import (
    Output,
    are_corners,
    are_probabilities,
    cell_counts,
    listed,
    one,
    relative,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.network_outputs import NetworkOutputs

_LEAST_SIDE = 8
#: COCO's 80, and its ids of 1 to 90 with and without the 0; Objects365. Others cannot be told.
_CLASSES_OF_SIGMOIDS = (80, 90, 91, 365, 366)
_CLASSES_OF_SOFTMAX = (92,)
_CENTERNET_ROWS, _CENTERNET_CELL = 100, 4
_TF_NAMES = ('detection_boxes', 'detection_scores', 'detection_classes', 'num_detections')


def recognize_boxes(outputs: NetworkOutputs, info: ModelInfo) -> BoxLayout | None:
    """How outputs hold boxes, for a detector that is no YOLO; None where they don't.

    Parameters
    ----------
    outputs : NetworkOutputs
        Of a run.
    info : ModelInfo
        `layout`, `task` and `class_names` are used; `layout` may be empty.

    Raises
    ------
    ParameterError
        When they can be read in several ways, of which one is no YOLO; the error names the
        parameter that decides.
    """
    named = zip(outputs.names, outputs.arrays, strict=True)
    seen = [Output(index, name, array) for index, (name, array) in enumerate(named)]
    wanted = info.layout
    readers = {
        'suppressed': _suppressed,
        'centernet': _rows_of_six,
        'detr': _queries,
        'rt_detr': _queries,
        'boxes_scores': _boxes_scores,
        'nanodet': read_nanodet,
        'yolox': read_yolox,
    }
    if wanted and wanted not in readers:
        return None
    for family, read in readers.items():
        if wanted in ('', family):
            found = read(seen, info, outputs.network_wh)
            if found is not None:
                return _as_said(found, info)
    if wanted:
        raise ModelError(
            f'layout is {wanted!r}, and {info.path or "the model"} gives {listed(seen)}, which '
            'hold no such boxes; leave layout at auto, or give the one that the model has'
        )
    return None


def _as_said(layout: BoxLayout, info: ModelInfo) -> BoxLayout:
    """The layout, with boxes written as `box_format` says."""
    if not info.box_format:
        return layout
    return replace(
        layout, corners=info.box_format != 'cxcywh', rows_first=info.box_format == 'yxyx'
    )


def other_network(outputs: NetworkOutputs) -> str:
    """What a network is that nothing here reads, such as 'a depth map'; '' if it is none known.

    Names and shapes that no task here has, and none that one of them may have.
    """
    names = [name.lower() for name in outputs.names]
    shapes = outputs.shapes
    for words, what in (
        (('depth', 'disparity'), 'a depth map'),
        (('heatmap', 'simcc'), 'heatmaps of keypoints'),
        (('flow',), 'optical flow'),
        (('embedding', 'last_hidden_state', 'pooler_output', 'image_embeds'), 'features'),
        (('paf',), 'part affinity fields'),
    ):
        if any(word in name for word in words for name in names):
            return what
    maps = [shape for shape in shapes if len(shape) == 4]
    # Segmentation networks give several maps, too: of the same channels, or with larger ones.
    grids, channels = {shape[2:] for shape in maps}, {shape[1] for shape in maps}
    if len(maps) >= 3 and len(grids) == 1 and len(channels) > 1:
        return 'maps of centers, sizes and offsets (CenterNet)'
    if len(maps) == len(shapes) >= 3 and _halves(maps, outputs.network_wh[1] // 8):
        return 'the raw maps of a detector, which its export should decode'
    if len(shapes) == 1 and outputs.dtype.kind == 'f' and _is_image(shapes[0], outputs.network_wh):
        return 'a map of one value a pixel, as of depth'
    return ''


def _halves(maps: Sequence[tuple[int, ...]], finest: int) -> bool:
    """Whether the largest map has this height, and each other half that of a larger one."""
    heights = sorted({shape[2] for shape in maps}, reverse=True)
    halves = all(high == 2 * low for high, low in pairwise(heights))
    return len(heights) >= 3 and heights[0] == finest and halves


def _is_image(shape: tuple[int, ...], network_wh: tuple[int, int]) -> bool:
    """Whether (1, h, w) has the proportions of the network's input, at a whole fraction."""
    width, height = network_wh
    if len(shape) != 3 or min(shape[1:]) < _LEAST_SIDE:
        return False
    return shape[1] * width == shape[2] * height and height % shape[1] == 0


def _suppressed(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """A row an object: of EfficientNMS, torchvision, MMDetection, D-FINE's own export, YOLOv7.

    Of PaddleDetection and TensorFlow's Object Detection API, too.
    """
    seen = _of_tensorflow(seen)
    classes = len(info.class_names)
    paddle = _of_paddle(seen, classes)
    if paddle is not None:
        return paddle
    only = seen[0]
    if len(seen) == 1 and only.is_float and only.array.ndim == 2 and only.array.shape[1] == 7:
        # Rows of image, left, top, right, bottom, class, score.
        return BoxLayout(
            'suppressed',
            classes,
            only.columns(1, 4),
            only.columns(6, 1),
            only.columns(5, 1),
            corners=True,
            image=only.columns(0, 1),
        )
    counts = [
        each
        for each in seen
        if each.array.size == 1
        and len(seen) == 4
        and (each.is_integer or 'num' in each.name.lower())
    ]
    rest = [each for each in seen if each not in counts]
    likely = [each for each in rest if each.is_float and each.array.shape[-1:] in ((4,), (5,))]
    boxes = one([each for each in likely if each.array.ndim == max(e.array.ndim for e in likely)])
    if boxes is None or boxes.array.ndim < 2:
        return None
    lists = [each for each in rest if each is not boxes and each.array.size == boxes.rows]
    if len(lists) != len(rest) - 1 or len(lists) != (2 if boxes.columns_a_row == 4 else 1):
        return None
    ids = one([each for each in lists if each.is_integer]) or one(
        [each for each in lists if 'class' in each.name.lower() or 'label' in each.name.lower()]
    )
    if ids is None:
        return None
    scores = boxes.columns(4, 1)
    if boxes.columns_a_row == 4:
        scores = next(each for each in lists if each is not ids).columns(count=0)
    return BoxLayout(
        'suppressed',
        classes,
        boxes.columns(0, 4),
        scores,
        ids.columns(count=0),
        corners=True,
        relative=relative(boxes.array),
        count=counts[0].index if counts else None,
        rows_first=_is_of_tensorflow(boxes, seen, info),
    )


def _is_of_tensorflow(boxes: Output, seen: list[Output], info: ModelInfo) -> bool:
    """Whether boxes are y, x, as TensorFlow writes them, by their name; always fractions."""
    if _bare_name(boxes) != _TF_NAMES[0] or info.box_format:
        return False
    if relative(boxes.array) is False:
        raise ParameterError(
            f'{listed(seen)} of {info.path or "the model"} have names of TensorFlow, whose boxes '
            "are fractions, and these are pixels; set 'box_format': xyxy (left, top, right, "
            'bottom) or yxyx (top, left, bottom, right)',
            'box_format',
        )
    return True


def _bare_name(output: Output) -> str:
    """Its name, without what TensorFlow adds: the number of an operator's output."""
    return output.name.partition(':')[0].lower()


def _of_tensorflow(seen: list[Output]) -> list[Output]:
    """The four outputs of TensorFlow's Object Detection API that hold its result, if it has more.

    Its other outputs are of all anchors, before the suppression.
    """
    named = [each for each in seen if _bare_name(each) in _TF_NAMES]
    return named if len(named) == len(_TF_NAMES) else seen


def _of_paddle(seen: list[Output], classes: int) -> BoxLayout | None:
    """Rows of class, score, left, top, right, bottom, and their number."""
    if len(seen) != 2:
        return None
    rows = one([each for each in seen if each.is_float and each.array.shape[1:] == (6,)])
    count = one([each for each in seen if each.is_integer and each.array.shape == (1,)])
    if rows is None or count is None:
        return None
    return BoxLayout(
        'suppressed',
        classes,
        rows.columns(2, 4),
        rows.columns(1, 1),
        rows.columns(0, 1),
        corners=True,
        relative=relative(rows.array[:, 2:]),
        count=count.index,
    )


def _rows_of_six(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Corners, score and class: in cells, of CenterNet, or as fractions; pixels are YOLO's."""
    only = seen[0]
    if len(seen) != 1 or only.array.ndim != 3 or only.shape[1:] != (6,) or not only.is_float:
        return None
    if info.stride or info.task not in ('', 'detect'):
        return None
    columns = only.columns(0, 4), only.columns(4, 1), only.columns(5, 1)
    classes, boxes = len(info.class_names), only.array[..., :4].astype(np.float32)
    if info.layout == 'centernet':
        return BoxLayout('centernet', classes, *columns, corners=True, unit=_CENTERNET_CELL)
    if is_relative(boxes):
        return BoxLayout('suppressed', classes, *columns, corners=True, relative=True)
    # Its rows are the best centers, whatever they score, so they lie all over the image.
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    in_cells = 0 < middle.max() <= max(network_wh) / _CENTERNET_CELL
    if only.shape[0] != _CENTERNET_ROWS or not in_cells:
        return None
    raise ParameterError(
        f'{listed(seen)} of {info.path or "the model"} are rows of corners, score and class, '
        "in cells of four pixels (CenterNet: set 'layout' to centernet), or in pixels (set "
        "'layout' to end_to_end)",
        'layout',
    )


def _queries(seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]) -> BoxLayout | None:
    """A row a query, boxes as fractions: of DETR, RT-DETR and what came of them."""
    if len(seen) == 1:
        return _queries_of_ultralytics(seen[0], info, network_wh)
    pair = _pair(seen)
    if pair is None or pair[0].shape[0] in cell_counts(network_wh):
        return None
    boxes, scores = pair
    if not is_relative(boxes.array):
        return None
    count = scores.shape[1]
    if 'logit' not in scores.name.lower() and are_probabilities(scores.array):
        is_softmax = _sum_to_one(scores.array)
        no_object = is_softmax and count != len(info.class_names)
        family = info.layout or ('detr' if no_object else 'rt_detr')
        activation = 'softmax' if family == 'detr' and not is_softmax else ''
    else:
        family = _kind_of_queries(count, info, (boxes, scores))
        activation = 'softmax' if family == 'detr' else 'sigmoid'
    classes = count - (family == 'detr')
    if not classes:
        return None
    return BoxLayout(
        family,
        classes,
        boxes.columns(),
        scores.columns() if activation else scores.columns(count=classes),
        relative=True,
        activation=activation,
        several_classes_a_row=family == 'rt_detr',
    )


def _kind_of_queries(count: int, info: ModelInfo, pair: tuple[Output, Output]) -> str:
    """'detr', whose last class is no object, or 'rt_detr'."""
    named = len(info.class_names)
    if info.layout:
        return info.layout
    if named in (count, count - 1) and named:
        return 'rt_detr' if named == count else 'detr'
    if {each.name for each in pair} == {'dets', 'labels'} or count in _CLASSES_OF_SIGMOIDS:
        return 'rt_detr'
    if count in _CLASSES_OF_SOFTMAX:
        return 'detr'
    with_all, without_one = (counted(each, 'class') for each in (count, count - 1))
    raise ParameterError(
        f'{listed(pair)} of {info.path or "the model"} are boxes and logits of queries, of '
        f"{with_all} by the sigmoid (RT-DETR, D-FINE, RF-DETR: set 'layout' to rt_detr), or "
        f"of {without_one} and no object by the softmax (DETR, YOLOS: set 'layout' to detr)",
        'layout',
    )


def _queries_of_ultralytics(
    only: Output, info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """RT-DETR in one tensor: box as fractions, then scores, or (from 8.4 on) score and class."""
    shape = only.shape
    if len(shape) != 2 or shape[0] in cell_counts(network_wh) or not only.is_float:
        return None
    named, free = len(info.class_names), shape[1] - 4
    if not is_relative(only.array) or free < 1 or (info.layout == '' and free not in (named, 2)):
        return None
    ids = only.array.reshape(-1, shape[1])[:, 5] if free == 2 else only.array
    if free == 2 and np.array_equal(ids, ids.round()):
        scores, classes = only.columns(4, 1), only.columns(5, 1)
    else:
        scores, classes = only.columns(4), None
    return BoxLayout('rt_detr', named or free, only.columns(0, 4), scores, classes, relative=True)


def _pair(seen: list[Output]) -> tuple[Output, Output] | None:
    """Boxes and scores of the same rows."""
    if len(seen) != 2 or not all(each.is_float and len(each.shape) == 2 for each in seen):
        return None
    boxes = one([each for each in seen if each.shape[1] == 4])
    if boxes is None:
        boxes = one([each for each in seen if each.shape[1] == 4 and 'box' in each.name.lower()])
    if boxes is None:
        return None
    scores = next(each for each in seen if each is not boxes)
    return (boxes, scores) if scores.shape[0] == boxes.shape[0] else None


def _sum_to_one(values: NDArray[Any]) -> bool:
    """Whether rows are softmaxes: sigmoids of several classes do not sum to 1 in every row."""
    sums = values.astype(np.float32).sum(axis=-1)
    return bool(values.shape[-1] > 1 and np.allclose(sums, 1, atol=0.01))


def _boxes_scores(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Corners in pixels and scores of every cell: of YOLO-NAS, and of PP-YOLOE, transposed."""
    if len(seen) != 2 or not all(each.is_float and len(each.shape) == 2 for each in seen):
        return None
    counts = cell_counts(network_wh)
    boxes = one([each for each in seen if each.shape[1] == 4 and each.shape[0] in counts])
    if boxes is None:
        return None
    scores = next(each for each in seen if each is not boxes)
    rows = boxes.shape[0]
    if rows not in scores.shape or not are_corners(boxes.array):
        return None
    transposed = scores.shape[0] != rows
    classes = scores.shape[0] if transposed else scores.shape[1]
    activation = '' if are_probabilities(scores.array) else 'sigmoid'
    return BoxLayout(
        'boxes_scores',
        classes,
        boxes.columns(),
        scores.columns(transposed=transposed),
        corners=True,
        relative=is_relative(boxes.array),
        activation=activation,
        several_classes_a_row=True,
    )
