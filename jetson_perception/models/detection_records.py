"""Objects of one image in JSON's types, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.tasks.results import Detections

_MOST_SCORES = 3  # of one class that are written in words


def records(
    found: Detections, class_name: Callable[[int], str], keypoint_names: Sequence[str]
) -> list[dict[str, Any]]:
    """A mapping for each object, best score first, in JSON's types.

    Pixels and scores are rounded to what is worth reading; with masks, `pixels` counts those of
    the object. Empty if nothing was found.
    """
    every = [_record(found, row, class_name, keypoint_names) for row in range(len(found))]
    if found.instance_ids is not None:
        pixels = np.bincount(found.instance_ids.ravel(), minlength=len(found) + 1)
        for each, count in zip(every, pixels[1:].tolist(), strict=True):
            each['pixels'] = count
    return every


def in_words(found: Detections, class_name: Callable[[int], str]) -> str:
    """How many objects of each class, with the best scores; '' if nothing was found."""
    scores: dict[int, list[float]] = {}
    for row in np.argsort(-found.score, kind='stable').tolist():
        scores.setdefault(int(found.class_id[row]), []).append(float(found.score[row]))
    return ', '.join(
        _objects(class_name(class_id), of_class) for class_id, of_class in scores.items()
    )


def _objects(name: str, scores: list[float]) -> str:
    """Objects of one class, the best first: '5 person (0.91, 0.88, 0.80, …)'."""
    count = f'{len(scores)} ' if len(scores) > 1 else ''
    more = ', …' if len(scores) > _MOST_SCORES else ''
    best = ', '.join(f'{score:.2f}' for score in scores[:_MOST_SCORES])
    return f'{count}{name} ({best}{more})'


def _record(
    found: Detections,
    row: int,
    class_name: Callable[[int], str],
    keypoint_names: Sequence[str],
) -> dict[str, Any]:
    class_id = int(found.class_id[row])
    detection: dict[str, Any] = {
        'class_id': class_id,
        'class_name': class_name(class_id),
        'score': round(float(found.score[row]), 5),
        'xyxy': [round(float(value), 2) for value in found.xyxy[row]],
    }
    if found.oriented is not None:
        names = ('x', 'y', 'width', 'height', 'theta')
        values = zip(names, found.oriented[row], strict=True)
        detection['oriented'] = {name: round(float(value), 4) for name, value in values}
    if found.track_id is not None:
        track = int(found.track_id[row])
        detection['track_id'] = track if track >= 0 else None
    if found.keypoints is not None:
        points = zip(keypoint_names, found.keypoints[row], strict=True)
        detection['keypoints'] = [
            {
                'name': name,
                'x': round(float(x), 2),
                'y': round(float(y), 2),
                'score': round(float(score), 5),
            }
            for name, (x, y, score) in points
        ]
    return detection
