"""Detectors with rows of corners, score and class: CenterNet's, whose corners are in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.output import is_relative, listed

if TYPE_CHECKING:
    from jetson_perception.tasks.detectors.output import Output

_CENTERNET_ROWS, _CENTERNET_CELL = 100, 4
_USUAL_OF_CENTERNET = ModelInfo(
    color_order='bgr', mean=(0.408, 0.447, 0.470), std=(0.289, 0.274, 0.278)
)


def read_rows_of_six(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Corners, score and class: in cells, of CenterNet, or as fractions; pixels are YOLO's."""
    only = seen[0]
    if len(seen) != 1 or only.array.ndim != 3 or only.shape[1:] != (6,) or not only.is_float:
        return None
    if info.stride or info.task not in ('', 'detect'):
        return None
    columns = only.columns(0, 4), only.columns(4, 1), only.columns(5, 1)
    classes = len(info.class_names)
    # A row that is not used may be -1 throughout, which looks like fractions.
    boxes = only.array[only.array[..., 4] != -1][:, :4].astype(np.float32)
    if info.layout == 'centernet':
        return BoxLayout(
            'centernet',
            classes,
            *columns,
            corners=True,
            unit=_CENTERNET_CELL,
            usual=_USUAL_OF_CENTERNET,
            padding=0,
        )
    if is_relative(boxes):
        return BoxLayout('suppressed', classes, *columns, corners=True, relative=True)
    # Its rows are the best centers, whatever they score, so they lie all over the image.
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    in_cells = 0 < middle.max(initial=0) <= max(network_wh) / _CENTERNET_CELL
    if only.shape[0] != _CENTERNET_ROWS or not in_cells:
        return None
    raise ParameterError(
        f'{listed(seen)} of {info.path or "the model"} are rows of corners, score and class, '
        "in cells of four pixels (CenterNet: set 'layout' to centernet), or in pixels (set "
        "'layout' to end_to_end)",
        'layout',
    )


FAMILY = Family('centernet', 'rows of corners, score and class, in cells', read_rows_of_six)
