"""People and other things that a mobile robot meets, with exact boxes and keypoints.

The pictures are rendered, not photographed: they are for training, testing and demonstrating
detection and pose networks. The truth is exact: a box encloses an object's visible pixels, a
keypoint is the position of the joint. docs/people.md shows what a network that was trained on them
finds in other pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.camera.scene_kinds import SceneKind
from jetson_perception_scenes.people_backdrop import HALL, Backdrop, Lens, paint_backdrop
from jetson_perception_scenes.people_body import Arm, Pose, sample_pose, walking
from jetson_perception_scenes.people_figure import Figure, figure_sprite
from jetson_perception_scenes.people_raster import Sprite, Sun
from jetson_perception_scenes.people_stage import (
    CLASS_NAMES,
    KEYPOINT_COUNT,
    NO_CLASS,
    PERSON,
    Layer,
    PeopleTruth,
    Shadow,
    cast_shadow,
    lay,
    read_truth,
)
from jetson_perception_scenes.people_things import thing_sprite

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    'CLASS_NAMES',
    'EVALUATION_SEED',
    'KIND',
    'MIN_SIZE_WH',
    'TRAINING_SEED',
    'PeopleScene',
    'PeopleTruth',
    'Stage',
    'evaluation_stills',
    'photograph',
    'stage',
    'still',
    'training_stills',
]

TRAINING_SEED = 0
"""Training scenes have the seeds from here on, below EVALUATION_SEED."""

EVALUATION_SEED = 1_000_000
"""Evaluation scenes have the seeds from here on; training never sees them."""

MIN_SIZE_WH = (64, 64)
"""Width and height of the smallest useful pictures, pixels."""

_PEOPLE_SHARES = (0.1, 0.24, 0.21, 0.15, 0.11, 0.07, 0.05, 0.04, 0.03)
_THING_SHARES = (0.14, 0.2, 0.2, 0.17, 0.13, 0.09, 0.07)
# Typical heights, meters: they decide how far away a thing is placed.
_HEIGHTS = {
    "person": 1.7, "cone": 0.55, "box": 0.4, "ball": 0.3, "door": 2.1, "chair": 0.9, "bin": 0.65,
    "plant": 0.9, "table": 0.75, "post": 1.8,
}  # fmt: skip
_NEAREST = 0.8


def still(
    seed: int,
    size_wh: tuple[int, int] = (1280, 720),
    photographs: Sequence[NDArray[np.uint8]] = (),
) -> tuple[NDArray[np.uint8], PeopleTruth]:
    """One picture with its truth, from a scene that varies more widely than a live one.

    Parameters
    ----------
    seed : int
        TRAINING_SEED and up for training, EVALUATION_SEED and up for evaluation.
    size_wh : tuple of int
        Width and height, pixels.
    photographs : sequence of ndarray, each (h, w, 3), uint8
        BGR; about a third of the scenes have a part of one as their background.

    Returns
    -------
    bgr : ndarray, shape (h, w, 3), uint8
        The picture.
    truth : PeopleTruth
        What it shows.
    """
    return photograph(stage(seed, size_wh, photographs))


@dataclass(frozen=True, eq=False)
class Stage:
    """A place and what stands in it, before the picture is taken.

    Attributes
    ----------
    bgr : ndarray, shape (h, w, 3), uint8
        The empty place.
    layers : list of Layer
        The people and things in it, in any order.
    rng : Generator
        Source of randomness for lens, shutter and sensor.
    """

    bgr: NDArray[np.uint8]
    layers: list[Layer]
    rng: np.random.Generator


def stage(
    seed: int,
    size_wh: tuple[int, int] = (1280, 720),
    photographs: Sequence[NDArray[np.uint8]] = (),
) -> Stage:
    """The stage of `still`, for callers that rearrange the layers."""
    _check_size(size_wh)
    rng = np.random.default_rng((seed, 3))
    lens = Lens.sample(rng, size_wh)
    sun = Sun.sample(rng)
    if photographs and rng.random() < 0.35:
        place = Backdrop(
            _part(rng, photographs[int(rng.integers(len(photographs)))], size_wh), 30.0, None
        )
    else:
        place = paint_backdrop(rng, lens)
    layers = list(_people(rng, lens, sun, place)) + list(_things(rng, lens, sun, place))
    return Stage(place.bgr, layers, rng)


def photograph(staged: Stage) -> tuple[NDArray[np.uint8], PeopleTruth]:
    """The picture of a stage and its truth; does not change the stage."""
    layers = sorted(staged.layers, key=lambda layer: -layer.depth)
    picture = staged.bgr.copy()
    ids = np.zeros(picture.shape[:2], np.uint8)
    lay(picture, ids, layers)
    return _expose(staged.rng, picture), read_truth(ids, layers)


def training_stills() -> Iterator[tuple[str, NDArray[np.uint8], PeopleTruth]]:
    """Name, picture and truth of training or calibration scenes, 1280 × 720, in a fixed order."""
    for seed in range(TRAINING_SEED, EVALUATION_SEED):
        yield (f'people-{seed}', *still(seed))


def evaluation_stills(
    count: int,
    size_wh: tuple[int, int] = (1280, 720),
    photographs: Sequence[NDArray[np.uint8]] = (),
) -> Iterator[tuple[str, NDArray[np.uint8], PeopleTruth]]:
    """Name, picture and truth of scenes that training has not seen, in a fixed order."""
    for seed in range(EVALUATION_SEED, EVALUATION_SEED + count):
        yield (f'people-{seed}', *still(seed, size_wh, photographs))


def _check_size(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width < MIN_SIZE_WH[0] or height < MIN_SIZE_WH[1]:
        raise ValueError(
            f'a scene of {width}×{height} pixels is too small; expected at least '
            f'{MIN_SIZE_WH[0]}×{MIN_SIZE_WH[1]}'
        )


def _part(
    rng: np.random.Generator, photograph: NDArray[np.uint8], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """A part of a photograph at the given size, perhaps mirrored."""
    width, height = size_wh
    fit = min(photograph.shape[1] / width, photograph.shape[0] / height)
    zoom = fit * rng.uniform(0.45, 1.0)
    w, h = max(2, int(width * zoom)), max(2, int(height * zoom))
    x = int(rng.integers(0, max(1, photograph.shape[1] - w + 1)))
    y = int(rng.integers(0, max(1, photograph.shape[0] - h + 1)))
    part = cv2.resize(photograph[y : y + h, x : x + w], size_wh, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def _place(
    rng: np.random.Generator, lens: Lens, place: Backdrop, tall: float, low: float, high: float
) -> tuple[float, float]:
    """A place (x, z; meters) where a thing appears `low` to `high` picture heights tall."""
    share = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    z = lens.focal * tall / (share * lens.size_wh[1])
    nearest, farthest = max(_NEAREST, 0.35 * tall), place.depth - 0.4
    if not nearest < z < farthest:
        z = rng.uniform(nearest, farthest) if z >= farthest else nearest * rng.uniform(1.0, 1.3)
    reach = 0.53 * lens.size_wh[0] / lens.focal * z
    left, right = -reach, reach
    if place.walls:
        left, right = max(left, place.walls[0] + 0.3), min(right, place.walls[1] - 0.3)
    return rng.uniform(left, max(right, left + 0.1)), z


def _heading(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.45:
        return float(rng.normal(0, 0.5))
    return float(rng.normal(np.pi, 0.5)) if kind < 0.6 else float(rng.uniform(-np.pi, np.pi))


def _reduce(pixels: float) -> int:
    """How many times larger a sprite of the given height is rendered."""
    return 3 if pixels < 90 else 2 if pixels < 330 else 1


def _people(rng: np.random.Generator, lens: Lens, sun: Sun, place: Backdrop) -> Iterator[Layer]:
    for _ in range(int(rng.choice(len(_PEOPLE_SHARES), p=_PEOPLE_SHARES))):
        figure = Figure.sample(rng)
        x, z = _place(rng, lens, place, _HEIGHTS['person'], 0.1, 1.6)
        pose_kind = 'sitting' if rng.random() < 0.1 else None
        heading = _heading(rng) + float(np.arctan2(x, z))
        if pose_kind:
            heading = float(rng.uniform(-np.pi, np.pi))
        pose = sample_pose(rng, pose_kind)
        yield _person_layer(rng, lens, sun, figure, pose, x, z, heading)
        if pose.legs[0].flexion > 1.2 and pose.legs[1].flexion > 1.2 and pose.pitch < 0.15:
            # The seat is behind or in front of them.
            behind = 0.03 if np.cos(heading) > 0 else -0.03
            yield _thing_layer(rng, lens, sun, 'chair', x, z + behind, heading)


def _person_layer(
    rng: np.random.Generator,
    lens: Lens,
    sun: Sun,
    figure: Figure,
    pose: Pose,
    x: float,
    z: float,
    heading: float,
) -> Layer:
    elevation = float(np.arctan2(lens.height - 0.5 * figure.build.height, z))
    sprite = figure_sprite(
        figure,
        pose,
        heading=heading,
        elevation=elevation,
        scale=lens.scale(z),
        sun=sun,
        rng=rng,
        reduce=_reduce(lens.scale(z) * figure.build.height),
    )
    shadow = cast_shadow(sprite, sun, float(np.arctan2(lens.height, z)), rng.uniform(0.3, 0.8))
    return Layer(sprite, lens.foot(x, z), z, PERSON, shadow)


def _things(rng: np.random.Generator, lens: Lens, sun: Sun, place: Backdrop) -> Iterator[Layer]:
    kinds = CLASS_NAMES[1:]
    for _ in range(int(rng.choice(len(_THING_SHARES), p=_THING_SHARES))):
        kind = str(rng.choice(kinds))
        if kind == 'door':
            yield _door_layer(rng, lens, sun, place)
            continue
        x, z = _place(rng, lens, place, _HEIGHTS[kind], 0.055, 0.75)
        yield _thing_layer(rng, lens, sun, kind, x, z, float(rng.uniform(-np.pi, np.pi)))
    for kind in ('table', 'post'):
        if rng.random() < 0.12:
            x, z = _place(rng, lens, place, _HEIGHTS[kind], 0.1, 0.9)
            yield _thing_layer(rng, lens, sun, kind, x, z, float(rng.uniform(-np.pi, np.pi)))


def _door_layer(
    rng: np.random.Generator, lens: Lens, sun: Sun, place: Backdrop, *, at_end: bool = False
) -> Layer:
    """A door in a wall, or in its own frame if there is no wall."""
    if place.walls is None:
        x, z = _place(rng, lens, place, _HEIGHTS['door'], 0.2, 1.2)
        return _thing_layer(rng, lens, sun, 'door', x, z, float(rng.uniform(-0.9, 0.9)))
    left, right = place.walls
    if at_end or rng.random() < 0.5:
        z = place.depth - 0.03
        reach = 0.5 * lens.size_wh[0] / lens.focal * z
        x = rng.uniform(max(left + 0.6, -reach), max(min(right - 0.6, reach), left + 0.7))
        return _thing_layer(rng, lens, sun, 'door', x, z, float(np.arctan2(x, z)), shadow=False)
    x = left + 0.03 if rng.random() < 0.5 else right - 0.03
    nearest = 2 * abs(x) * lens.focal / lens.size_wh[0]
    z = rng.uniform(min(max(1.5, nearest), place.depth - 1.5), place.depth - 0.8)
    heading = (np.pi / 2 if x < 0 else -np.pi / 2) + float(np.arctan2(x, z))
    return _thing_layer(rng, lens, sun, 'door', x, z, heading, shadow=False)


def _thing_layer(
    rng: np.random.Generator,
    lens: Lens,
    sun: Sun,
    kind: str,
    x: float,
    z: float,
    heading: float,
    *,
    shadow: bool = True,
) -> Layer:
    tall = _HEIGHTS[kind]
    elevation = float(np.arctan2(lens.height - 0.5 * tall, z))
    sprite = thing_sprite(
        kind,
        rng,
        heading=heading,
        elevation=elevation,
        scale=lens.scale(z),
        sun=sun,
        reduce=_reduce(1.3 * lens.scale(z) * tall),
    )
    below = None
    if shadow:
        below = cast_shadow(sprite, sun, float(np.arctan2(lens.height, z)), rng.uniform(0.3, 0.8))
    class_id = CLASS_NAMES.index(kind) if kind in CLASS_NAMES else NO_CLASS
    return Layer(sprite, lens.foot(x, z), z, class_id, below)


def _expose(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply the effects of lens, shutter and sensor to the scene."""
    height, width = picture.shape[:2]
    if rng.random() < 0.25:
        sigma = rng.uniform(0.4, 0.0025 * width + 0.4)
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if rng.random() < 0.15:
        side = 2 * int(rng.integers(1, max(2, width // 160) + 1)) + 1
        kernel = np.zeros((side, side), np.float32)
        angle = rng.uniform(0, np.pi)
        dx, dy = np.cos(angle) * side / 2, np.sin(angle) * side / 2
        middle = side // 2
        cv2.line(
            kernel,
            (round(middle - dx), round(middle - dy)),
            (round(middle + dx), round(middle + dy)),
            1.0,
        )
        picture = cv2.filter2D(picture, -1, kernel / max(float(kernel.sum()), 1.0))
    exposure = rng.uniform(0.75, 1.2) if rng.random() < 0.85 else rng.uniform(0.3, 0.7)
    warmth = rng.normal(0, 0.06)
    steps = np.arange(256, dtype=np.float32) / 255
    gamma = rng.uniform(0.8, 1.25)
    table = np.stack(
        [exposure * gain * steps**gamma for gain in (1 - warmth, 1.0, 1 + warmth)], axis=1
    )
    table = np.clip(table * 255, 0, 255).astype(np.uint8)
    picture = cv2.LUT(picture, table[None])
    noise = rng.uniform(0.5, 4.0) if rng.random() < 0.7 else rng.uniform(4.0, 12.0)
    field = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32)
    fine = rng.standard_normal((height, width), np.float32)
    grain = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(
        0.5 * noise
    )
    grain += (fine * np.float32(0.8 * noise))[..., None]
    picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.06:
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = cv2.merge([gray, gray, gray])
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 92))]
        jpeg = cv2.imencode('.jpg', picture, quality)[1]
        picture = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(picture)


