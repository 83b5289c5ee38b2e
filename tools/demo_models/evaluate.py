"""Measure the demo models on unseen scenes, by pycocotools, through the package's own decoder.

    python tools/demo_models/evaluate.py models/people_detect.onnx models/people_pose.onnx

prints AP at IoU (for poses, OKS) 0.50 and 0.50 to 0.95. Several files of one task are evaluated on
the same scenes and stand side by side, an INT8 one beside its original, say. A quarter of the
scenes has 4:3 pictures; about a third shows photographs behind, where scikit-image is installed,
which training has not seen.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dataset import TEST_PHOTOGRAPHS, photographs

from jetson_perception.camera.scenes.people import (
    CLASS_NAMES,
    EVALUATION_SEED,
    PeopleScene,
    PeopleTruth,
    still,
)
from jetson_perception.models import YoloModel
from jetson_perception.tasks.yolo import DetectionOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetson_perception.tasks.results import Detections

# As AP is measured: every box counts that has any score.
OPTIONS = DetectionOptions(score_threshold=0.001, iou_threshold=0.7, max_detections=100)
_SIZES = ((1280, 720), (1280, 720), (1280, 720), (640, 480))


def live_scenes(count: int) -> Iterator[tuple[np.ndarray, PeopleTruth]]:
    """Frames of live scenes as `scene://people` shows them, three moments of each."""
    for index in range(count):
        scene = PeopleScene((1280, 720), EVALUATION_SEED + index // 3)
        yield scene.frame(4.0 * (index % 3))


@dataclass(frozen=True)
class Scores:
    """Average precision of one model.

    Attributes
    ----------
    ap50, ap : float
        At IoU or OKS 0.50, and the mean of 0.50 to 0.95; over all classes.
    per_class : dict
        (ap50, ap) of each class.
    """

    ap50: float
    ap: float
    per_class: dict[str, tuple[float, float]]


def scenes(count: int) -> Iterator[tuple[np.ndarray, PeopleTruth]]:
    """Pictures and truths with the seeds of evaluation."""
    pictures = photographs(TEST_PHOTOGRAPHS)
    for index in range(count):
        yield still(EVALUATION_SEED + index, _SIZES[index % len(_SIZES)], pictures)


def coco_ground_truth(
    truths: Sequence[PeopleTruth],
    sizes_wh: Sequence[tuple[int, int]],
    class_names: Sequence[str],
    *,
    keypoints: bool,
) -> dict[str, Any]:
    """Truths as COCO's annotation format; with `keypoints`, people alone."""
    annotations: list[dict[str, Any]] = []
    for image_id, truth in enumerate(truths):
        for row in range(len(truth)):
            class_id = int(truth.class_id[row])
            if keypoints and class_id:
                continue
            points = truth.keypoints[row]
            x0, y0, x1, y1 = (float(v) for v in truth.xyxy[row])
            entry = {
                'id': len(annotations) + 1,
                'image_id': image_id,
                'category_id': class_id + 1,
                'bbox': [x0, y0, x1 - x0, y1 - y0],
                'area': float(truth.area[row]),
                'iscrowd': 0,
            }
            if keypoints:
                entry['keypoints'] = [float(v) for v in points.ravel()]
                entry['num_keypoints'] = int((points[:, 2] > 0).sum())
            annotations.append(entry)
    return {
        'info': {},
        'images': [
            {'id': index, 'width': w, 'height': h} for index, (w, h) in enumerate(sizes_wh)
        ],
        'annotations': annotations,
        'categories': [
            {'id': index + 1, 'name': name}
            for index, name in enumerate(class_names[:1] if keypoints else class_names)
        ],
    }


