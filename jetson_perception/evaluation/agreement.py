"""How far two engines of one model agree on the same pictures.

This does not show which of two results is right: measuring that takes a dataset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.evaluation.confusion import ConfusionMatrix
from jetson_perception.evaluation.evaluators import instance_mask
from jetson_perception.evaluation.oriented_overlap import oriented_ious
from jetson_perception.printable import counted
from jetson_perception.tasks.box_overlap import box_ious
from jetson_perception.tasks.classification import ClassificationOptions
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.results import oriented_corners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.models import ClassificationModel, Model, SegmentationModel, YoloModel
    from jetson_perception.tasks.results import Classification, Detections

_KEYPOINT_SCORE = 0.5  # if both scores are below it, the keypoint's position is meaningless


@dataclass(frozen=True, slots=True)
class Drift:
    """How far values lie apart.

    Attributes
    ----------
    median, p99, largest : float
        Statistics of the absolute differences.
    where : str
        The picture with the largest difference.
    """

    median: float
    p99: float
    largest: float
    where: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of what counts as agreement.

    Attributes
    ----------
    matched : float
        Least share of boxes with a partner, 0 to 1; for classifiers, least share of pictures with
        the same best class.
    score_drift : float
        Largest 99th percentile of score differences.
    corner_drift : float
        The same for the corners of boxes, in pixels of the picture.
    keypoint_drift : float
        The same for keypoints, in pixels.
    mask_agreement : float
        Least share of pixels with the same class; for instance masks, least mean IoU of partners'
        masks.
    """

    matched: float = 0.95
    score_drift: float = 0.1
    corner_drift: float = 8.0
    keypoint_drift: float = 8.0
    mask_agreement: float = 0.98


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit and the measured value.

    Attributes
    ----------
    figure : str
        Its name in tables.
    value : float
        What was measured.
    bound : float
        Its limit.
    at_least : bool
        True for a share, which must reach the bound; False for a drift, which must not exceed it.
    """

    figure: str
    value: float
    bound: float
    at_least: bool

    @property
    def kept(self) -> bool:
        """Whether the value is within the limit; NaN never is."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        return f'≥ {self.bound:g}' if self.at_least else f'p99 ≤ {self.bound:g}'


@dataclass
class _Values:
    """Differences of one kind, and the picture that each belongs to."""

    values: list[float] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)

    def add(self, differences: NDArray[np.floating], picture: str) -> None:
        self.values += differences.ravel().tolist()
        self.pictures += [picture] * differences.size

    def drift(self) -> Drift:
        median, p99 = np.percentile(self.values, (50, 99))
        largest = int(np.argmax(self.values))
        return Drift(float(median), float(p99), self.values[largest], self.pictures[largest])