_WALK_FRAMES = 12
_GESTURE_FRAMES = 6
_NOISE_MARGIN = 48


@dataclass(frozen=True, eq=False)
class _Actor:
    """A person in a live scene.

    They walk from `x0` to `x1` at distance `z` and with `speed`, over and over; for somebody who
    stands, `x0` and `x1` are equal.
    """

    figure: Figure
    x0: float
    x1: float
    z: float
    speed: float
    start: float
    heading: float
    pose: Pose
    seed: int

    def at(self, time_s: float) -> tuple[float, int]:
        """Their x, meters, and the number of the frame to show."""
        if self.x0 == self.x1:
            return self.x0, int(time_s * _GESTURE_FRAMES / 1.6 + self.start) % _GESTURE_FRAMES
        way = (self.start + self.speed * time_s) % abs(self.x1 - self.x0)
        cycle = 0.82 * self.figure.build.height
        return self.x0 + np.sign(self.x1 - self.x0) * way, int(
            way / cycle * _WALK_FRAMES
        ) % _WALK_FRAMES

    def walks_before(self, time_s: float) -> int:
        """How many times they have walked their whole way by then."""
        if self.x0 == self.x1:
            return 0
        return int((self.start + self.speed * time_s) // abs(self.x1 - self.x0))


class PeopleScene:
    """A place where people come and go, stand and sit, seen by a fixed camera.

    Parameters
    ----------
    size_wh : tuple of int
        Width and height of the pictures, pixels; at least MIN_SIZE_WH.
    seed : int
        Scenes of the same size and seed are identical.

    Raises
    ------
    ValueError
        When the size is below MIN_SIZE_WH.
    """

    def __init__(self, size_wh: tuple[int, int], seed: int) -> None:
        _check_size(size_wh)
        rng = np.random.default_rng((seed, 4))
        self.size_wh = size_wh
        self._seed = seed
        width, height = size_wh
        self._lens = Lens(
            size_wh,
            focal=max(width, 1.2 * height) * rng.uniform(0.72, 0.82),
            horizon=height * rng.uniform(0.36, 0.42),
            height=rng.uniform(1.0, 1.3),
        )
        self._sun = replace(Sun.sample(rng), softness=rng.uniform(0.3, 0.6))
        kind = str(rng.choice([HALL, HALL, 'outdoors']))
        self._place = paint_backdrop(rng, self._lens, kind)
        self._still = [
            replace(layer, identity=index) for index, layer in enumerate(self._furnish(rng))
        ]
        self._actors = list(self._cast(rng))
        self._looks: dict[tuple[int, int], tuple[Sprite, Shadow]] = {}
        self._noise = self._sensor_noise(rng)

    def prepare(self, stop: threading.Event | None = None) -> None:
        """Render all people now, so that no frame has to wait; stops early on request."""
        for index, actor in enumerate(self._actors):
            for number in range(_GESTURE_FRAMES if actor.x0 == actor.x1 else _WALK_FRAMES):
                if stop is not None and stop.is_set():
                    return
                self._look(index, number)

    def frame(
        self,
        time_s: float,
        out: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    ) -> tuple[NDArray[np.uint8], PeopleTruth]:
        """The picture and the truth at a given time.

        Parameters
        ----------
        time_s : float
            Seconds since the start, in any order; the same time always gives the same frame.
        out : tuple of ndarray or None
            Contiguous (h, w, 3) and (h, w) uint8 to write to: the picture, and the topmost layer
            at each pixel. None makes new arrays.

        Returns
        -------
        bgr : ndarray, shape (h, w, 3), uint8
            The picture.
        truth : PeopleTruth
            What it shows.
        """
        width, height = self.size_wh
        if out is None:
            out = (np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8))
        bgr, ids = out
        np.copyto(bgr, self._place.bgr)
        ids[:] = 0
        layers = sorted([*self._still, *self._moving(time_s)], key=lambda layer: -layer.depth)
        lay(bgr, ids, layers)
        self._expose(bgr, time_s)
        return bgr, read_truth(ids, layers)

    def _furnish(self, rng: np.random.Generator) -> Iterator[Layer]:
        place, lens, sun = self._place, self._lens, self._sun
        if place.walls:
            yield _door_layer(rng, lens, sun, place, at_end=True)
        far = min(9.0, place.depth - 0.5)
        for kind in rng.permutation(['cone', 'box', 'ball', 'bin', 'plant', 'chair'])[:5]:
            z = rng.uniform(3.2, far)
            reach = 0.46 * self.size_wh[0] / lens.focal * z
            left, right = -reach, reach
            if place.walls:
                left, right = max(left, place.walls[0] + 0.4), min(right, place.walls[1] - 0.4)
            # The middle stays free for people who walk.
            side = rng.uniform(0.35, 1.0) * rng.choice([-1, 1])
            x = side * (right if side > 0 else -left)
            yield _thing_layer(rng, lens, sun, str(kind), x, z, float(rng.uniform(-1, 1)))

    def _cast(self, rng: np.random.Generator) -> Iterator[_Actor]:
        place, lens = self._place, self._lens
        far = min(9.5, place.depth - 0.6)
        lanes = np.linspace(3.4, far, 4) + rng.uniform(-0.2, 0.2, 4)
        for number, z in enumerate(lanes):
            reach = 0.5 * self.size_wh[0] / lens.focal * z + 0.9
            ahead = 1.0 if number % 2 else -1.0
            yield _Actor(
                Figure.sample(rng),
                x0=-ahead * reach,
                x1=ahead * reach,
                z=float(z),
                speed=rng.uniform(0.85, 1.35),
                start=rng.uniform(0, 2 * reach),
                heading=ahead * (np.pi / 2 - rng.uniform(0.0, 0.35)),
                pose=Pose(),
                seed=int(rng.integers(2**31)),
            )
        for kind, share in zip(
            ('standing', 'reaching', 'standing'), (-0.55, 0.05, 0.6), strict=True
        ):
            z = rng.uniform(3.6, max(4.0, min(7.0, far)))
            x = (share + rng.uniform(-0.15, 0.15)) * 0.5 * self.size_wh[0] / lens.focal * z
            if place.walls:
                x = float(np.clip(x, place.walls[0] + 0.5, place.walls[1] - 0.5))
            yield _Actor(
                Figure.sample(rng),
                x0=x,
                x1=x,
                z=z,
                speed=0.0,
                start=rng.uniform(0, _GESTURE_FRAMES),
                heading=float(rng.normal(0, 0.6)),
                pose=sample_pose(rng, kind),
                seed=int(rng.integers(2**31)),
            )

    def _moving(self, time_s: float) -> Iterator[Layer]:
        for index, actor in enumerate(self._actors):
            x, number = actor.at(time_s)
            sprite, shadow = self._look(index, number)
            identity = 100 * (1 + actor.walks_before(time_s)) + index
            yield Layer(sprite, self._lens.foot(x, actor.z), actor.z, PERSON, shadow, identity)

    def _look(self, index: int, number: int) -> tuple[Sprite, Shadow]:
        """An actor's sprite and shadow for one of their frames, rendered at first use."""
        look = self._looks.get((index, number))
        if look is None:
            actor = self._actors[index]
            if actor.x0 == actor.x1:
                pose = _gesture(actor.pose, number / _GESTURE_FRAMES)
            else:
                pose = walking(number / _WALK_FRAMES, 1.0, 0.9)
            layer = _person_layer(
                np.random.default_rng(actor.seed),
                self._lens,
                self._sun,
                actor.figure,
                pose,
                0.0,
                actor.z,
                actor.heading,
            )
            assert layer.shadow is not None
            look = (layer.sprite, layer.shadow)
            self._looks[index, number] = look
        return look

    def _sensor_noise(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
        """Noise to add and noise to subtract; each frame uses another window of it."""
        width, height = self.size_wh
        shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
        field = rng.standard_normal(shape, np.float32)
        field = cv2.GaussianBlur(field, (3, 3), 0.55)
        field *= np.float32(rng.uniform(1.5, 3.0) / 0.62)
        return (
            np.clip(np.rint(field), 0, 255).astype(np.uint8),
            np.clip(np.rint(-field), 0, 255).astype(np.uint8),
        )

    def _expose(self, bgr: NDArray[np.uint8], time_s: float) -> None:
        """Sensor noise, in place."""
        rng = np.random.default_rng((self._seed, round(time_s * 1e4) % 2**32))
        height, width = bgr.shape[:2]
        for field, apply in zip(self._noise, (cv2.add, cv2.subtract), strict=True):
            x, y = rng.integers(0, _NOISE_MARGIN, 2)
            apply(bgr, field[y : y + height, x : x + width], dst=bgr)


def _gesture(pose: Pose, phase: float) -> Pose:
    """A pose that sways a little and moves the forearms and the head."""
    swing = float(np.sin(2 * np.pi * phase))
    arms = tuple(
        Arm(
            arm.flexion + 0.12 * swing * side,
            arm.abduction,
            arm.twist,
            max(0.02, arm.elbow + 0.25 * swing),
        )
        for side, arm in zip((1, -1), pose.arms, strict=True)
    )
    return replace(
        pose, turn=pose.turn + 0.06 * swing, look=pose.look + 0.15 * swing, arms=(arms[0], arms[1])
    )


KIND = SceneKind(
    CLASS_NAMES,
    MIN_SIZE_WH,
    make=PeopleScene,
    training=training_stills,
    evaluation=evaluation_stills,
    knows_objects=True,
    keypoint_count=KEYPOINT_COUNT,
)
"""The scene of `scene://people`."""
