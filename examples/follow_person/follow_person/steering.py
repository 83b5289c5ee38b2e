"""Whom to follow and how fast to drive: plain arithmetic, without ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """An object in the image.

    Attributes
    ----------
    identity : str
        What a tracker calls it; empty without a tracker.
    center_x, height : float
        Pixels of the image.
    """

    identity: str
    center_x: float
    height: float


@dataclass(frozen=True)
class Limits:
    """How the robot may move.

    Attributes
    ----------
    wanted_height : float
        Height of the person in the image at the distance to keep, as a part of the image's height.
    max_speed : float
        Forwards, m/s. The robot never drives backwards: it sees nothing there.
    max_turn : float
        To either side, rad/s.

    Raises
    ------
    ValueError
        When one of them is out of its range.
    """

    wanted_height: float = 0.6
    max_speed: float = 0.4
    max_turn: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.wanted_height <= 1:
            raise ValueError(f'wanted_height is {self.wanted_height}; expected more than 0, to 1')
        for name, value in (('max_speed', self.max_speed), ('max_turn', self.max_turn)):
            if not 0 <= value < math.inf:
                raise ValueError(f'{name} is {value}; expected 0 or more')


def choose(boxes: list[Box], followed: str) -> Box | None:
    """The person to follow: the same as before, else the tallest, who is probably the nearest.

    Without a tracker no identity is known, and it is always the tallest.
    """
    usable = [box for box in boxes if math.isfinite(box.center_x) and 0 < box.height < math.inf]
    same = [box for box in usable if followed and box.identity == followed]
    return max(same or usable, key=lambda box: box.height, default=None)


def velocities(box: Box, size_wh: tuple[int, int], limits: Limits) -> tuple[float, float]:
    """Speed ahead in m/s and turn to the left in rad/s that bring the person to the middle.

    Parameters
    ----------
    box : Box
        The person.
    size_wh : tuple of int
        Width and height of the image, pixels; positive.
    limits : Limits
        Bounds of both, which are 0 where the person is where they should be.
    """
    width, height = size_wh
    aside = max(
        -1.0, min(1.0, 2 * box.center_x / width - 1)
    )  # -1 at the left edge, 1 at the right
    lacking = 1 - box.height / (limits.wanted_height * height)  # 1 far away, 0 at the distance
    # Slower while the person is at the edge: first turn, then drive.
    speed = limits.max_speed * max(0.0, min(1.0, 2 * lacking)) * (1 - abs(aside))
    return speed, -limits.max_turn * aside
