"""YOLOX and the first exports of YOLOv6: one anchor a cell, with an objectness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted
from jetson_perception.tasks.cells import cells
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.cell_rows import strides_of_rows
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.nanodet import or_nanodet
from jetson_perception.tasks.detectors.output import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.tasks.detectors.output import Output

_BEFORE_CLASSES = 5
_USUAL = ModelInfo(resize='letterbox_top_left', scale=1.0, color_order='bgr')


def read_yolox(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """One anchor a cell with an objectness, which no YOLO of Ultralytics has.

    YOLOv6's is 1 in every cell.
    """
    only = seen[0]
    strides = strides_of_rows(seen, info, network_wh)
    if not strides:
        return None
    classes = only.columns_a_row - _BEFORE_CLASSES
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
            f"{without} (set 'layout' to anchor_free){or_nanodet(only)}",
            'layout',
        )
    return BoxLayout(
        'yolox',
        classes,
        only.columns(0, 4),
        only.columns(_BEFORE_CLASSES),
        objectness=None if is_yolov6 else only.columns(4, 1),
        suppresses=True,
        usual=ModelInfo() if is_yolov6 else _USUAL,
        grid=() if is_yolov6 or _is_decoded(only.array[0], network_wh, strides) else strides,
    )


def _is_decoded(rows: NDArray[Any], network_wh: tuple[int, int], strides: tuple[int, ...]) -> bool:
    """Whether centers are pixels: then they lie near their cells, not near 0."""
    place, stride = cells(network_wh, strides)
    centers = rows[:, :2].astype(np.float32)
    in_cells = np.abs(centers / stride - place).mean()
    return bool(in_cells < np.abs(centers - 0.5).mean())


FAMILY = Family('yolox', 'one row a cell, with an objectness', read_yolox)
