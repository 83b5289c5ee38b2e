"""What counts as a detection, and the thresholds of scores that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.classes import MAX_CLASSES
from jetson_perception.tasks.numbers import is_number, is_whole_number

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

MAX_CANDIDATES = 1000
"""At most this many boxes, the best by score, enter the suppression. A frame has tens to a few
hundred; the limit keeps a threshold near 0 from stalling the pipeline."""


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """What counts as a detection. Replaced as a whole, so that each frame sees one set.

    Attributes
    ----------
    score_threshold : float
        Boxes that score less are dropped, 0 to 1.
    iou_threshold : float
        A box whose IoU with a better one is higher is dropped, 0 to 1; unused for end-to-end
        models.
    max_detections : int
        At most this many boxes per image, the best ones.
    class_agnostic : bool
        Let boxes of different classes suppress each other.
    class_ids : tuple of int or None
        Keep only boxes whose best class is one of these; None for all. Other boxes are dropped
        before the suppression, so they suppress no box and do not count as `max_detections`.
    class_score_thresholds : tuple of (int, float)
        Class ids, each with the threshold that replaces `score_threshold` for its boxes.

    Raises
    ------
    ParameterError
        When a value is out of range.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.7
    max_detections: int = 300
    class_agnostic: bool = False
    class_ids: tuple[int, ...] | None = None
    class_score_thresholds: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        # Converted to one type: 0 and 0.0 are equal, so a cache would take one for the other.
        put = partial(object.__setattr__, self)
        for name in ('score_threshold', 'iou_threshold'):
            put(name, _fraction(getattr(self, name), f'{name} is', name))
        name = 'class_score_thresholds'
        thresholds = (
            (_class_id(class_id), _fraction(value, f'{name} has', name, f' for class {class_id}'))
            for class_id, value in self.class_score_thresholds
        )
        put(name, tuple(thresholds))
        if self.class_ids is not None:
            put('class_ids', tuple(_class_id(class_id) for class_id in self.class_ids))
        if not is_whole_number(self.max_detections) or self.max_detections < 1:
            raise ParameterError(
                f'max_detections is {self.max_detections!r}; give 1 or more', 'max_detections'
            )
        if not isinstance(self.class_agnostic, bool | np.bool_):
            raise ParameterError(
                f'class_agnostic is {self.class_agnostic!r}; give True or False', 'class_agnostic'
            )

    def down_to(self, score: float) -> DetectionOptions:
        """The same, with every threshold of scores lowered to `score` if it is higher."""
        return replace(
            self,
            score_threshold=min(self.score_threshold, score),
            class_score_thresholds=tuple(
                (class_id, min(value, score)) for class_id, value in self.class_score_thresholds
            ),
        )


def _fraction(value: Any, said: str, parameter: str, of: str = '') -> float:
    """A setting as a number from 0 to 1; `said` and `of` surround it in the error."""
    if not (is_number(value) and 0 <= float(value) <= 1):
        shown = value if is_number(value) else repr(value)
        raise ParameterError(f'{said} {shown}{of}; give a number from 0 to 1', parameter)
    return float(value)


def _class_id(value: Any) -> int:
    if not is_whole_number(value) or not 0 <= value < MAX_CLASSES:
        raise ParameterError(
            f'{value!r} is not a class id; expected 0 to {MAX_CLASSES - 1}', 'classes'
        )
    return int(value)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreThresholds:
    """The score that a box has to reach."""

    lowest: float
    """A box that scores less is dropped whatever its class."""
    table: NDArray[np.float32] | None
    """Threshold of each class id, the last for all higher ids; None if it is the same for all."""

    def reached(
        self, score: NDArray[np.float32], class_id: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """Where boxes of these scores and classes reach their threshold."""
        if self.table is None:
            return score >= self.lowest
        return score >= self.table[np.minimum(class_id, len(self.table) - 1)]


@lru_cache(maxsize=64)
def thresholds_of(options: DetectionOptions) -> ScoreThresholds:
    """The thresholds that options set."""
    only, own = options.class_ids, dict(options.class_score_thresholds)
    if only is None and not own:
        return ScoreThresholds(options.score_threshold, None)
    count = max((*(only or ()), *own), default=-1) + 2
    table = np.full(count, options.score_threshold, np.float64)
    table[list(own)] = list(own.values())
    if only is not None:
        dropped = np.ones(len(table), bool)
        dropped[list(only)] = False
        table[dropped] = np.inf
    return ScoreThresholds(float(table.min()), table.astype(np.float32))


def score_thresholds(options: DetectionOptions) -> tuple[float, NDArray[np.float32]]:
    """The score thresholds as a table, for decoders on a GPU.

    Returns
    -------
    lowest : float
        A box that scores less is dropped whatever its class.
    table : ndarray, shape (n,), float32
        Threshold of each class id, the last one for all higher ids; infinite for classes that are
        dropped.
    """
    thresholds = thresholds_of(options)
    if thresholds.table is None:
        return thresholds.lowest, np.array([thresholds.lowest], np.float32)
    return thresholds.lowest, thresholds.table
