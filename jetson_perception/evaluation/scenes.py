"""Rendered scenes as datasets: their truth is exact, and no training has seen them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from jetson_perception.camera.scenes import oranges, people
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.datasets import (
    LabelledMask,
    LabelledObjects,
    ObjectDataset,
    ObjectTruth,
    PixelDataset,
)
from jetson_perception.printable import quoted
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_COUNT = 200


def _oranges(count: int) -> PixelDataset:
    stills = oranges.evaluation_stills(count)
    return PixelDataset(count, (LabelledMask(*still) for still in stills))


def _people(count: int) -> ObjectDataset:
    stills = people.evaluation_stills(count)
    pictures = (LabelledObjects(name, bgr, _objects(truth)) for name, bgr, truth in stills)
    return ObjectDataset(count, pictures, people.CLASS_NAMES, len(COCO_KEYPOINT_NAMES))


def _objects(truth: people.PeopleTruth) -> ObjectTruth:
    points = truth.annotated_keypoints()
    return ObjectTruth(truth.xyxy, truth.class_id, points, area=truth.area)


SCENES: dict[str, Callable[[int], PixelDataset | ObjectDataset]] = {
    'oranges': _oranges,
    'people': _people,
}
"""From a number of pictures to the dataset, by the scene's name."""


def open_scene(text: str) -> PixelDataset | ObjectDataset:
    """The dataset that `scene://oranges?count=200` means; always the same pictures.

    Raises
    ------
    ParameterError
        When there is no such scene, or something else than a count is asked for.
    """
    name, _, query = text.partition('://')[2].partition('?')
    if name not in SCENES:
        raise ParameterError(
            f'{text}: there is no scene {quoted(name)} with a truth; there is {", ".join(SCENES)}',
            'dataset',
        )
    settings = dict(parse_qsl(query, keep_blank_values=True))
    count = settings.pop('count', str(_DEFAULT_COUNT))
    if settings or not re.fullmatch('[0-9]{1,9}', count) or int(count) < 1:
        raise ParameterError(
            f'{text}: expected scene://{name}?count=N with N of 1 or more', 'dataset'
        )
    return SCENES[name](int(count))
