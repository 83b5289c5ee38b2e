"""PicoDet of PaddleDetection, exported without its post-processing: two outputs a stride."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.stride_outputs import (
    are_named_by_paddle,
    find_stride_outputs,
)

if TYPE_CHECKING:
    from jetson_perception.tasks.detectors.box_layout import BoxLayout
    from jetson_perception.tasks.detectors.output import Output

_USUAL = ModelInfo(resize='stretch', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def read_picodet(
    seen: list[Output], info: ModelInfo, network_wh: tuple[int, int]
) -> BoxLayout | None:
    """Scores and distributions of each stride, measured from the middle of a cell.

    NanoDet has the same outputs, so only `layout` or names that PaddlePaddle gives tell it.
    """
    layout = find_stride_outputs(seen, info, network_wh, 'picodet')
    if layout is None or not (info.layout or are_named_by_paddle(seen)):
        return None
    told_by = layout.told_by if info.layout else f'{layout.told_by}, with names of PaddlePaddle'
    return replace(layout, clips=False, cell_center=0.5, usual=_USUAL, told_by=told_by)


FAMILY = Family(
    'picodet',
    'scores and distributions of each stride, with names of PaddlePaddle',
    read_picodet,
)
