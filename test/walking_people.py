"""Boxes of people who walk past each other, as a detector would find them.

The sizes and speeds are those of people, seen by a camera on a robot. Nothing here was chosen by
what a tracker makes of it.
"""

from dataclasses import dataclass

import numpy as np

from jetson_perception.tasks.results import Detections

SIZE_WH = (1280, 720)

#: The camera: 71° wide, 1.2 m above the ground, looking straight ahead.
_FOCAL = 900.0
_EYE_M = 1.2
_HORIZON = 300.0
#: How far away people walk, and how far they turn from straight across.
_DISTANCES_M = (4.0, 12.0)
_MOST_TURNED = np.radians(20)
#: Free walking: mean and deviation (Weidmann, Transporttechnik der Fussgänger, 1993).
_SPEED_M, _SPEED_DEVIATION_M = 1.34, 0.26
_WIDTH_M = 0.5
_STEPS_HZ = 1.8

_SHOWN = 0.25  # less of a person is not found, and not counted


@dataclass
class Moment:
    """A frame: who is really where, and what is found."""

    captured_ns: int
    true_id: np.ndarray
    true_xyxy: np.ndarray
    found: Detections


def walking_people(
    seconds=20.0, rate_hz=30.0, people=8, dropped=0.1, noise=0.03, invented=0.02, seed=1
):
    """Moments of a scene in which so many people walk at a time, each in a direction of its own.

    `dropped` of the boxes are missing. Sides are off by a deviation of `noise` of the box's width
    or height: 0.03 gives boxes a mean IoU of 0.9 with the true ones. Scores fall with what is
    hidden, and `invented` boxes a frame show nothing. Who leaves the image is followed by somebody
    else.
    """
    rng = np.random.default_rng(seed)
    crowd = [_Person(rng, index, inside=True) for index in range(people)]
    next_id = people
    for index in range(round(seconds * rate_hz)):
        for row, person in enumerate(crowd):
            if index:
                person.walk(1 / rate_hz)
            if person.has_left:
                crowd[row] = _Person(rng, next_id, inside=False)
                next_id += 1
        boxes = np.array([person.box(index / rate_hz) for person in crowd])
        whole_width = boxes[:, 2] - boxes[:, 0]
        boxes[:, ::2] = boxes[:, ::2].clip(0, SIZE_WH[0])
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, SIZE_WH[1])
        shown = _shown(boxes, np.argsort([person.at[1] for person in crowd]))
        is_inside = boxes[:, 2] - boxes[:, 0] >= 0.4 * whole_width
        there = np.flatnonzero((shown >= _SHOWN) & is_inside)
        yield Moment(
            10**9 + round(index / rate_hz * 1e9),
            np.array([crowd[row].identity for row in there], np.int64),
            boxes[there].astype(np.float32),
            noisy(rng, boxes[there], shown[there], dropped, noise, invented),
        )


class _Person:
    """Somebody who walks straight on, seen from the camera: x to the right, z ahead, metres."""

    def __init__(self, rng, identity, *, inside):
        self.identity = identity
        self._height_m = rng.uniform(1.55, 1.9)
        self._sway = rng.uniform(0, 2 * np.pi)
        distance_m = rng.uniform(*_DISTANCES_M)
        side = rng.choice((-1.0, 1.0))
        edge_m = self._edge_m(distance_m)
        self.at = np.array(
            (rng.uniform(-edge_m, edge_m) if inside else -side * edge_m, distance_m)
        )
        speed = np.clip(rng.normal(_SPEED_M, _SPEED_DEVIATION_M), 0.7, 2.0)
        turned = rng.uniform(-_MOST_TURNED, _MOST_TURNED)
        self._velocity = speed * np.array((side * np.cos(turned), np.sin(turned)))

    @staticmethod
    def _edge_m(distance_m):
        return SIZE_WH[0] / 2 / _FOCAL * distance_m + _WIDTH_M / 2

    def walk(self, seconds):
        """Go on; who comes too near or too far keeps the distance."""
        self.at = self.at + self._velocity * seconds
        self.at[1] = np.clip(self.at[1], *_DISTANCES_M)

    @property
    def has_left(self):
        """Whether this person is outside of the image, and goes away from it."""
        return abs(self.at[0]) > self._edge_m(self.at[1]) and self.at[0] * self._velocity[0] > 0

    def box(self, time_s):
        """The box, not clipped; legs open and close, and the head goes up and down."""
        scale = _FOCAL / self.at[1]
        step = 2 * np.pi * _STEPS_HZ * time_s + self._sway
        half = scale * _WIDTH_M / 2 * (1 + 0.15 * np.sin(step))
        x = SIZE_WH[0] / 2 + scale * self.at[0]
        feet = _HORIZON + scale * _EYE_M
        head = feet - scale * (self._height_m + 0.02 * np.sin(2 * step))
        return x - half, head, x + half, feet


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


def noisy(rng, boxes, shown, dropped, noise, invented):
    """What a detector would find of boxes of which so much is shown."""
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
