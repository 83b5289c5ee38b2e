"""Average precision of boxes, keypoints and instance masks, by COCO's own evaluation.

pycocotools computes it: IoU of boxes, oriented boxes or masks, or object keypoint similarity
(OKS), at thresholds from 0.50 to 0.95; precision at 101 recalls. Only this module imports it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import PerceptionError
from jetson_perception.evaluation.datasets import usual_areas
from jetson_perception.evaluation.oriented_overlap import box_around, oriented_ious
from jetson_perception.installing import pip_install
from jetson_perception.tasks.detection_options import MAX_CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.evaluation.datasets import ObjectTruth
    from jetson_perception.tasks.results import Detections

KINDS: dict[str, str] = {
    'boxes': 'bbox',
    'oriented_boxes': 'bbox',  # with another overlap
    'keypoints': 'keypoints',
    'masks': 'segm',
}
"""What can be measured, with the name that pycocotools uses."""

# Per picture, as in COCO; pictures from the air show more of a class.
_MOST_A_CLASS = {
    'boxes': 100,
    'oriented_boxes': MAX_CANDIDATES,
    'keypoints': 20,
    'masks': 100,
}


@dataclass(frozen=True, eq=False, slots=True)
class AveragePrecision:
    """How well objects were found.

    Attributes
    ----------
    by_threshold : ndarray, shape (10, classes), float
        Average precision at IoU or OKS thresholds 0.50, 0.55, … 0.95; NaN for a class that is not
        in the truth.
    recall : ndarray, shape (101,), float
        0, 0.01, … 1.
    precision : ndarray, shape (101, classes), float
        At threshold 0.50: the best precision at this recall or higher; 0 where it was not reached.
    score : ndarray, shape (101, classes), float
        The lowest score that gives this recall; 0 where it was not reached.
    """

    by_threshold: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def ap50_95(self) -> NDArray[np.float64]:
        """Mean average precision of each class over the thresholds, shape (classes,)."""
        return self.by_threshold.mean(axis=0)

    @property
    def ap50(self) -> NDArray[np.float64]:
        """Average precision of each class at threshold 0.50, shape (classes,)."""
        return self.by_threshold[0]

    def best_f1(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Highest F1 of each class at threshold 0.50, and the score threshold that gives it.

        NaN for a class that is not in the truth, or was never found.
        """
        recall = self.recall[:, None]
        total = np.maximum(self.precision + recall, np.finfo(float).tiny)
        f1 = 2 * self.precision * recall / total
        best = np.nan_to_num(f1).argmax(axis=0)
        columns = np.arange(f1.shape[1])
        value, score = f1[best, columns], self.score[best, columns]
        score = np.where(value > 0, score, np.nan)
        return value, score


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def require_pycocotools() -> None:
    """Fail early if pycocotools is missing, and say how to install it.

    Raises
    ------
    PerceptionError
        When pycocotools cannot be imported.
    """
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as err:
        raise PerceptionError(
            f'average precision needs pycocotools, which cannot be imported ({err}): '
            f'{pip_install("pycocotools")}'
        ) from err


