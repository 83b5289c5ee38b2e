"""Compares a model with the truth, picture by picture, and gives figures at the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.evaluation.average_precision import (
    AveragePrecision,
    ObjectMatches,
    mean_of_known,
)
from jetson_perception.evaluation.classes import ClassMap
from jetson_perception.evaluation.confusion import ConfusionMatrix
from jetson_perception.printable import counted
from jetson_perception.tasks.classification import ClassificationOptions
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.oriented_boxes import OrientedLayout
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.evaluation.datasets import (
        ClassDataset,
        Dataset,
        LabelledClass,
        LabelledMask,
        LabelledObjects,
        ObjectDataset,
        PixelDataset,
    )
    from jetson_perception.models import ClassificationModel, Model, SegmentationModel, YoloModel

_TITLES = {'boxes': 'box', 'oriented_boxes': 'oriented box', 'keypoints': 'OKS', 'masks': 'mask'}
_PRECISIONS = ('AP50-95', 'AP50')

EVALUATION_OPTIONS = DetectionOptions(score_threshold=0.001)
"""Low, because average precision covers all score thresholds from here up."""


class FigureTable(NamedTuple):
    """A table of figures: each row has a name and one cell per column; NaN if there is none."""

    columns: tuple[str, ...]
    classes: list[tuple[str, tuple[float | str, ...]]]
    totals: list[tuple[str, tuple[float | str, ...]]]


class Evaluator(Protocol):
    """Compares a model with a dataset."""

    class_names: tuple[str, ...]
    picture_count: int

    def add(self, picture: Any) -> None:
        """Run the model on a picture and count."""
        ...

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types; None for what has no value."""
        ...

    def table(self) -> FigureTable:
        """What was measured, class by class."""
        ...

    def means(self) -> dict[str, float]:
        """The figures that tables show for several models side by side."""
        ...

    def classes_left_out(self) -> tuple[str, ...]:
        """Names of classes that occur in the dataset but are unknown to the model."""
        ...


