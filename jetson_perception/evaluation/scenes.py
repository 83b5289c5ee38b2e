"""Rendered scenes as datasets: their truth is exact, and no model was trained on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jetson_perception.camera.scene_kinds import scene_kind
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.evaluation.datasets import (
    LabelledMask,
    LabelledObjects,
    ObjectDataset,
    ObjectTruth,
    PixelDataset,
)

if TYPE_CHECKING:
    from jetson_perception.camera.scene_kinds import SceneKind

_DEFAULT_COUNT = 200
_SIZE_WH = (1280, 720)


def open_scene(text: str) -> PixelDataset | ObjectDataset:
    """The dataset that a text such as `scene://oranges?count=200` names; always the same pictures.

    Raises
    ------
    ParameterError
        When there is no such scene, it is not installed, or the text sets anything but a count.
    """
    name, _, query = text.partition('://')[2].partition('?')
    try:
        kind = scene_kind(name)
    except SourceError as err:
        raise ParameterError(str(err), 'dataset') from err
    settings = dict(parse_qsl(query, keep_blank_values=True))
    count = settings.pop('count', str(_DEFAULT_COUNT))
    if settings or not re.fullmatch('[0-9]{1,9}', count) or int(count) < 1:
        raise ParameterError(
            f'{text}: expected scene://{name}?count=N with N of 1 or more', 'dataset'
        )
    return _dataset(kind, int(count))


def _dataset(kind: SceneKind, count: int) -> PixelDataset | ObjectDataset:
    stills: Any = kind.evaluation(count, _SIZE_WH)
    if not kind.knows_objects:
        return PixelDataset(count, (LabelledMask(*still) for still in stills))
    pictures = (
        LabelledObjects(
            name,
            bgr,
            ObjectTruth(truth.xyxy, truth.class_id, truth.annotated_keypoints(), area=truth.area),
        )
        for name, bgr, truth in stills
    )
    return ObjectDataset(count, pictures, kind.class_names, kind.keypoint_count)