class ObjectMatches:
    """Collects the truth and the detections, picture by picture.

    Parameters
    ----------
    class_names : sequence of str
        Class names of the dataset.
    keypoint_count : int
        Keypoints per object; 0 for none.
    oriented : bool
        Whether oriented boxes are measured; the truth's are the smallest around its outlines.

    Notes
    -----
    With 17 keypoints, tolerances are COCO's; otherwise all are 1 / k, as in Ultralytics.
    """

    def __init__(
        self, class_names: Sequence[str], keypoint_count: int = 0, *, oriented: bool = False
    ) -> None:
        require_pycocotools()
        self._oriented = oriented
        self._categories = [{'id': i, 'name': name} for i, name in enumerate(class_names)]
        self._keypoint_count = keypoint_count
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(
        self,
        truth: ObjectTruth,
        found: Detections,
        size_wh: tuple[int, int],
        masks: Iterable[NDArray[np.bool_]] | None = None,
    ) -> None:
        """Add one picture.

        Parameters
        ----------
        truth : ObjectTruth
            The objects in it.
        found : Detections
            What was found, with class ids of the dataset.
        size_wh : tuple of int
            Width and height, pixels.
        masks : iterable of ndarray, shape (h, w), bool, optional
            One per detection.
        """
        image_id = len(self._images)
        width, height = size_wh
        self._images.append({'id': image_id, 'width': width, 'height': height})
        self._add_truth(image_id, truth)
        self._add_found(image_id, found, masks)

    def truth_counts(self) -> NDArray[np.int64]:
        """How many objects of each class there are, without crowds; shape (classes,)."""
        ids = [each['category_id'] for each in self._truth if not each['iscrowd']]
        return np.bincount(np.array(ids, np.intp), minlength=len(self._categories))

    def average_precision(
        self, kind: str, class_ids: Sequence[int] | None = None
    ) -> AveragePrecision:
        """Average precision of one of `KINDS`.

        Parameters
        ----------
        kind : str
            'boxes', 'oriented_boxes', 'keypoints' or 'masks'.
        class_ids : sequence of int, optional
            Only these classes; the others come out as NaN.
        """
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            sides = []
            for annotations in (self._truth, self._found):
                side = COCO()
                side.dataset = {
                    'images': self._images,
                    'categories': self._categories,
                    # pycocotools writes marks into the records.
                    'annotations': [dict(each) for each in annotations],
                }
                side.createIndex()
                sides.append(side)
            evaluation = COCOeval(*sides, iouType=KINDS[kind])
            if kind == 'oriented_boxes':
                evaluation.computeIoU = partial(_oriented_ious, evaluation)
            parameters = evaluation.params
            parameters.areaRng, parameters.areaRngLbl = [[0, 1e10]], ['all']
            parameters.maxDets = [_MOST_A_CLASS[kind]]
            parameters.catIds = list(range(len(self._categories)))
            if class_ids is not None:
                parameters.catIds = sorted(class_ids)
            if kind == 'keypoints' and self._keypoint_count != len(parameters.kpt_oks_sigmas):
                tolerance = 1 / self._keypoint_count
                parameters.kpt_oks_sigmas = np.full(self._keypoint_count, tolerance)
            evaluation.evaluate()
            evaluation.accumulate()
        return self._result(evaluation.eval, parameters)

    def _result(self, figures: dict[str, Any], parameters: Any) -> AveragePrecision:
        # (thresholds, recalls, classes, areas, numbers of detections); -1 marks absent classes.
        precision = figures['precision'][..., 0, 0]
        scores = figures['scores'][..., 0, 0]
        absent = (precision < 0).all(axis=(0, 1))
        thresholds, recalls, _ = precision.shape
        classes = len(self._categories)
        by_threshold = np.full((thresholds, classes), np.nan)
        at_50 = np.full((recalls, classes), np.nan)
        score_at_50 = np.full((recalls, classes), np.nan)
        for column, class_id in enumerate(parameters.catIds):
            if not absent[column]:
                by_threshold[:, class_id] = precision[..., column].mean(axis=1)
                at_50[:, class_id] = precision[0, :, column]
                score_at_50[:, class_id] = scores[0, :, column]
        return AveragePrecision(by_threshold, parameters.recThrs, at_50, score_at_50)

    def _add_truth(self, image_id: int, truth: ObjectTruth) -> None:
        areas = usual_areas(truth.xyxy) if truth.area is None else truth.area
        for row in range(len(truth)):
            record = self._record(image_id, len(self._truth), truth.xyxy[row])
            record['category_id'] = int(truth.class_id[row])
            record['area'] = float(areas[row])
            record['iscrowd'] = int(truth.crowd is not None and truth.crowd[row])
            if truth.keypoints is not None:
                points = truth.keypoints[row]
                record['keypoints'] = points.ravel().tolist()
                record['num_keypoints'] = int((points[:, 2] > 0).sum())
            if truth.outlines is not None:
                record['segmentation'] = truth.outlines[row]
                if self._oriented:
                    record['oriented'] = box_around(_points_of(truth.outlines[row]))
            self._truth.append(record)

    def _add_found(
        self, image_id: int, found: Detections, masks: Iterable[NDArray[np.bool_]] | None
    ) -> None:
        encoded = _encoded(masks) if masks is not None else None
        areas = usual_areas(found.xyxy)
        for row in range(len(found)):
            record = self._record(image_id, len(self._found), found.xyxy[row])
            record['category_id'] = int(found.class_id[row])
            record['score'] = float(found.score[row])
            record['area'] = float(areas[row])
            record['iscrowd'] = 0
            if found.keypoints is not None:
                record['keypoints'] = found.keypoints[row].ravel().tolist()
            if found.oriented is not None:
                record['oriented'] = found.oriented[row]
            if encoded is not None:
                record['segmentation'] = encoded[row]
            self._found.append(record)

    @staticmethod
    def _record(image_id: int, index: int, xyxy: NDArray[np.floating]) -> dict[str, Any]:
        left, top, right, bottom = map(float, xyxy)
        # Ids start at 1, because 0 means 'not matched' to pycocotools.
        return {
            'id': index + 1,
            'image_id': image_id,
            'bbox': [left, top, right - left, bottom - top],
        }


def _oriented_ious(evaluation: Any, image_id: int, class_id: int) -> NDArray[np.float64]:
    """What `COCOeval.computeIoU` gives of a picture and class: rows are detections, best first."""
    truth = evaluation._gts[image_id, class_id]
    found = evaluation._dts[image_id, class_id]
    order = np.argsort([-each['score'] for each in found], kind='mergesort')
    boxes, true_boxes = (
        np.array([each['oriented'] for each in side], np.float64).reshape(-1, 5)
        for side in ([found[i] for i in order[: evaluation.params.maxDets[-1]]], truth)
    )
    crowd = np.array([bool(each['iscrowd']) for each in truth], bool)
    return oriented_ious(boxes, true_boxes, crowd)


def _points_of(outline: Any) -> NDArray[np.float64]:
    """The corners of polygons, or of the pixels of a run-length encoded mask, shape (n, 2)."""
    from pycocotools import mask

    if not isinstance(outline, dict):
        return np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in outline])
    if isinstance(outline['counts'], list):
        outline = mask.frPyObjects(outline, *outline['size'])
    with warnings.catch_warnings():  # pycocotools is older than NumPy 2
        warnings.simplefilter('ignore', DeprecationWarning)
        y, x = np.nonzero(mask.decode(outline))
    pixels = np.stack((x, y), axis=1).astype(np.float64)
    return np.concatenate([pixels + corner for corner in ((0, 0), (0, 1), (1, 0), (1, 1))])


def _encoded(masks: Iterable[NDArray[np.bool_]]) -> list[dict[str, Any]]:
    from pycocotools import mask

    return [mask.encode(np.asfortranarray(each, np.uint8)) for each in masks]