class PixelEvaluator:
    """Evaluates semantic segmentation against class masks.

    Parameters
    ----------
    model : SegmentationModel
        The model to evaluate.
    dataset : PixelDataset
        The dataset to compare it with.
    ignored_id : int, optional
        Pixels with this class id in the truth do not count; often 255.

    Raises
    ------
    ParameterError
        When the model does not say how many classes there are.
    """

    def __init__(
        self, model: SegmentationModel, dataset: PixelDataset, ignored_id: int | None = None
    ) -> None:
        if not model.class_names:
            raise ParameterError(
                f'{model.info.path} gives class ids but does not say how many classes there are; '
                'set class_names, for example --set class_names=[background,ulcer]',
                'class_names',
            )
        self.class_names = model.class_names
        self.confusion = ConfusionMatrix(len(model.class_names))
        self.picture_count = 0
        #: How many had the class id that does not count.
        self.ignored_pixels = 0
        self._model = model
        self._ignored_id = ignored_id

    def add(self, picture: LabelledMask) -> None:
        """Run the model on a picture and count.

        Raises
        ------
        ImageError
            When the truth has a class id that the model lacks.
        """
        self.picture_count += 1
        if self._ignored_id is not None:
            self.ignored_pixels += int(np.count_nonzero(picture.truth == self._ignored_id))
        try:
            self.confusion.add(picture.truth, self._model(picture.bgr).mask, self._ignored_id)
        except ValueError as err:
            raise ImageError(f'{picture.name}: {err}') from err

    def table(self) -> FigureTable:
        """The IoU of each class."""
        values = self.confusion.iou().tolist()
        rows: list[tuple[str, tuple[float | str, ...]]] = [
            (name, ('absent' if math.isnan(value) else value,))
            for name, value in zip(self.class_names, values, strict=True)
        ]
        totals: list[tuple[str, tuple[float | str, ...]]] = [
            ('mean (mIoU)', (self.confusion.mean_iou(),)),
            ('pixels right', (self.confusion.accuracy(),)),
        ]
        return FigureTable(('class', 'IoU'), rows, totals)

    def means(self) -> dict[str, float]:
        """The figures that tables show for several models side by side."""
        return {'mIoU': self.confusion.mean_iou(), 'pixels right': self.confusion.accuracy()}

    def classes_left_out(self) -> tuple[str, ...]:
        """Always empty: a class id in the truth that the model lacks is an error."""
        return ()

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types; None for what has no value."""
        iou = self.confusion.iou().tolist()
        return {
            'pictures': self.picture_count,
            'mean_iou': or_none(self.confusion.mean_iou()),
            'accuracy': or_none(self.confusion.accuracy()),
            'iou': {
                name: or_none(value) for name, value in zip(self.class_names, iou, strict=True)
            },
        }


class ObjectEvaluator:
    """Evaluates a detection, pose, OBB or instance segmentation model against objects.

    Parameters
    ----------
    model : YoloModel
        The model to evaluate.
    dataset : ObjectDataset
        The dataset to compare it with.
    options : DetectionOptions
        What counts as found.

    Attributes
    ----------
    kinds : tuple of str
        What is measured: 'boxes', and 'keypoints' and 'masks' if both sides have them; of a
        detector of oriented boxes, 'oriented_boxes' alone.

    Raises
    ------
    PerceptionError
        When pycocotools is missing.
    ParameterError
        When model and dataset do not match.
    """

    def __init__(
        self,
        model: YoloModel,
        dataset: ObjectDataset,
        options: DetectionOptions = EVALUATION_OPTIONS,
    ) -> None:
        keypoint_count = model.layout.keypoint_count
        if keypoint_count and dataset.keypoint_count not in (0, keypoint_count):
            raise ParameterError(
                f'{model.info.path} finds {counted(keypoint_count, "keypoint")} per object, but '
                f'the dataset has {dataset.keypoint_count}; use a dataset with the same keypoints',
                'dataset',
            )
        self.class_names = dataset.class_names
        self.classes = ClassMap(
            model.info.class_names, model.layout.class_count, dataset.class_names
        )
        oriented = isinstance(model.layout, OrientedLayout)
        if oriented and not dataset.has_outlines:
            raise ParameterError(
                f'{model.info.path} finds oriented boxes, but the dataset has objects with an '
                'upright box alone; use one whose objects all have four corners (class x1 y1 x2 '
                'y2 x3 y3 x4 y4), or an outline',
                'dataset',
            )
        self.kinds: tuple[str, ...] = ('oriented_boxes' if oriented else 'boxes',)
        if keypoint_count and dataset.keypoint_count:
            self.kinds += ('keypoints',)
        if model.has_masks and dataset.has_outlines:
            self.kinds += ('masks',)
        self.matches = ObjectMatches(
            dataset.class_names, dataset.keypoint_count, oriented=oriented
        )
        self.picture_count = 0
        self._model = model
        self._options = options
        self._measured: dict[str, AveragePrecision] = {}

    def add(self, picture: LabelledObjects) -> None:
        """Run the model on a picture and keep what it found."""
        self.picture_count += 1
        self._measured = {}
        tensor, transform = self._model.preprocess(picture.bgr)
        found = self._model.postprocess(self._model.infer(tensor), transform, self._options)
        class_id = self.classes.to_dataset(found.class_id)
        rows = np.flatnonzero(class_id >= 0)
        kept = Detections(
            found.xyxy[rows],
            found.score[rows],
            class_id[rows],
            found.keypoints[rows]
            if found.keypoints is not None and 'keypoints' in self.kinds
            else None,
            oriented=found.oriented[rows] if found.oriented is not None else None,
        )
        masks = None
        if 'masks' in self.kinds:
            masks = (instance_mask(found, row) for row in rows.tolist())
        height, width = picture.bgr.shape[:2]
        self.matches.add(picture.truth, kept, (width, height), masks)

    def measured(self) -> dict[str, AveragePrecision]:
        """Average precision of each of `kinds`, over the classes that the model knows."""
        if not self._measured:
            self._measured = {
                kind: self.matches.average_precision(kind, self.classes.shared)
                for kind in self.kinds
            }
        return self._measured

    def classes_left_out(self) -> tuple[str, ...]:
        """Names of classes that occur in the dataset but are unknown to the model."""
        counts = self.matches.truth_counts()
        return tuple(self.class_names[i] for i in self.classes.missing if counts[i])

    def table(self) -> FigureTable:
        """The average precision of each class that occurs."""
        measured = self.measured()
        columns = [f'{_TITLES[kind]} {figure}' for kind in measured for figure in _PRECISIONS]
        counts = self.matches.truth_counts()
        f1, score = measured[self.kinds[0]].best_f1()
        rows: list[tuple[str, tuple[float | str, ...]]] = []
        for i in self.classes.shared:
            if counts[i]:
                values = [v for ap in measured.values() for v in (ap.ap50_95[i], ap.ap50[i])]
                figures = [float(value) for value in (*values, f1[i], score[i])]
                cells: tuple[float | str, ...] = (str(counts[i]), *figures)
                rows.append((self.class_names[i], cells))
        total = sum(int(counts[i]) for i in self.classes.shared)
        means = [mean_of_known(v) for ap in measured.values() for v in (ap.ap50_95, ap.ap50)]
        return FigureTable(
            ('class', 'objects', *columns, 'best F1', 'at score'),
            rows,
            [('mean (mAP)', (str(total), *means))],
        )

    def means(self) -> dict[str, float]:
        """The figures that tables show for several models side by side."""
        return {
            f'{_TITLES[kind]} m{figure}': mean_of_known(values)
            for kind, ap in self.measured().items()
            for figure, values in zip(_PRECISIONS, (ap.ap50_95, ap.ap50), strict=True)
        }

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types; None for what has no value."""
        counts = self.matches.truth_counts()
        return {
            'pictures': self.picture_count,
            'score_threshold': self._options.score_threshold,
            'iou_threshold': self._options.iou_threshold,
            'max_detections': self._options.max_detections,
            'classes_left_out': list(self.classes_left_out()),
            **{
                kind: {
                    'ap50_95': or_none(mean_of_known(ap.ap50_95)),
                    'ap50': or_none(mean_of_known(ap.ap50)),
                    'ap75': or_none(mean_of_known(ap.by_threshold[5])),
                    'classes': {
                        self.class_names[i]: _class_figures(ap, i, int(counts[i]))
                        for i in self.classes.shared
                        if counts[i]
                    },
                }
                for kind, ap in self.measured().items()
            },
        }