def coco_results(image_id: int, found: Detections) -> list[dict[str, Any]]:
    """Detections as COCO's results format; class c becomes category c + 1."""
    results = []
    for row in range(len(found)):
        x0, y0, x1, y1 = (float(v) for v in found.xyxy[row])
        entry = {
            'image_id': image_id,
            'category_id': int(found.class_id[row]) + 1,
            'bbox': [x0, y0, x1 - x0, y1 - y0],
            'score': float(found.score[row]),
        }
        if found.keypoints is not None:
            entry['keypoints'] = [float(v) for v in found.keypoints[row].ravel()]
        results.append(entry)
    return results


def evaluate_detections(
    truths: Sequence[PeopleTruth],
    sizes_wh: Sequence[tuple[int, int]],
    found: Sequence[Detections],
    class_names: Sequence[str],
    *,
    keypoints: bool,
) -> Scores:
    """COCO's average precision of detections, image i of which belongs to truth i."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = coco_ground_truth(truths, sizes_wh, class_names, keypoints=keypoints)
        coco.createIndex()
        rows = [row for index, one in enumerate(found) for row in coco_results(index, one)]
        if not rows:
            return Scores(0.0, 0.0, {})
        run = COCOeval(coco, coco.loadRes(rows), 'keypoints' if keypoints else 'bbox')
        run.evaluate()
        run.accumulate()
    # [threshold, recall, class, area range, detections at most]; -1 where there is no truth.
    precision = run.eval['precision'][:, :, :, 0, -1]

    def mean(values: np.ndarray) -> float:
        return float(values[values > -1].mean()) if (values > -1).any() else float('nan')

    names = class_names[:1] if keypoints else class_names
    per_class = {
        name: (mean(precision[0, :, index]), mean(precision[:, :, index]))
        for index, name in enumerate(names)
    }
    return Scores(mean(precision[0]), mean(precision), per_class)


def main() -> None:
    """Evaluate the models that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('models', type=Path, nargs='+')
    parser.add_argument('--scenes', type=int, default=500)
    parser.add_argument('--live', action='store_true', help='frames of live scenes instead')
    parser.add_argument('--threads', type=int, default=0, help='0 leaves it to the runtime')
    parser.add_argument('--json', type=Path, help='write the figures here')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    models = [
        YoloModel.open(path, engine='onnxruntime_cpu', threads=args.threads)
        for path in args.models
    ]
    found: list[list[Detections]] = [[] for _ in models]
    spent = [[] for _ in models]
    truths, sizes = [], []
    for bgr, truth in (live_scenes if args.live else scenes)(args.scenes):
        truths.append(truth)
        sizes.append(bgr.shape[1::-1])
        for index, model in enumerate(models):
            tensor, transform = model.preprocess(bgr)
            began = time.perf_counter()
            outputs = model.infer(tensor)
            spent[index].append(time.perf_counter() - began)
            found[index].append(model.postprocess(outputs, transform, OPTIONS))
    objects = sum(len(truth) for truth in truths)
    people = sum(int((truth.class_id == 0).sum()) for truth in truths)
    what = 'frames of live scenes' if args.live else 'unseen scenes'
    print(f'{args.scenes} {what}, {objects} objects, {people} of them people')
    report = {}
    for path, model, one, times in zip(args.models, models, found, spent, strict=True):
        pose = model.layout.keypoint_count > 0
        scores = evaluate_detections(truths, sizes, one, CLASS_NAMES, keypoints=pose)
        what = 'OKS' if pose else 'box'
        print(
            f'{path.name:28} {what} AP50 {scores.ap50:.3f}  AP50-95 {scores.ap:.3f}  '
            f'{path.stat().st_size / 1e6:.2f} MB  inference {1e3 * np.median(times):.1f} ms'
        )
        for name, (ap50, ap) in scores.per_class.items():
            print(f'    {name:10} AP50 {ap50:.3f}  AP50-95 {ap:.3f}')
        report[path.name] = {'ap50': scores.ap50, 'ap': scores.ap, 'per_class': scores.per_class}
        model.close()
    if args.json:
        args.json.write_text(json.dumps(report, indent=2), encoding='utf-8')


if __name__ == '__main__':
    main()
