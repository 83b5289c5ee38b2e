"""Measure the demo models on unseen scenes, with pycocotools and the package's own decoder.

    python scenes/training/people/evaluate.py people_detect.onnx people_pose.onnx

This prints AP at IoU (for poses, OKS) 0.50 and 0.50 to 0.95. Poses are judged by the keypoints
that COCO's annotators would label, and again by all keypoints in the picture. Several files of one
task are evaluated on the same scenes, for example an INT8 model and its original. A quarter of the
scenes have 4:3 pictures. If scikit-image is installed, about a third have its photographs as their
background; training has not seen these.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dataset import TEST_PHOTOGRAPHS, photographs

from jetson_perception.evaluation.average_precision import ObjectMatches, mean_of_known
from jetson_perception.evaluation.datasets import ObjectTruth
from jetson_perception.models import YoloModel
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception_scenes.people import (
    CLASS_NAMES,
    EVALUATION_SEED,
    PeopleScene,
    PeopleTruth,
    still,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.evaluation.average_precision import AveragePrecision

# AP counts every box, however low its score.
OPTIONS = DetectionOptions(score_threshold=0.001, iou_threshold=0.7, max_detections=100)
_SIZES = ((1280, 720), (1280, 720), (1280, 720), (640, 480))


def scenes(count: int) -> Iterator[tuple[np.ndarray, PeopleTruth]]:
    """Pictures and truths with the evaluation's seeds."""
    pictures = photographs(TEST_PHOTOGRAPHS)
    for index in range(count):
        yield still(EVALUATION_SEED + index, _SIZES[index % len(_SIZES)], pictures)


def live_scenes(count: int) -> Iterator[tuple[np.ndarray, PeopleTruth]]:
    """Frames of live scenes as in `scene://people`, three per scene."""
    for index in range(count):
        scene = PeopleScene((1280, 720), EVALUATION_SEED + index // 3)
        yield scene.frame(4.0 * (index % 3))


class Judged:
    """A model, what it found so far, and how long it took."""

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.model = YoloModel.open(path, runtime='onnxruntime_cpu', threads=threads)
        self.spent_s: list[float] = []
        keypoints = self.model.layout.keypoint_count
        self.finds_poses = keypoints > 0
        names = CLASS_NAMES[:1] if self.finds_poses else CLASS_NAMES
        self._matches = ObjectMatches(names, keypoints)
        self._matches_of_all = ObjectMatches(names, keypoints)

    def judge(self, bgr: np.ndarray, truth: PeopleTruth) -> None:
        """Run on one picture; a pose model is judged by people alone."""
        tensor, transform = self.model.preprocess(bgr)
        began = time.perf_counter()
        outputs = self.model.infer(tensor)
        self.spent_s.append(time.perf_counter() - began)
        found = self.model.postprocess(outputs, transform, OPTIONS)
        rows = truth.class_id == 0 if self.finds_poses else np.full(len(truth), True)
        judging = [(self._matches, truth.annotated_keypoints())]
        if self.finds_poses:
            judging.append((self._matches_of_all, truth.keypoints))
        for matches, points in judging:
            there = ObjectTruth(
                truth.xyxy[rows], truth.class_id[rows], points[rows], area=truth.area[rows]
            )
            matches.add(there, found, bgr.shape[1::-1])

    def average_precision(self, *, of_all_keypoints: bool = False) -> AveragePrecision:
        """Figures of the boxes or, for a pose model, of the keypoints."""
        matches = self._matches_of_all if of_all_keypoints else self._matches
        return matches.average_precision('keypoints' if self.finds_poses else 'boxes')


def main() -> None:
    """Evaluate the models that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('models', type=Path, nargs='+')
    parser.add_argument('--scenes', type=int, default=500)
    parser.add_argument('--live', action='store_true', help='frames of live scenes instead')
    parser.add_argument('--threads', type=int, default=0, help='0: the runtime decides')
    parser.add_argument('--json', type=Path, help='write the figures here')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    judged = [Judged(path, args.threads) for path in args.models]
    objects = people = 0
    for bgr, truth in (live_scenes if args.live else scenes)(args.scenes):
        objects, people = objects + len(truth), people + int((truth.class_id == 0).sum())
        for each in judged:
            each.judge(bgr, truth)
    what = 'frames of live scenes' if args.live else 'unseen scenes'
    print(f'{args.scenes} {what}, {objects} objects, {people} of them people')
    report = {each.path.name: _report(each) for each in judged}
    if args.json:
        args.json.write_text(json.dumps(report, indent=2), encoding='utf-8')


def _report(judged: Judged) -> dict[str, object]:
    """Print a model's figures, and return them."""
    figures = judged.average_precision()
    ap50, ap = mean_of_known(figures.ap50), mean_of_known(figures.ap50_95)
    print(
        f'{judged.path.name:28} {"OKS" if judged.finds_poses else "box"} AP50 {ap50:.3f}  '
        f'AP50-95 {ap:.3f}  {judged.path.stat().st_size / 1e6:.2f} MB  '
        f'inference {1e3 * np.median(judged.spent_s):.1f} ms'
    )
    per_class = {
        name: (float(figures.ap50[row]), float(figures.ap50_95[row]))
        for row, name in enumerate(CLASS_NAMES[: len(figures.ap50)])
    }
    for name, (one, mean) in per_class.items():
        print(f'    {name:10} AP50 {one:.3f}  AP50-95 {mean:.3f}')
    judged.model.close()
    report: dict[str, object] = {'ap50': ap50, 'ap': ap, 'per_class': per_class}
    if judged.finds_poses:
        figures = judged.average_precision(of_all_keypoints=True)
        all_ = mean_of_known(figures.ap50), mean_of_known(figures.ap50_95)
        print(f'    every keypoint in the picture: AP50 {all_[0]:.3f}  AP50-95 {all_[1]:.3f}')
        report['ap50_of_all_keypoints'], report['ap_of_all_keypoints'] = all_
    return report


if __name__ == '__main__':
    main()