class ClassEvaluator:
    """Evaluates a classifier against pictures of known classes.

    Parameters
    ----------
    model : ClassificationModel
        The model to evaluate.
    dataset : ClassDataset
        The dataset to compare it with.

    Raises
    ------
    ParameterError
        When they have no class in common.
    """

    _TOP = 5

    def __init__(self, model: ClassificationModel, dataset: ClassDataset) -> None:
        self.class_names = dataset.class_names
        self.classes = ClassMap(
            model.info.class_names, model.layout.class_count, dataset.class_names
        )
        self.picture_count = 0
        #: Pictures of each class, shape (classes, 3): all, those whose best class is right, and
        #: those whose class is among the best five.
        self.counts = np.zeros((len(dataset.class_names), 3), np.int64)
        self._model = model
        self._options = ClassificationOptions(score_threshold=0.0, top_k=self._TOP)

    def add(self, picture: LabelledClass) -> None:
        """Run the model on a picture and count."""
        self.picture_count += 1
        tensor, transform = self._model.preprocess(picture.bgr)
        found = self._model.postprocess(self._model.infer(tensor), transform, self._options)
        right = self.classes.to_dataset(found.class_id) == picture.truth
        self.counts[picture.truth] += 1, bool(right[:1].any()), bool(right.any())

    def accuracy(self) -> tuple[float, float]:
        """Top-1 and top-5 accuracy: share of pictures whose class ranks first, or among five."""
        total, top1, top5 = self.counts[list(self.classes.shared)].sum(axis=0).tolist()
        return (top1 / total, top5 / total) if total else (math.nan, math.nan)

    def by_class(self) -> NDArray[np.float64]:
        """Top-1 and top-5 accuracy of each class, shape (classes, 2); NaN if it does not occur."""
        totals = self.counts[:, :1].astype(np.float64)
        unknown = np.full((len(self.counts), 2), np.nan)
        return np.divide(self.counts[:, 1:], totals, out=unknown, where=totals > 0)

    def table(self) -> FigureTable:
        """How often each class was found."""
        shares = self.by_class().tolist()
        occurring = [i for i in self.classes.shared if self.counts[i, 0]]
        rows: list[tuple[str, tuple[float | str, ...]]] = [
            (self.class_names[i], (str(self.counts[i, 0]), *shares[i])) for i in occurring
        ]
        total = str(sum(int(self.counts[i, 0]) for i in occurring))
        return FigureTable(
            ('class', 'pictures', 'top-1', 'top-5'), rows, [('all', (total, *self.accuracy()))]
        )

    def means(self) -> dict[str, float]:
        """The figures that tables show for several models side by side."""
        return dict(zip(('top-1', 'top-5'), self.accuracy(), strict=True))

    def classes_left_out(self) -> tuple[str, ...]:
        """Names of classes that occur in the dataset but are unknown to the model."""
        return tuple(self.class_names[i] for i in self.classes.missing if self.counts[i, 0])

    def figures(self) -> dict[str, Any]:
        """What was measured, in JSON's types; None for what has no value."""
        top1, top5 = self.accuracy()
        shares = self.by_class().tolist()
        return {
            'pictures': self.picture_count,
            'top1': or_none(top1),
            'top5': or_none(top5),
            'classes_left_out': list(self.classes_left_out()),
            'classes': {
                self.class_names[i]: {
                    'pictures': int(self.counts[i, 0]),
                    'top1': or_none(shares[i][0]),
                    'top5': or_none(shares[i][1]),
                }
                for i in self.classes.shared
                if self.counts[i, 0]
            },
        }