class Agreement:
    """How far two models agree; `make_agreement` makes one."""

    def __init__(self) -> None:
        self.picture_count = 0

    def add(self, picture: str, bgr: NDArray[np.uint8]) -> None:
        """Run both on a picture and compare."""
        raise NotImplementedError

    def drifts(self) -> dict[str, Drift]:
        """Differences by name; only those that were measured."""
        raise NotImplementedError

    def shares(self) -> dict[str, float]:
        """Shares by name, 0 to 1."""
        raise NotImplementedError

    def check(self, limits: Limits) -> list[Limit]:
        """Each limit that applies.

        Raises
        ------
        PerceptionError
            When there was nothing to compare.
        """
        raise NotImplementedError

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types."""
        return {
            'pictures': self.picture_count,
            **{_key(name): value for name, value in self.shares().items()},
            **{
                _key(name): {
                    'median': drift.median,
                    'p99': drift.p99,
                    'largest': drift.largest,
                    'where': drift.where,
                }
                for name, drift in self.drifts().items()
            },
        }


class DetectionAgreement(Agreement):
    """Boxes, keypoints and instance masks of two engines.

    Boxes of the same class are paired, largest overlap first, down to an IoU of `match_iou`. Both
    engines are asked for boxes down to half the score threshold: a box that one engine scores just
    above the threshold and the other just below has a partner, and the difference shows as drift.
    A box counts if it or its partner reaches the threshold.

    Parameters
    ----------
    one, other : YoloModel
        The engines.
    options : DetectionOptions
        Thresholds.
    match_iou : float
        Least IoU of a pair, 0 to 1.
    """

    def __init__(
        self,
        one: YoloModel,
        other: YoloModel,
        options: DetectionOptions | None = None,
        match_iou: float = 0.5,
    ) -> None:
        super().__init__()
        self._options = options or DetectionOptions()
        self._match_iou = match_iou
        self._models = one, other
        self._low = DetectionOptions(
            score_threshold=self._options.score_threshold / 2,
            iou_threshold=self._options.iou_threshold,
            max_detections=self._options.max_detections,
            class_agnostic=self._options.class_agnostic,
        )
        self.matched = 0
        self.only_one = 0
        self.only_other = 0
        self._scores, self._corners, self._keypoints = _Values(), _Values(), _Values()
        self._mask_ious = _Values()

    def add(self, picture: str, bgr: NDArray[np.uint8]) -> None:
        """Run both on a picture and compare."""
        self.picture_count += 1
        one, other = (self._run(model, bgr) for model in self._models)
        rows, columns = match_boxes(one, other, self._match_iou)
        threshold = self._options.score_threshold
        counts = np.maximum(one.score[rows], other.score[columns]) >= threshold
        rows, columns = rows[counts], columns[counts]
        self.matched += len(rows)
        self.only_one += _alone(one, rows, threshold)
        self.only_other += _alone(other, columns, threshold)
        self._scores.add(np.abs(one.score[rows] - other.score[columns]), picture)
        self._corners.add(_corner_drifts(one, other, rows, columns), picture)
        if one.keypoints is not None and other.keypoints is not None:
            mine, theirs = one.keypoints[rows], other.keypoints[columns]
            there = np.maximum(mine[..., 2], theirs[..., 2]) >= _KEYPOINT_SCORE
            distance = np.linalg.norm(mine[..., :2] - theirs[..., :2], axis=-1)
            self._keypoints.add(distance[there], picture)
        if all(model.has_masks for model in self._models):
            ious = [
                _mask_iou(instance_mask(one, i), instance_mask(other, k))
                for i, k in zip(rows.tolist(), columns.tolist(), strict=True)
            ]
            self._mask_ious.add(np.array(ious, float), picture)

    def drifts(self) -> dict[str, Drift]:
        """Drift of partners' scores, corners and keypoints."""
        named = {
            'score drift': self._scores,
            'corner drift, px': self._corners,
            'keypoint drift, px': self._keypoints,
        }
        return {name: values.drift() for name, values in named.items() if values.values}

    def shares(self) -> dict[str, float]:
        """Share of boxes with a partner, and mean IoU of partners' masks."""
        total = self.matched + self.only_one + self.only_other
        shares = {'boxes matched': self.matched / total if total else float('nan')}
        if self._mask_ious.values:
            shares['mask agreement (mean IoU)'] = float(np.mean(self._mask_ious.values))
        return shares

    def check(self, limits: Limits) -> list[Limit]:
        """Each limit that applies."""
        if not self.matched + self.only_one + self.only_other:
            raise PerceptionError(
                f'neither engine found anything in {counted(self.picture_count, "picture")} at '
                f'a score threshold of {self._options.score_threshold:g}, so nothing was '
                'compared; use pictures that show what the model finds'
            )
        bounds = {
            'score drift': limits.score_drift,
            'corner drift, px': limits.corner_drift,
            'keypoint drift, px': limits.keypoint_drift,
        }
        shares = self.shares()
        checked = [Limit('boxes matched', shares['boxes matched'], limits.matched, True)]
        for name, drift in self.drifts().items():
            checked.append(Limit(name, drift.p99, bounds[name], False))
        name = 'mask agreement (mean IoU)'
        if name in shares:
            checked.append(Limit(name, shares[name], limits.mask_agreement, True))
        return checked

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types."""
        counts = {
            'boxes_matched_count': self.matched,
            'boxes_only_a': self.only_one,
            'boxes_only_b': self.only_other,
        }
        return {**super().figures(), **counts}

    def _run(self, model: YoloModel, bgr: NDArray[np.uint8]) -> Detections:
        tensor, transform = model.preprocess(bgr)
        return model.postprocess(model.infer(tensor), transform, self._low)


class MaskAgreement(Agreement):
    """Class masks of two engines.

    Parameters
    ----------
    one, other : SegmentationModel
        The engines.
    """

    def __init__(self, one: SegmentationModel, other: SegmentationModel) -> None:
        super().__init__()
        self._models = one, other
        # Class ids may have no names, and a mask has at most 256 of them.
        self.confusion = ConfusionMatrix(256)
        self._different = _Values()

    def add(self, picture: str, bgr: NDArray[np.uint8]) -> None:
        """Run both on a picture and compare."""
        self.picture_count += 1
        one, other = (model(bgr).mask for model in self._models)
        self.confusion.add(one, other)
        self._different.add(np.array(float((one != other).mean())), picture)

    def drifts(self) -> dict[str, Drift]:
        """Share of pixels that differ, over the pictures."""
        values = self._different
        return {'pixels that differ': values.drift()} if values.values else {}

    def shares(self) -> dict[str, float]:
        """Share of pixels with the same class, and the mean IoU of the classes that occur."""
        return {
            'mask agreement (pixels)': self.confusion.accuracy(),
            'mIoU': self.confusion.mean_iou(),
        }

    def check(self, limits: Limits) -> list[Limit]:
        """Each limit that applies."""
        if not self.picture_count:
            raise PerceptionError('there were no pictures to compare')
        name = 'mask agreement (pixels)'
        return [Limit(name, self.shares()[name], limits.mask_agreement, True)]


class ClassAgreement(Agreement):
    """The best class of two engines.

    Parameters
    ----------
    one, other : ClassificationModel
        The engines.
    """

    _SHARE, _DRIFT = 'same best class', 'score drift'

    def __init__(self, one: ClassificationModel, other: ClassificationModel) -> None:
        super().__init__()
        self._models = one, other
        self._options = ClassificationOptions(score_threshold=0, top_k=one.layout.class_count)
        self.same = 0
        self._scores = _Values()

    def add(self, picture: str, bgr: NDArray[np.uint8]) -> None:
        """Run both on a picture and compare."""
        self.picture_count += 1
        one, other = (self._run(model, bgr) for model in self._models)
        best = one.class_id[0]
        self.same += int(best == other.class_id[0])
        theirs = other.score[other.class_id == best]
        self._scores.add(np.abs(one.score[:1] - theirs), picture)

    def drifts(self) -> dict[str, Drift]:
        """Drift of the score of the first engine's best class."""
        return {self._DRIFT: self._scores.drift()} if self._scores.values else {}

    def shares(self) -> dict[str, float]:
        """Share of pictures with the same best class."""
        return {self._SHARE: self.same / max(self.picture_count, 1)}

    def check(self, limits: Limits) -> list[Limit]:
        """Each limit that applies."""
        if not self.picture_count:
            raise PerceptionError('there were no pictures to compare')
        return [
            Limit(self._SHARE, self.shares()[self._SHARE], limits.matched, True),
            Limit(self._DRIFT, self.drifts()[self._DRIFT].p99, limits.score_drift, False),
        ]

    def _run(self, model: ClassificationModel, bgr: NDArray[np.uint8]) -> Classification:
        tensor, transform = model.preprocess(bgr)
        return model.postprocess(model.infer(tensor), transform, self._options)


