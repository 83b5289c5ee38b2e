"""Detectors with a row a query, boxes as fractions: DETR, RT-DETR and what came of them.

``rt_detr``
    RT-DETR, RT-DETRv2, D-FINE, DEIM, RF-DETR: logits by the sigmoid, the best pairs of query and
    class, as many as there are queries; no suppression.
``detr``
    DETR, Conditional DETR, YOLOS: the softmax of logits, whose last class is "no object".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted
from jetson_perception.tasks.cells import cell_counts
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.output import are_probabilities, is_relative, listed, one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.tasks.detectors.output import Output

#: COCO's 80, and its ids of 1 to 90 with and without the 0; Objects365. Others cannot be told.
_CLASSES_OF_SIGMOIDS = (80, 90, 91, 365, 366)
_CLASSES_OF_SOFTMAX = (92,)
_USUAL = {
    'rt_detr': ModelInfo(resize='stretch'),
    'detr': ModelInfo(resize='stretch', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
}


def read_queries(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """A row a query, boxes as fractions: of DETR, RT-DETR and what came of them."""
    if len(seen) == 1:
        if info.layout == 'detr':
            return None
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
        usual=_USUAL[family],
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
    if free < 1 or (info.layout == '' and free not in (named, 2)):
        return None
    # YOLO's rows that are not used may be -1 throughout, which looks like fractions.
    if not is_relative(only.array[only.array[..., 4] != -1]):
        return None
    ids = only.array.reshape(-1, shape[1])[:, 5] if free == 2 else only.array
    if free == 2 and np.array_equal(ids, ids.round()):
        scores, classes = only.columns(4, 1), only.columns(5, 1)
    else:
        scores, classes = only.columns(4), None
    return BoxLayout(
        'rt_detr',
        named or free,
        only.columns(0, 4),
        scores,
        classes,
        relative=True,
        usual=_USUAL['rt_detr'],
    )


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


FAMILIES = (
    Family(
        'detr',
        'boxes as fractions, and logits of as many rows, one of them for no object',
        read_queries,
    ),
    Family('rt_detr', 'boxes as fractions, and logits or scores of as many rows', read_queries),
)
