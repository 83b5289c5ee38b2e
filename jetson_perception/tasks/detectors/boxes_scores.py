"""Detectors with corners and scores of every cell in two outputs: YOLO-NAS, PP-YOLOE.

A box counts once for each class that reaches its threshold, as in SuperGradients'
`PPYoloEPostPredictionCallback` and PaddleDetection's `multiclass_nms`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.tasks.cells import cell_counts
from jetson_perception.tasks.detectors.box_layout import BoxLayout
from jetson_perception.tasks.detectors.family import Family
from jetson_perception.tasks.detectors.output import (
    are_corners,
    are_probabilities,
    is_relative,
    one,
)

if TYPE_CHECKING:
    from jetson_perception.model_info import ModelInfo
    from jetson_perception.tasks.detectors.output import Output


def read_boxes_scores(
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
        suppresses=True,
    )


FAMILY = Family(
    'boxes_scores', 'corners of each cell, and scores of as many rows', read_boxes_scores
)
