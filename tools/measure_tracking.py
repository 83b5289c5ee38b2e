#!/usr/bin/env python3
"""Measure how well trackers keep ids (IDF1), and how long they take.

    source tools/env.sh && python tools/measure_tracking.py

follows the boxes of people who walk past each other, with noise and with 10 % of them missing, at
30 Hz and with every third frame skipped; and what people_detect finds in scene://people. Beside
each figure stands what perfect ids on the same boxes would give. Things that move down by a third
of their height from frame to frame follow, at 30 and at 5 Hz. Last come the times for 30 and
1000 objects on one core of this machine. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'test')]

from things_on_a_belt import things_on_a_belt  # noqa: E402
from walking_people import SIZE_WH, Moment, walking_people  # noqa: E402

from jetson_perception.camera.scene_kinds import scene_kind  # noqa: E402
from jetson_perception.evaluation.identities import IdentityScore  # noqa: E402
from jetson_perception.models import open_model  # noqa: E402
from jetson_perception.tasks.box_overlap import box_ious  # noqa: E402
from jetson_perception.tasks.detection_options import DetectionOptions  # noqa: E402
from jetson_perception.tasks.results import Detections  # noqa: E402
from jetson_perception.tracking import TRACKERS, TrackedResults, TrackingParams  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEAST_IDF1 = 0.90
LEAST_IDF1_SKIPPED = 0.85
MOST_MS = 1.0
OPTIONS = DetectionOptions(0.25)
SEEDS = range(1, 101)
BELTS = range(1, 21)


class Figures(NamedTuple):
    """IDF1 of a tracker, and of perfect ids on the boxes that count by themselves."""

    idf1: float
    perfect: float


def main() -> int:
    """Print all figures; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=15, help='length of each sequence')
    seconds = parser.parse_args().seconds
    missed = False
    stages = {seed: list(walking_people(seconds=seconds, seed=seed)) for seed in SEEDS}
    detected = list(detected_people(seconds))
    for kind in TRACKERS[1:]:
        for skipped, bar in ((False, LEAST_IDF1), (True, LEAST_IDF1_SKIPPED)):
            how = 'a third skipped' if skipped else 'all frames'
            each = [followed(kind, stage, skipped) for stage in stages.values()]
            idf1, perfect = np.median(each, axis=0)
            mean = np.mean(each, axis=0)[0]
            worst = min(figures.idf1 for figures in each)
            missed |= idf1 < bar
            print(
                f'{kind}, people who cross, {how}: median IDF1 of {len(each)} sequences '
                f'{idf1:.3f} (mean {mean:.3f}, worst {worst:.3f}; perfect ids {perfect:.3f}; at '
                f'least {bar})'
            )
            real = followed(kind, detected, skipped)
            print(
                f'{kind}, people_detect on scene://people, {how}: IDF1 {real.idf1:.3f} (perfect '
                f'ids {real.perfect:.3f})'
            )
        for rate_hz in (30, 5):
            belts = [
                followed(kind, things_on_a_belt(1 / 3, rate_hz, 300 / rate_hz, seed), False)
                for seed in BELTS
            ]
            idf1, perfect = np.median(belts, axis=0)
            print(
                f'{kind}, things on a belt at {rate_hz} Hz: median IDF1 of {len(belts)} sequences '
                f'{idf1:.3f} (worst {min(belts).idf1:.3f}; perfect ids {perfect:.3f})'
            )
        for count in (30, 1000):
            took_ms = time_of(kind, count)
            missed |= count == 30 and took_ms > MOST_MS
            print(f'{kind}, {count} objects: {took_ms:.2f} ms a frame (median)')
    return int(missed)


def followed(kind: str, moments: Iterable[Moment], skipped: bool) -> Figures:
    """How well a tracker follows; with `skipped`, every third frame never comes."""
    params = TrackingParams(tracker=kind)
    track = TrackedResults(lambda: params, lambda _: OPTIONS)
    score, perfect = IdentityScore(), IdentityScore()
    for index, moment in enumerate(moments):
        if skipped and index % 3 == 2:
            continue
        found = moment.found[moment.found.score >= params.track_low_threshold]
        result = track(found, moment.captured_ns, SIZE_WH)
        score.add(moment.true_id, moment.true_xyxy, result.track_id, result.xyxy)
        sure = found[found.score >= OPTIONS.score_threshold]
        perfect.add(moment.true_id, moment.true_xyxy, _true_ids(moment, sure), sure.xyxy)
    return Figures(score.idf1, perfect.idf1)


def _true_ids(moment: Moment, found: Detections) -> np.ndarray:
    """Of each box, the identity of what it overlaps most; -1 where that is too little."""
    ids = np.full(len(found), -1, np.int64)
    if len(moment.true_id) and len(found):
        overlaps = box_ious(found.xyxy, moment.true_xyxy)
        best = overlaps.argmax(axis=1)
        ids = np.where(overlaps.max(axis=1) >= 0.5, moment.true_id[best], -1)
    return ids


def detected_people(seconds: float) -> Iterator[Moment]:
    """What the packaged detector finds in the rendered scene, people alone."""
    kind = scene_kind('people')
    scene = kind.make(SIZE_WH, 0)
    person = kind.class_names.index('person')
    low = TrackingParams().track_low_threshold
    options = DetectionOptions(low, class_ids=(person,))
    with open_model('people_detect', runtime='onnxruntime_cpu') as model:
        for index in range(round(seconds * 30)):
            bgr, truth = scene.frame(index / 30)
            tensor, transform = model.preprocess(bgr)
            found = model.postprocess(model.infer(tensor), transform, options)
            people = truth.class_id == person
            yield Moment(
                round(index / 30 * 1e9), truth.identity[people], truth.xyxy[people], found
            )


def time_of(kind: str, count: int) -> float:
    """Milliseconds a frame for so many objects that all move."""
    rng = np.random.default_rng(1)
    params = TrackingParams(tracker=kind)
    track = TrackedResults(lambda: params, lambda _: OPTIONS)
    corners = rng.uniform(0, 1000, (count, 2))
    speed = rng.uniform(-40, 40, (count, 2))
    size = rng.uniform(20, 90, (count, 2))
    times_ms = []
    for index in range(90 if count < 100 else 20):
        first = corners + speed * index / 30 + rng.normal(0, 0.5, (count, 2))
        xyxy = np.hstack((first, first + size)).astype(np.float32)
        score = np.sort(rng.uniform(0.3, 1, count).astype(np.float32))[::-1]
        found = Detections(xyxy, score, np.zeros(count, np.int32))[rng.random(count) > 0.1]
        begun = time.perf_counter()
        track(found, round(index / 30 * 1e9), SIZE_WH)
        times_ms.append((time.perf_counter() - begun) * 1e3)
    return float(np.median(times_ms))


if __name__ == '__main__':
    sys.exit(main())