def make_agreement(
    one: Model[Any, Any],
    other: Model[Any, Any],
    options: DetectionOptions | None = None,
    match_iou: float = 0.5,
) -> Agreement:
    """The comparison for these two models.

    Raises
    ------
    ParameterError
        When the models differ in task, classes or keypoints.
    """
    require_equal(one, other, 'task', one.task.title, other.task.title)
    require_equal(one, other, 'classes', one.class_names, other.class_names)
    agreement: Agreement = one.task.agreement(one, other, options, match_iou)
    return agreement


def require_equal(
    one: Model[Any, Any], other: Model[Any, Any], what: str, first: object, second: object
) -> None:
    """Check that two models have equal values of what a comparison requires.

    Raises
    ------
    ParameterError
        When they do not; the message says how they differ.
    """
    if first != second:
        raise ParameterError(
            f'{one.info.path} and {other.info.path} differ in their {what}, {_shown(first)} '
            f'and {_shown(second)}; compare two engines or files of one model'
        )


def match_boxes(
    one: Detections, other: Detections, least_iou: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of overlapping boxes of the same class, best first; each box is in at most one pair.

    Parameters
    ----------
    one, other : Detections
        What two engines found in the same picture.
    least_iou : float
        Least IoU of a pair, 0 to 1.

    Returns
    -------
    rows, columns : ndarray, shape (pairs,), intp
        Indices into `one` and `other`.
    """
    if one.oriented is not None and other.oriented is not None:
        iou = oriented_ious(one.oriented, other.oriented)
    else:
        iou = box_ious(one.xyxy.astype(np.float64), other.xyxy.astype(np.float64))
    iou[one.class_id[:, None] != other.class_id] = -1
    pairs = list(_greedy(iou, least_iou))
    found = np.array(pairs, np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _greedy(iou: NDArray[np.float64], least: float) -> Iterator[tuple[int, int]]:
    candidates = np.argwhere((iou >= least) & (iou > 0))
    order = np.argsort(-iou[tuple(candidates.T)], kind='stable')
    rows: set[int] = set()
    columns: set[int] = set()
    for row, column in candidates[order].tolist():
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            yield row, column


def _alone(found: Detections, paired: NDArray[np.intp], threshold: float) -> int:
    """How many boxes that reach the threshold have no partner."""
    alone = found.score >= threshold
    alone[paired] = False
    return int(alone.sum())


def _corner_drifts(
    one: Detections, other: Detections, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.floating]:
    """How far the boxes of each pair lie apart, shape (pairs,).

    Of upright boxes, the side that moved most; of oriented ones, the corner, where corners go
    with those that suit best: a box turned by a quarter, with its sides swapped, is the same.
    """
    if one.oriented is None or other.oriented is None:
        return np.asarray(np.abs(one.xyxy[rows] - other.xyxy[columns]).max(axis=1, initial=0))
    mine = oriented_corners(one.oriented[rows])
    theirs = oriented_corners(other.oriented[columns])
    distances = [
        np.linalg.norm(mine - np.roll(theirs, turns, axis=1), axis=-1).max(axis=1)
        for turns in range(4)
    ]
    return np.min(distances, axis=0)


def _mask_iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f'{len(value)} ({", ".join(value[:3])}{", …" if len(value) > 3 else ""})'
    return str(value)


def _key(name: str) -> str:
    """A table's name as a JSON key."""
    words = name.replace(',', '').replace('(', '').replace(')', '').split()
    return '_'.join(words).lower()
