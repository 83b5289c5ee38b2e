"""MoveNet: keypoints of one person, or of six with their boxes, as TensorFlow exports them.

All coordinates are fractions of the network's input, and y comes before x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.detection_options import thresholds_of
from jetson_perception.tasks.finite import count_not_finite, require_finite
from jetson_perception.tasks.results import Detections, have_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.network_outputs import NetworkOutputs
    from jetson_perception.tasks.preprocess import ImageTransform

_KEYPOINTS = 17
_ONE = (1, 1, _KEYPOINTS, 3)
_SEVERAL = (1, 6, 56)
CLASS_NAMES = ('person',)
_LEAST_KEYPOINT_SCORE = 0.2
"""Of keypoints that bound one person, as in MoveNet's own choice of what to crop."""


@dataclass(frozen=True, slots=True)
class PersonLayout:
    """Keypoints of people.

    Attributes
    ----------
    several : bool
        Whether rows are people: 17 keypoints of y, x, score, then top, left, bottom, right,
        score. Else the output is one person's keypoints.
    output : int
        Its index.
    """

    several: bool
    output: int = 0

    family: ClassVar[str] = 'movenet'
    class_count: ClassVar[int] = 1
    keypoint_count: ClassVar[int] = _KEYPOINTS
    coefficient_count: ClassVar[int] = 0
    told_by: ClassVar[str] = 'the shape, which no other network has'
    usual: ClassVar[ModelInfo] = ModelInfo()
    padding: ClassVar[int] = 0


def recognize_people(outputs: NetworkOutputs, info: ModelInfo) -> PersonLayout | None:
    """MoveNet's layout; None where outputs have another shape, or are said to be another's."""
    if info.task not in ('', 'pose') or info.layout not in ('', 'movenet'):
        return None
    if (
        len(outputs.shapes) != 1
        or outputs.dtype.kind != 'f'
        or info.keypoint_shape
        not in (
            None,
            (_KEYPOINTS, 3),
        )
    ):
        return None
    shape = outputs.shapes[0]
    return PersonLayout(shape == _SEVERAL) if shape in (_ONE, _SEVERAL) else None


def decode_people(
    outputs: Sequence[NDArray[Any]],
    layout: PersonLayout,
    transform: ImageTransform,
    options: DetectionOptions,
) -> Detections:
    """People in pixels of the source image, best score first.

    One person's score is the mean of the keypoints', and the box that of the keypoints that score
    at least 0.2; without any of these, or with all on one line, there is no person.

    Raises
    ------
    ModelError
        When the output has another shape, or a value is NaN or infinite.
    """
    values = outputs[layout.output].astype(np.float32)
    require_people(layout, values.shape)
    require_finite('keypoints', count_not_finite(values), values.size, 'values')
    if layout.several:
        keypoints = values[0, :, : 3 * _KEYPOINTS].reshape(-1, _KEYPOINTS, 3)
        boxes, score = values[0, :, [52, 51, 54, 53]].T, values[0, :, 55]
    else:
        keypoints = values[0]
        boxes, score = _around(keypoints[0]), keypoints[:, :, 2].mean(axis=1)
    class_id = np.zeros(len(score), np.int32)
    reached = np.flatnonzero(thresholds_of(options).reached(score, class_id))
    kept = reached[np.argsort(-score[reached], kind='stable')][: options.max_detections]
    size = np.array(transform.network_wh, np.float32)
    points = keypoints[kept][..., [1, 0, 2]]
    points[..., :2] = transform.points_to_source(points[..., :2] * size)
    xyxy = transform.boxes_to_source(boxes[kept] * np.tile(size, 2))
    found = Detections(xyxy, score[kept], class_id[kept], points)
    return found[have_area(xyxy)]


def _around(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Left, top, right, bottom of the certain keypoints, shape (1, 4); zeros without any."""
    certain = keypoints[keypoints[:, 2] >= _LEAST_KEYPOINT_SCORE][:, 1::-1]
    if not len(certain):
        return np.zeros((1, 4), np.float32)
    return np.concatenate((certain.min(axis=0), certain.max(axis=0)))[np.newaxis]


def require_people(layout: PersonLayout, shape: tuple[int, ...]) -> None:
    """Refuse an output of another shape than the layout's."""
    expected = _SEVERAL if layout.several else _ONE
    if shape != expected:
        raise ModelError(
            f'output {layout.output} is {shape}, which was {expected} when the model was loaded; '
            'load it again'
        )
