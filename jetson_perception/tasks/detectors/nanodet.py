"""NanoDet and NanoDet-Plus: scores of classes, and distributions of the distance of each side.

They are in one output, or, as older exports have them, in two outputs for each stride.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.printable import counted
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.cell_rows import strides_of_rows
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.output import are_probabilities, listed
from jetson_perception.tasks.detectors.stride_outputs import (
    are_named_by_paddle,
    find_stride_outputs,
)

if TYPE_CHECKING:
    from jetson_perception.tasks.detectors.output import Output

_BINS = 8
_NAME = '_pred_stride_'  # of cls_pred_stride_8 and dis_pred_stride_8
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_USUAL = ModelInfo(
    resize='stretch',
    scale=1.0,
    color_order='bgr',
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)


def read_nanodet(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Scores of classes, then four distributions: of NanoDet and NanoDet-Plus.

    Only its distributions are no probabilities, while everything before them is.
    """
    if len(seen) > 1:
        return _read_stride_outputs(seen, info, network_wh)
    only = seen[0]
    found = strides_of_rows(seen, info, network_wh)
    if found not in _STRIDES:
        return None
    classes = only.columns_a_row - 4 * _BINS
    if classes < 1 or len(info.class_names) not in (0, classes):
        return None
    scores, rest = only.array[..., :classes], only.array[..., classes:]
    if not are_probabilities(scores):
        return None
    if info.layout == '' and are_probabilities(rest) and len(info.class_names) != classes:
        return None
    return _as_nanodet(
        BoxLayout(
            'nanodet',
            classes,
            only.columns(classes),
            only.columns(0, classes),
            corners=True,
            grid=found,
            bins=_BINS,
            several_classes_a_row=True,
            suppresses=True,
        )
    )


def _as_nanodet(layout: BoxLayout) -> BoxLayout:
    """The layout, with what tells NanoDet, of three strides, from NanoDet-Plus, of four."""
    plus = len(layout.grid) > len(_STRIDES[0])
    return replace(
        layout,
        # NanoDet measures from the middle of a cell, NanoDet-Plus from its corner.
        cell_center=0.0 if plus else 0.5,
        usual=_USUAL if plus else replace(_USUAL, resize='letterbox'),
        padding=0,
    )


def _read_stride_outputs(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Of each stride, scores and distributions by themselves: PicoDet has the same."""
    layout = find_stride_outputs(seen, info, network_wh, 'nanodet')
    if layout is None or (info.layout == '' and are_named_by_paddle(seen)):
        return None
    is_named = any(_NAME in each.name.lower() for each in seen)
    if info.layout == '' and not is_named and len(layout.grid) > len(_STRIDES[0]):
        raise ParameterError(
            f'{listed(seen)} of {info.path or "the model"} are scores and distributions of four '
            "strides, measured from the middle of each cell (PicoDet: set 'layout' to picodet) "
            "or from its corner (NanoDet-Plus: set 'layout' to nanodet)",
            'layout',
        )
    return _as_nanodet(layout)


def or_nanodet(only: Output) -> str:
    """What an error adds if an output may be of NanoDet as well; '' if it may not."""
    classes = only.columns_a_row - 4 * _BINS
    if classes < 1 or not are_probabilities(only.array[..., :classes]):
        return ''
    of_classes = counted(classes, 'class')
    return f" or with {of_classes} and distributions (NanoDet: set 'layout' to nanodet)"


FAMILY = Family(
    'nanodet', 'one row a cell, whose last 32 values alone are no probabilities', read_nanodet
)
