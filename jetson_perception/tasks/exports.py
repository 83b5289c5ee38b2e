"""Which network an export is of, told by names, types, shapes and values of its outputs.

Shapes alone mislead: (1, 300, 84) may be boxes of RT-DETR or of an end-to-end YOLO with 26
keypoints. Whatever can be read in several ways is an error that names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.printable import counted, quoted
from jetson_perception.tasks.box_layouts import BoxLayout, Columns, cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.network_outputs import NetworkOutputs

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (4, 8, 16, 32))
_MOST_RELATIVE = 1.5
_LEAST_SIDE = 8
#: COCO's 80, and its ids of 1 to 90 with and without the 0; Objects365. Others cannot be told.
_CLASSES_OF_SIGMOIDS = (80, 90, 91, 365, 366)
_CLASSES_OF_SOFTMAX = (92,)
_MOVENET_ONE = (1, 1, 17, 3)
_MOVENET_SEVERAL = (1, 6, 56)
_YOLOX_BEFORE_CLASSES = 5


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
    seen = [_Output(index, name, array) for index, (name, array) in enumerate(named)]
    wanted = info.layout
    readers = {
        'suppressed': _suppressed,
        'detr': _queries,
        'rt_detr': _queries,
        'boxes_scores': _boxes_scores,
        'yolox': _yolox,
    }
    if wanted and wanted not in readers:
        return None
    for family, read in readers.items():
        if wanted in ('', family):
            found = read(seen, info, outputs.network_wh)
            if found is not None:
                return found
    if wanted:
        raise ModelError(
            f'layout is {wanted!r}, and {info.path or "the model"} gives {_listed(seen)}, which '
            'hold no such boxes; leave layout at auto, or give the one that the model has'
        )
    return None


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
    if len(shapes) == 1 and shapes[0] in (_MOVENET_ONE, _MOVENET_SEVERAL):
        return "MoveNet's keypoints"
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


@dataclass(frozen=True, slots=True)
class _Output:
    index: int
    name: str
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch."""
        shape = self.array.shape
        return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape

    @property
    def columns_a_row(self) -> int:
        return self.array.shape[-1]

    @property
    def rows(self) -> int:
        return self.array.shape[-2]

    @property
    def is_integer(self) -> bool:
        return self.array.dtype.kind in 'iu'

    @property
    def is_float(self) -> bool:
        return self.array.dtype.kind == 'f'

    def columns(self, first: int = 0, count: int = -1, *, transposed: bool = False) -> Columns:
        return Columns(self.index, first, count, transposed)


def _listed(seen: Iterable[_Output]) -> str:
    return ', '.join(
        f'{quoted(each.name, 40)} {each.array.dtype} {each.array.shape}' for each in seen
    )


def _one(found: list[_Output]) -> _Output | None:
    return found[0] if len(found) == 1 else None


