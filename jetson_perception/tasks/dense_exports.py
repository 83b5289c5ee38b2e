"""Detectors with a row for each cell, told from each other: YOLOX and YOLOv6, NanoDet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted
from jetson_perception.tasks.box_layouts import BoxLayout, cells
from jetson_perception.tasks.export_outputs import STRIDES, Output, are_probabilities, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.model_info import ModelInfo

_YOLOX_BEFORE_CLASSES = 5
_NANODET_BINS = 8
_NANODET_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def read_nanodet(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Scores of classes, then four distributions: of NanoDet and NanoDet-Plus.

    Only its distributions are no probabilities, while everything before them is.
    """
    only = seen[0]
    found = _grid(seen, info, network_wh)
    if found not in _NANODET_STRIDES:
        return None
    classes = only.columns_a_row - 4 * _NANODET_BINS
    if classes < 1 or len(info.class_names) not in (0, classes):
        return None
    scores, rest = only.array[..., :classes], only.array[..., classes:]
    if not are_probabilities(scores):
        return None
    if info.layout == '' and are_probabilities(rest) and len(info.class_names) != classes:
        return None
    return BoxLayout(
        'nanodet',
        classes,
        only.columns(classes),
        only.columns(0, classes),
        corners=True,
        grid=found,
        bins=_NANODET_BINS,
        # NanoDet measures from the middle of a cell, NanoDet-Plus, which has a level more, from
        # its corner.
        cell_center=0.5 if len(found) == len(_NANODET_STRIDES[0]) else 0.0,
        several_classes_a_row=True,
    )


def read_yolox(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """One anchor a cell with an objectness, which no YOLO of Ultralytics has.

    YOLOv6's is 1 in every cell.
    """
    only = seen[0]
    strides = _grid(seen, info, network_wh)
    if not strides:
        return None
    classes = only.columns_a_row - _YOLOX_BEFORE_CLASSES
    if classes < 1:
        return None
    named = len(info.class_names)
    is_yolov6 = named in (0, classes) and bool((only.array[..., 4] == 1).all())
    if info.layout == '' and named != classes and not is_yolov6:
        if named:
            return None
        with_objectness, without = (counted(each, 'class') for each in (classes, classes + 1))
        raise ParameterError(
            f'{listed(seen)} of {info.path or "the model"} has one anchor a cell, with '
            f"{with_objectness} and an objectness (YOLOX: set 'layout' to yolox) or with "
            f"{without} (set 'layout' to anchor_free){_or_nanodet(only)}",
            'layout',
        )
    return BoxLayout(
        'yolox',
        classes,
        only.columns(0, 4),
        only.columns(_YOLOX_BEFORE_CLASSES),
        objectness=None if is_yolov6 else only.columns(4, 1),
        grid=() if is_yolov6 or _is_decoded(only.array[0], network_wh, strides) else strides,
    )


def _is_decoded(rows: NDArray[Any], network_wh: tuple[int, int], strides: tuple[int, ...]) -> bool:
    """Whether centers are pixels: then they lie near their cells, not near 0."""
    place, stride = cells(network_wh, strides)
    centers = rows[:, :2].astype(np.float32)
    in_cells = np.abs(centers / stride - place).mean()
    return bool(in_cells < np.abs(centers - 0.5).mean())


def _or_nanodet(only: Output) -> str:
    classes = only.columns_a_row - 4 * _NANODET_BINS
    if classes < 1 or not are_probabilities(only.array[..., :classes]):
        return ''
    of_classes = counted(classes, 'class')
    return f" or with {of_classes} and distributions (NanoDet: set 'layout' to nanodet)"


def _grid(seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]) -> tuple[int, ...]:
    """Strides of the cells that the only output has a row for each of; empty where it hasn't."""
    only = seen[0]
    if len(seen) != 1 or len(only.shape) != 2 or not only.is_float or info.stride:
        return ()
    if info.task not in ('', 'detect'):
        return ()
    rows = only.shape[0]
    return next((each for each in STRIDES if len(cells(network_wh, each)[1]) == rows), ())
