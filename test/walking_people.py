"""Boxes of people who walk past each other, as a detector would find them."""

from dataclasses import dataclass

import numpy as np

from jetson_perception.tasks.results import Detections

SIZE_WH = (1280, 720)
_SHOWN = 0.25  # less of a person is not found, and not counted


@dataclass
class Moment:
    """A frame: who is really where, and what is found."""

    captured_ns: int
    true_id: np.ndarray
    true_xyxy: np.ndarray
    found: Detections


def walking_people(
    seconds=20.0, rate_hz=30.0, people=5, dropped=0.1, noise=0.025, invented=0.02, seed=1
):
    """Moments of a scene in which people cross: neighbors in depth go opposite ways.

    `dropped` of the boxes are missing, corners are off by a deviation of `noise` of the box's
    size, scores fall with what is hidden, and `invented` boxes a frame show nothing.
    """
    rng = np.random.default_rng(seed)
    height = np.sort(rng.uniform(110, 280, people))
    ground = 200 + 1.1 * height
    # 0.85 to 1.35 m/s of people of 1.7 m.
    speed = rng.uniform(0.5, 0.8, people) * height * (-1) ** np.arange(people)
    start = rng.uniform(0, SIZE_WH[0], people)
    sway = rng.uniform(0, 2 * np.pi, people)
    order = np.argsort(-ground)  # nearest first
    for index in range(round(seconds * rate_hz)):
        time_s = index / rate_hz
        margin = height
        span = SIZE_WH[0] + 2 * margin
        way = start + speed * time_s
        lap, x = np.floor(way / span).astype(int), way % span - margin
        width = height * (0.36 + 0.06 * np.sin(2 * np.pi * 1.8 * time_s + sway))
        bob = 0.01 * height * np.sin(2 * np.pi * 3.6 * time_s + sway)
        boxes = np.stack(
            (x - width / 2, ground - height + bob, x + width / 2, ground + bob), axis=1
        )
        boxes[:, ::2] = boxes[:, ::2].clip(0, SIZE_WH[0])
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, SIZE_WH[1])
        shown = _shown(boxes, order)
        there = np.flatnonzero((shown >= _SHOWN) & (boxes[:, 2] - boxes[:, 0] > 0.15 * height))
        yield Moment(
            10**9 + round(time_s * 1e9),
            there + 1000 * (lap[there] + 100),
            boxes[there].astype(np.float32),
            _found(rng, boxes[there], shown[there], dropped, noise, invented),
        )


def _shown(boxes, order):
    """The share of each box that no nearer one covers, along its width."""
    shown = np.ones(len(boxes))
    for position, row in enumerate(order):
        left, _, right, _ = boxes[row]
        columns = np.linspace(left, right, 40)
        covered = np.zeros(40, bool)
        for nearer in order[:position]:
            covered |= (columns > boxes[nearer, 0]) & (columns < boxes[nearer, 2])
        shown[row] = 1 - covered.mean()
    return shown


def _found(rng, boxes, shown, dropped, noise, invented):
    kept = rng.random(len(boxes)) >= dropped
    boxes, shown = boxes[kept], shown[kept]
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + rng.normal(0, noise, boxes.shape) * size
    score = np.clip(0.25 + 0.6 * shown**2 + rng.normal(0, 0.06, len(boxes)), 0.02, 0.99)
    score = np.where(shown < 0.5, score * 0.7, score)
    if rng.random() < invented:
        corner = rng.uniform((0, 0), (1100, 400))
        boxes = np.vstack((boxes, [*corner, *(corner + rng.uniform(40, 180, 2))]))
        score = np.append(score, rng.uniform(0.1, 0.6))
    best = np.argsort(-score, kind='stable')
    return Detections(
        boxes[best].astype(np.float32),
        score[best].astype(np.float32),
        np.zeros(len(best), np.int32),
    )
