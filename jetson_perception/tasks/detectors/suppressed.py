"""Detectors whose network suppresses overlapping boxes itself: corners, score and class a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.activations import is_softmaxed
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.output import listed, one, relative

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.output import Output

_TF_NAMES = ('detection_boxes', 'detection_scores', 'detection_classes', 'num_detections')


def read_suppressed(
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
        # Rows of image, left, top, right, bottom, class, score; or a classifier of seven classes.
        may_be_classes = len(only.array) == 1 and not (info.task or info.layout)
        if may_be_classes and not _is_object(only.array[0]):
            return None
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


def _is_object(row: NDArray[Any]) -> bool:
    """Whether the only row begins with the number of an image, and ends with a class and a score.

    In a row that is not used, the number or the class is -1, and the score may be. A classifier
    that is sure of its class, in FP16, gives zeros and a 1, which are a softmax.
    """
    if is_softmaxed(row, axis=0):
        return False
    numbers, score = row[[0, 5]], row[6]
    if not (numbers >= -1).all() or (numbers != np.floor(numbers)).any():
        return False
    return bool((-1 if -1 in numbers else 0) <= score <= 1)


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


FAMILY = Family(
    'suppressed', 'boxes, scores and class ids, told by types, names and values', read_suppressed
)