def _suppressed(
    seen: list[_Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """A row an object: of EfficientNMS, torchvision, MMDetection, D-FINE's own export, YOLOv7."""
    classes = len(info.class_names)
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
    counts = [each for each in seen if each.array.size == 1 and each.is_integer and len(seen) == 4]
    rest = [each for each in seen if each not in counts]
    likely = [each for each in rest if each.is_float and each.array.shape[-1:] in ((4,), (5,))]
    boxes = _one([each for each in likely if each.array.ndim == max(e.array.ndim for e in likely)])
    if boxes is None or boxes.array.ndim < 2:
        return None
    lists = [each for each in rest if each is not boxes and each.array.size == boxes.rows]
    if len(lists) != len(rest) - 1 or len(lists) != (2 if boxes.columns_a_row == 4 else 1):
        return None
    ids = _one([each for each in lists if each.is_integer]) or _one(
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
        relative=_is_relative(boxes.array),
        count=counts[0].index if counts else None,
    )


def _is_relative(boxes: NDArray[Any]) -> bool:
    """Whether coordinates are fractions of the image, as far as there are boxes."""
    values = np.abs(boxes[..., :4].astype(np.float32))
    return bool(values.size and 0 < values.max() <= _MOST_RELATIVE)


def _queries(
    seen: list[_Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """A row a query, boxes as fractions: of DETR, RT-DETR and what came of them."""
    if len(seen) == 1:
        return _queries_of_ultralytics(seen[0], info, network_wh)
    pair = _pair(seen)
    if pair is None or pair[0].shape[0] in _cell_counts(network_wh):
        return None
    boxes, scores = pair
    if not _is_relative(boxes.array):
        return None
    count = scores.shape[1]
    if 'logit' not in scores.name.lower() and _are_probabilities(scores.array):
        family, activation, classes = 'rt_detr', '', count
    else:
        family = _kind_of_queries(count, info, (boxes, scores))
        activation = 'softmax' if family == 'detr' else 'sigmoid'
        classes = count - (family == 'detr')
    return BoxLayout(
        family,
        classes,
        boxes.columns(),
        scores.columns(),
        relative=True,
        activation=activation,
        several_classes_a_row=family == 'rt_detr',
    )


def _kind_of_queries(count: int, info: ModelInfo, pair: tuple[_Output, _Output]) -> str:
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
        f'{_listed(pair)} of {info.path or "the model"} are boxes and logits of queries, of '
        f"{with_all} by the sigmoid (RT-DETR, D-FINE, RF-DETR: set 'layout' to rt_detr), or "
        f"of {without_one} and no object by the softmax (DETR, YOLOS: set 'layout' to detr)",
        'layout',
    )


def _queries_of_ultralytics(
    only: _Output, info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """RT-DETR in one tensor: box as fractions, then scores, or (from 8.4 on) score and class."""
    shape = only.shape
    if len(shape) != 2 or shape[0] in _cell_counts(network_wh) or not only.is_float:
        return None
    named, free = len(info.class_names), shape[1] - 4
    if not _is_relative(only.array) or free < 1 or (info.layout == '' and free not in (named, 2)):
        return None
    ids = only.array.reshape(-1, shape[1])[:, 5] if free == 2 else only.array
    if free == 2 and np.array_equal(ids, ids.round()):
        scores, classes = only.columns(4, 1), only.columns(5, 1)
    else:
        scores, classes = only.columns(4), None
    return BoxLayout('rt_detr', named or free, only.columns(0, 4), scores, classes, relative=True)


def _pair(seen: list[_Output]) -> tuple[_Output, _Output] | None:
    """Boxes and scores of the same rows."""
    if len(seen) != 2 or not all(each.is_float and len(each.shape) == 2 for each in seen):
        return None
    boxes = _one([each for each in seen if each.shape[1] == 4])
    if boxes is None:
        boxes = _one([each for each in seen if each.shape[1] == 4 and 'box' in each.name.lower()])
    if boxes is None:
        return None
    scores = next(each for each in seen if each is not boxes)
    return (boxes, scores) if scores.shape[0] == boxes.shape[0] else None


def _are_probabilities(values: NDArray[Any]) -> bool:
    return bool(values.size and values.min() >= 0 and values.max() <= 1)


def _boxes_scores(
    seen: list[_Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Corners in pixels and scores of every cell: of YOLO-NAS, and of PP-YOLOE, transposed."""
    if len(seen) != 2 or not all(each.is_float and len(each.shape) == 2 for each in seen):
        return None
    counts = _cell_counts(network_wh)
    boxes = _one([each for each in seen if each.shape[1] == 4 and each.shape[0] in counts])
    if boxes is None:
        return None
    scores = next(each for each in seen if each is not boxes)
    rows = boxes.shape[0]
    if rows not in scores.shape or not _are_corners(boxes.array):
        return None
    transposed = scores.shape[0] != rows
    classes = scores.shape[0] if transposed else scores.shape[1]
    activation = '' if _are_probabilities(scores.array) else 'sigmoid'
    return BoxLayout(
        'boxes_scores',
        classes,
        boxes.columns(),
        scores.columns(transposed=transposed),
        corners=True,
        relative=_is_relative(boxes.array),
        activation=activation,
    )


def _are_corners(boxes: NDArray[Any]) -> bool:
    """Whether right and bottom are never left of left or above top: no sizes are so."""
    rows = boxes.reshape(-1, 4)
    return bool((rows[:, 2] >= rows[:, 0]).all() and (rows[:, 3] >= rows[:, 1]).all())


def _yolox(seen: list[_Output], info: ModelInfo, network_wh: tuple[int, int]) -> BoxLayout | None:
    """One anchor a cell with an objectness, which no YOLO of Ultralytics has."""
    only = seen[0]
    if len(seen) != 1 or len(only.shape) != 2 or not only.is_float or info.stride:
        return None
    rows, values = only.shape
    strides = next((each for each in _STRIDES if len(cells(network_wh, each)[1]) == rows), None)
    classes = values - _YOLOX_BEFORE_CLASSES
    if strides is None or classes < 1 or info.task not in ('', 'detect'):
        return None
    named = len(info.class_names)
    if info.layout == '' and named != classes:
        if named:
            return None
        with_objectness, without = (counted(each, 'class') for each in (classes, classes + 1))
        raise ParameterError(
            f'{_listed(seen)} of {info.path or "the model"} has one anchor a cell, with '
            f"{with_objectness} and an objectness (YOLOX, YOLOv6: set 'layout' to yolox) or with "
            f"{without} (set 'layout' to anchor_free); heads of distributions, as NanoDet has "
            'them, are not decoded here',
            'layout',
        )
    return BoxLayout(
        'yolox',
        classes,
        only.columns(0, 4),
        only.columns(_YOLOX_BEFORE_CLASSES),
        objectness=only.columns(4, 1),
        grid=() if _is_decoded(only.array[0], network_wh, strides) else strides,
    )


def _is_decoded(rows: NDArray[Any], network_wh: tuple[int, int], strides: tuple[int, ...]) -> bool:
    """Whether centers are pixels: then they lie near their cells, not near 0."""
    place, stride = cells(network_wh, strides)
    centers = rows[:, :2].astype(np.float32)
    in_cells = np.abs(centers / stride - place).mean()
    return bool(in_cells < np.abs(centers - 0.5).mean())


def _cell_counts(network_wh: tuple[int, int]) -> set[int]:
    return {len(cells(network_wh, each)[1]) for each in _STRIDES}
