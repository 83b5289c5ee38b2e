"""All families of detectors that are no YOLO, in the order in which they are tried.

Shapes alone mislead: (1, 300, 84) may be boxes of RT-DETR or of an end-to-end YOLO with 26
keypoints. So names, types and values of the outputs of a run tell as well, and whatever can be
read in several ways is an error that names them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError
from jetson_perception.tasks.detectors import (
    boxes_scores,
    nanodet,
    picodet,
    queries,
    rows_of_six,
    suppressed,
    yolox,
)
from jetson_perception.tasks.detectors.output import listed, outputs_seen

if TYPE_CHECKING:
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.box_layout import BoxLayout
    from jetson_perception.tasks.network_outputs import NetworkOutputs

FAMILIES = (
    suppressed.FAMILY,
    rows_of_six.FAMILY,
    *queries.FAMILIES,
    boxes_scores.FAMILY,
    nanodet.FAMILY,
    picodet.FAMILY,
    yolox.FAMILY,
)


def recognize_boxes(outputs: NetworkOutputs, info: ModelInfo) -> BoxLayout | None:
    """How outputs hold boxes, for a detector that is no YOLO; None where they don't.

    Parameters
    ----------
    outputs : NetworkOutputs
        Of a run.
    info : ModelInfo
        `layout`, `box_format`, `task` and `class_names` are used; all may be empty.

    Raises
    ------
    ModelError
        When `layout` names a family here, and the outputs are none of its.
    ParameterError
        When they can be read in several ways, of which one is no YOLO; the error names the
        parameter that decides.
    """
    if info.task == 'pose':
        return None
    wanted = info.layout
    families = [each for each in FAMILIES if wanted in ('', each.name)]
    if not families:
        return None
    seen = outputs_seen(outputs)
    for family in families:
        found = family.read(seen, info, outputs.network_wh)
        if found is not None:
            return _completed(found, info)
    if wanted:
        raise ModelError(
            f'layout is {wanted!r}, and {info.path or "the model"} gives {listed(seen)}, which '
            'hold no such boxes; leave layout at auto, or give the one that the model has'
        )
    return None


def _completed(layout: BoxLayout, info: ModelInfo) -> BoxLayout:
    """The layout, with what it was told by, and boxes written as `box_format` says."""
    # Several families may share a reader, so the layout tells which one it is.
    of_family = (each.told_by for each in FAMILIES if each.name == layout.family)
    told_by = layout.told_by or next(of_family)
    if not info.box_format:
        return replace(layout, told_by=told_by)
    return replace(
        layout,
        told_by=told_by,
        corners=info.box_format != 'cxcywh',
        rows_first=info.box_format == 'yxyx',
    )
