"""Boxes of things that move down the image: on a belt, or cars below a drone.

They are as far from the camera as each other, so nothing is hidden, but they move fast for their
size. Nothing here was chosen by what a tracker makes of it.
"""

import numpy as np
from walking_people import SIZE_WH, Moment, noisy

_LANES = 4
_SIZE = 60.0


def things_on_a_belt(step=1 / 3, rate_hz=30.0, seconds=10.0, seed=1):
    """Moments in which things move down by `step` of their height from frame to frame.

    Each of four lanes has a speed of its own, within 15 % of that. One in ten boxes is missing,
    and sides are off by a deviation of 0.03 of the box's size.
    """
    rng = np.random.default_rng(seed)
    speeds = step * _SIZE * rng.uniform(0.85, 1.15, _LANES)
    due = rng.uniform(0, 3 * _SIZE, _LANES)
    things = np.empty((0, 6))  # center, size, lane, identity
    next_id = 0
    for index in range(round(seconds * rate_hz)):
        things[:, 1] += speeds[things[:, 4].astype(int)]
        things = things[things[:, 1] - things[:, 3] / 2 < SIZE_WH[1]]
        due -= speeds
        for lane in np.flatnonzero(due <= 0):
            width, height = _SIZE * rng.uniform((0.7, 0.8), (1.3, 1.2))
            x = SIZE_WH[0] * (lane + 0.5) / _LANES + rng.uniform(-20, 20)
            things = np.vstack((things, (x, -height / 2, width, height, lane, next_id)))
            next_id += 1
            due[lane] = height + _SIZE * rng.uniform(1.5, 4)
        half = things[:, 2:4] / 2
        boxes = np.hstack((things[:, :2] - half, things[:, :2] + half))
        boxes = boxes.clip(0, np.tile(SIZE_WH, 2))
        is_inside = boxes[:, 3] - boxes[:, 1] >= 0.4 * things[:, 3]
        boxes = boxes[is_inside]
        yield Moment(
            10**9 + round(index / rate_hz * 1e9),
            things[is_inside, 5].astype(np.int64),
            boxes.astype(np.float32),
            noisy(rng, boxes, np.ones(len(boxes)), dropped=0.1, noise=0.03, invented=0.02),
        )