def make_evaluator(
    model: Model[Any, Any],
    dataset: Dataset,
    options: DetectionOptions = EVALUATION_OPTIONS,
    ignored_id: int | None = None,
) -> Evaluator:
    """The evaluator for this kind of model and dataset.

    Raises
    ------
    ParameterError
        When model and dataset do not match.
    PerceptionError
        When a library that computes the figures is missing.
    """
    evaluator: Evaluator = model.task.evaluator(model, dataset, options, ignored_id)
    return evaluator


def _class_figures(ap: AveragePrecision, index: int, count: int) -> dict[str, Any]:
    f1, score = ap.best_f1()
    return {
        'objects': count,
        'ap50_95': or_none(ap.ap50_95[index]),
        'ap50': or_none(ap.ap50[index]),
        'best_f1': or_none(f1[index]),
        'best_score_threshold': or_none(score[index]),
    }


def instance_mask(found: Detections, row: int) -> NDArray[np.bool_]:
    """The mask of object `row`, shape (h, w), at the size of the picture.

    Raises
    ------
    ValueError
        When the detections have no masks.
    """
    if found.instance_ids is None:
        raise ValueError('these detections have no masks')
    mask: NDArray[np.bool_] = found.instance_ids == row + 1
    return mask


def or_none(value: float) -> float | None:
    """None for NaN, which JSON lacks."""
    return None if math.isnan(value) else float(value)
