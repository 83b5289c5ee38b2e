"""A person's skeleton: proportions, poses within the joints' limits, and joint positions.

Lengths are in meters. In the body's frame x points to the person's left, y up and z ahead; the
origin is on the floor below the pelvis. Segment lengths are the shares of stature that Drillis and
Contini measured (1966), as given in Winter's textbook.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

SIDES = (1, -1)
"""Sign of x on the left and on the right side of the body."""


@dataclass(frozen=True)
class Build:
    """A person's build.

    Attributes
    ----------
    height : float
        Stature, meters.
    girth : float
        Thickness of trunk and limbs relative to a slim adult, about 0.9 to 1.5.
    shoulder, hip : float
        Half the distance between the joints, as shares of stature.
    bust, belly : float
        0 to 1.
    head : float
        Relative size of the head; 1 for an adult, larger for a child.
    """

    height: float = 1.75
    girth: float = 1.0
    shoulder: float = 0.108
    hip: float = 0.052
    bust: float = 0.0
    belly: float = 0.0
    head: float = 1.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Build:
        """Mostly adults, sometimes a child."""
        if rng.random() < 0.1:
            return cls(
                height=rng.uniform(1.1, 1.5),
                girth=rng.uniform(0.95, 1.2),
                shoulder=rng.uniform(0.096, 0.104),
                hip=0.05,
                head=rng.uniform(1.12, 1.3),
            )
        female = rng.random() < 0.5
        heavy = float(np.clip(rng.normal(0.25, 0.3), 0, 1))
        return cls(
            height=float(np.clip(rng.normal(1.65 if female else 1.78, 0.07), 1.48, 2.0)),
            girth=0.93 + 0.4 * heavy + (0.0 if female else 0.07),
            shoulder=rng.uniform(0.096, 0.106) if female else rng.uniform(0.106, 0.118),
            hip=rng.uniform(0.053, 0.06) if female else rng.uniform(0.048, 0.055),
            bust=rng.uniform(0.3, 1.0) if female else 0.0,
            belly=float(np.clip(1.6 * heavy - 0.5 + rng.normal(0, 0.1), 0, 1)),
            head=rng.uniform(0.95, 1.05),
        )


@dataclass(frozen=True)
class Arm:
    """Angles of an arm, radians; with zeros, it hangs straight down, palm to the body."""

    flexion: float = 0.0
    abduction: float = 0.1
    twist: float = 0.0
    elbow: float = 0.15


@dataclass(frozen=True)
class Leg:
    """Angles of a leg, radians; with zeros, it is straight. `toes` lowers the foot."""

    flexion: float = 0.0
    abduction: float = 0.04
    twist: float = 0.08
    knee: float = 0.05
    toes: float = 0.0


@dataclass(frozen=True)
class Pose:
    """Angles of all joints, radians. Index 0 of a pair is the left side.

    Attributes
    ----------
    pitch, roll : float
        Lean of the whole body, forward and to its right.
    bend, lean, turn : float
        Rotation of the spine: forward, to the right, and about itself.
    nod, tilt, look : float
        Rotation of the head: down, to the right, and to the left.
    arms, legs : tuple
        Left, right.
    """

    pitch: float = 0.0
    roll: float = 0.0
    bend: float = 0.04
    lean: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    tilt: float = 0.0
    look: float = 0.0
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    legs: tuple[Leg, Leg] = (Leg(), Leg())


def walking(phase: float, stride: float = 1.0, swing: float = 1.0) -> Pose:
    """A pose of the walking cycle.

    Parameters
    ----------
    phase : float
        Share of the cycle, 0 to 1; the left heel strikes at 0.
    stride, swing : float
        Reach of the legs and of the arms relative to a usual one.
    """
    legs = tuple(_walking_leg(phase + shift, stride) for shift in (0.0, 0.5))
    ahead = float(np.cos(2 * np.pi * phase))
    arms = tuple(
        Arm(
            flexion=-0.42 * swing * side * ahead + 0.05,
            abduction=0.1,
            elbow=0.35 + 0.2 * swing * max(0.0, -side * ahead),
        )
        for side in SIDES
    )
    return Pose(
        bend=0.05 + 0.04 * stride,
        turn=0.09 * swing * ahead,
        roll=0.02 * float(np.sin(2 * np.pi * phase)),
        arms=(arms[0], arms[1]),
        legs=(legs[0], legs[1]),
    )


def _walking_leg(phase: float, stride: float) -> Leg:
    """Angles through the gait cycle, interpolated between the textbook's key moments."""
    p = phase % 1.0
    at = (0.0, 0.12, 0.3, 0.5, 0.6, 0.73, 0.87, 1.0)
    hip = (0.42, 0.36, 0.08, -0.22, -0.12, 0.25, 0.45, 0.42)
    knee = (0.06, 0.28, 0.1, 0.14, 0.62, 1.05, 0.4, 0.06)
    toes = (-0.25, 0.0, 0.0, 0.25, 0.55, 0.25, -0.1, -0.25)
    return Leg(
        flexion=stride * float(np.interp(p, at, hip)),
        knee=(0.4 + 0.6 * stride) * float(np.interp(p, at, knee)),
        toes=stride * float(np.interp(p, at, toes)),
        abduction=0.015,
    )


def sample_pose(rng: np.random.Generator, kind: str | None = None) -> Pose:
    """A pose of the given kind; None draws one of POSE_KINDS."""
    if kind is None:
        kind = str(rng.choice(list(_POSES), p=_POSE_SHARES))
    pose = _POSES[kind](rng)
    return Pose(
        pitch=pose.pitch + rng.normal(0, 0.02),
        roll=pose.roll + rng.normal(0, 0.02),
        bend=pose.bend + rng.normal(0, 0.04),
        lean=pose.lean + rng.normal(0, 0.04),
        turn=pose.turn + rng.normal(0, 0.08),
        nod=pose.nod + rng.normal(0, 0.12),
        tilt=pose.tilt + rng.normal(0, 0.06),
        look=pose.look + float(np.clip(rng.normal(0, 0.35), -1.0, 1.0)),
        arms=pose.arms,
        legs=pose.legs,
    )


def _hanging_arm(rng: np.random.Generator) -> Arm:
    return Arm(
        rng.normal(0.0, 0.12), rng.uniform(0.06, 0.25), rng.normal(0, 0.2), rng.uniform(0.05, 0.5)
    )


def _busy_arm(rng: np.random.Generator) -> Arm:
    """Any pose that a standing person's arm may take."""
    kind = rng.choice(
        ['hang', 'hip', 'phone', 'fold', 'reach', 'up', 'wave', 'side', 'carry', 'pocket'],
        p=[0.24, 0.1, 0.1, 0.1, 0.12, 0.08, 0.08, 0.06, 0.07, 0.05],
    )
    n = rng.normal
    if kind == 'hip':
        return Arm(-0.25 + n(0, 0.1), 0.75 + n(0, 0.1), -0.9 + n(0, 0.1), 1.5 + n(0, 0.15))
    if kind == 'phone':
        return Arm(0.7 + n(0, 0.2), 0.35 + n(0, 0.1), -0.35 + n(0, 0.15), 2.3 + n(0, 0.12))
    if kind == 'fold':
        return Arm(0.5 + n(0, 0.1), 0.15, 1.0 + n(0, 0.1), 1.75 + n(0, 0.15))
    if kind == 'reach':
        return Arm(rng.uniform(0.6, 1.8), n(0.1, 0.2), n(0, 0.25), rng.uniform(0.05, 0.9))
    if kind == 'up':
        return Arm(rng.uniform(2.3, 3.0), rng.uniform(0.0, 0.5), n(0, 0.3), rng.uniform(0.05, 0.9))
    if kind == 'wave':
        return Arm(0.15 + n(0, 0.2), 1.3 + n(0, 0.2), -1.45 + n(0, 0.2), rng.uniform(1.0, 1.9))
    if kind == 'side':
        return Arm(n(0, 0.2), rng.uniform(0.8, 1.7), n(0, 0.3), rng.uniform(0.0, 0.6))
    if kind == 'carry':
        return Arm(0.25 + n(0, 0.1), 0.15, 0.25 + n(0, 0.1), 1.45 + n(0, 0.15))
    if kind == 'pocket':
        return Arm(-0.2 + n(0, 0.05), 0.4 + n(0, 0.05), 0.2, 0.75 + n(0, 0.08))
    return _hanging_arm(rng)


def _arms(rng: np.random.Generator) -> tuple[Arm, Arm]:
    left = _busy_arm(rng)
    return (left, left) if rng.random() < 0.35 else (left, _busy_arm(rng))


def _standing(rng: np.random.Generator) -> Pose:
    shift = rng.normal(0, 0.05)
    legs = tuple(
        Leg(
            rng.normal(0.02, 0.06),
            0.05 + rng.uniform(-0.02, 0.16),
            rng.uniform(0, 0.35),
            rng.uniform(0.0, 0.2),
        )
        for _ in SIDES
    )
    return Pose(bend=0.04, lean=-shift, roll=shift, arms=_arms(rng), legs=(legs[0], legs[1]))


def _striding(rng: np.random.Generator) -> Pose:
    pose = walking(rng.random(), rng.uniform(0.7, 1.25), rng.uniform(0.4, 1.3))
    if rng.random() < 0.35:
        arms = (
            (_busy_arm(rng), pose.arms[1])
            if rng.random() < 0.5
            else (pose.arms[0], _busy_arm(rng))
        )
        pose = Pose(bend=pose.bend, turn=pose.turn, arms=arms, legs=pose.legs)
    return pose


def _running(rng: np.random.Generator) -> Pose:
    base = walking(rng.random(), rng.uniform(1.4, 1.8), rng.uniform(1.5, 2.0))
    arms = tuple(Arm(a.flexion, 0.2, 0.1, 1.5 + rng.normal(0, 0.15)) for a in base.arms)
    return Pose(pitch=0.1, bend=0.12, turn=base.turn, arms=(arms[0], arms[1]), legs=base.legs)


def _sitting(rng: np.random.Generator) -> Pose:
    flexion, knee = rng.uniform(1.35, 1.6), rng.uniform(1.2, 1.75)
    legs = tuple(
        Leg(
            flexion + rng.normal(0, 0.05), rng.uniform(0.02, 0.25), 0.0, knee + rng.normal(0, 0.12)
        )
        for _ in SIDES
    )
    on_lap = Arm(0.45 + rng.normal(0, 0.1), 0.15, 0.25, 0.95 + rng.normal(0, 0.15))
    arms = (on_lap, on_lap) if rng.random() < 0.5 else _arms(rng)
    return Pose(
        bend=rng.uniform(-0.1, 0.35),
        pitch=rng.uniform(-0.2, 0.05),
        arms=arms,
        legs=(legs[0], legs[1]),
    )


def _crouching(rng: np.random.Generator) -> Pose:
    deep = rng.uniform(0.55, 1.0)
    kneeling = rng.random() < 0.3
    one = Leg(2.05 * deep, rng.uniform(0.1, 0.35), 0.2, 2.25 * deep, 0.15 * deep)
    other = (
        Leg(0.1, 0.1, 0.1, 1.65, 0.9) if kneeling else Leg(1.95 * deep, 0.25, 0.2, 2.2 * deep, 0.3)
    )
    if kneeling:
        one = Leg(1.5, 0.15, 0.1, 1.55)
    legs = (one, other) if rng.random() < 0.5 else (other, one)
    reach = rng.uniform(0.5, 1.3)
    arms = tuple(
        Arm(
            reach + rng.normal(0, 0.2),
            rng.uniform(0.0, 0.3),
            rng.normal(0, 0.2),
            rng.uniform(0.2, 1.2),
        )
        for _ in SIDES
    )
    return Pose(
        pitch=0.1 if kneeling else 0.35 * deep, bend=0.3 * deep, arms=(arms[0], arms[1]), legs=legs
    )


def _bending(rng: np.random.Generator) -> Pose:
    bow = rng.uniform(0.5, 1.2)
    knee = rng.uniform(0.05, 0.6)
    legs = tuple(
        Leg(
            0.5 * bow + 0.5 * knee + rng.normal(0, 0.04),
            rng.uniform(0.03, 0.15),
            0.1,
            knee + rng.normal(0, 0.04),
        )
        for _ in SIDES
    )
    arms = tuple(
        Arm(
            rng.uniform(0.6, 1.6),
            rng.uniform(0.0, 0.2),
            rng.normal(0, 0.15),
            rng.uniform(0.1, 0.8),
        )
        for _ in SIDES
    )
    return Pose(
        pitch=0.5 * bow,
        bend=0.75 * bow,
        nod=-0.2,
        arms=(arms[0], arms[1]),
        legs=(legs[0], legs[1]),
    )


def _reaching(rng: np.random.Generator) -> Pose:
    pose = _standing(rng)
    up = tuple(
        Arm(
            rng.uniform(1.5, 3.0),
            rng.uniform(-0.1, 0.5),
            rng.normal(0, 0.3),
            rng.uniform(0.0, 0.8),
        )
        for _ in SIDES
    )
    arms = (up[0], up[1]) if rng.random() < 0.6 else (up[0], _hanging_arm(rng))
    return Pose(bend=rng.normal(0, 0.1), nod=-0.25, arms=arms, legs=pose.legs)


_POSES: dict[str, Callable[[np.random.Generator], Pose]] = {
    'standing': _standing,
    'walking': _striding,
    'running': _running,
    'sitting': _sitting,
    'crouching': _crouching,
    'bending': _bending,
    'reaching': _reaching,
}
_POSE_SHARES = (0.32, 0.3, 0.06, 0.1, 0.08, 0.05, 0.09)
POSE_KINDS = tuple(_POSES)


def rotation_x(angle: float) -> Matrix:
    """Rotation that turns y towards z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> Matrix:
    """Rotation that turns z towards x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> Matrix:
    """Rotation that turns x towards y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass(frozen=True, eq=False)
class Limb:
    """An arm or a leg: three joints, and the frames (columns: x, y, z) of its segments."""

    joints: tuple[Matrix, Matrix, Matrix]
    upper: Matrix
    lower: Matrix
    end: Matrix


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Where a body's joints are, and how its segments are turned.

    Attributes
    ----------
    build : Build
        The person's build.
    pelvis, waist, chest, neck, head : ndarray, shape (3,)
        Points along the spine; `neck` lies between the shoulders, `head` is the skull's center.
    hips_frame, chest_frame, head_frame : ndarray, shape (3, 3)
        Columns are the segment's x, y and z axes.
    arms, legs : tuple of Limb
        Left, right.
    """

    build: Build
    pelvis: Matrix
    waist: Matrix
    chest: Matrix
    neck: Matrix
    head: Matrix
    hips_frame: Matrix
    chest_frame: Matrix
    head_frame: Matrix
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    keypoints: Matrix = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'keypoints', self._keypoints())

    def head_radii(self) -> Matrix:
        """Half width, height and depth of the skull, meters."""
        return np.array([0.0445, 0.0655, 0.0535]) * self.build.height * self.build.head

    def _keypoints(self) -> Matrix:
        """The 17 keypoints in COCO's order, (17, 3)."""
        radii = self.head_radii()
        face = [
            (0.0, -0.16, 1.12),
            (0.36, 0.12, 0.86),
            (-0.36, 0.12, 0.86),
            (1.02, 0.0, 0.0),
            (-1.02, 0.0, 0.0),
        ]
        points = [self.head + self.head_frame @ (np.array(p) * radii) for p in face]
        for limbs in (self.arms, self.legs):
            for joint in range(3):
                points += [limb.joints[joint] for limb in limbs]
        return np.array(points)


def pose_skeleton(build: Build, pose: Pose) -> Skeleton:
    """The skeleton in a pose, with its lowest point on the floor."""
    h = build.height
    root = rotation_x(pose.pitch) @ rotation_z(-pose.roll)
    half = rotation_y(pose.turn / 2) @ rotation_x(pose.bend / 2) @ rotation_z(-pose.lean / 2)
    chest_frame = root @ half @ half
    hips_frame = root
    pelvis = np.zeros(3)
    waist = pelvis + hips_frame @ np.array([0, 0.095 * h, 0])
    chest = waist + root @ half @ np.array([0, 0.09 * h, 0])
    neck = chest + chest_frame @ np.array([0, 0.105 * h, 0])
    head_frame = (
        chest_frame
        @ rotation_y(0.75 * pose.look)
        @ rotation_x(pose.nod - 0.5 * pose.bend)
        @ rotation_z(-pose.tilt)
    )
    atlas = neck + chest_frame @ np.array([0, 0.042 * h, 0.006 * h])
    head = atlas + head_frame @ np.array([0, 0.068 * h * build.head, 0.014 * h])
    arms = tuple(
        _arm(
            build,
            neck + chest_frame @ np.array([side * build.shoulder * h, -0.006 * h, 0]),
            chest_frame,
            arm,
            side,
        )
        for side, arm in zip(SIDES, pose.arms, strict=True)
    )
    legs = tuple(
        _leg(
            build,
            pelvis + hips_frame @ np.array([side * build.hip * h, 0, 0]),
            hips_frame,
            leg,
            side,
        )
        for side, leg in zip(SIDES, pose.legs, strict=True)
    )
    low = min(
        min(
            float((leg.joints[2] + leg.end @ p)[1])
            for p in (np.array([0, -0.039 * h, 0.1 * h]), np.array([0, -0.039 * h, -0.03 * h]))
        )
        for leg in legs
    )
    low = min(low, *(float(leg.joints[1][1]) - 0.03 * h for leg in legs))
    lift = np.array([0, -low, 0])

    def raised(limb: Limb) -> Limb:
        first, second, third = (joint + lift for joint in limb.joints)
        return Limb((first, second, third), limb.upper, limb.lower, limb.end)

    return Skeleton(
        build,
        pelvis + lift,
        waist + lift,
        chest + lift,
        neck + lift,
        head + lift,
        hips_frame,
        chest_frame,
        head_frame,
        (raised(arms[0]), raised(arms[1])),
        (raised(legs[0]), raised(legs[1])),
    )


def _arm(build: Build, shoulder: Matrix, trunk: Matrix, arm: Arm, side: int) -> Limb:
    h = build.height
    upper = (
        trunk
        @ rotation_x(-arm.flexion)
        @ rotation_z(side * arm.abduction)
        @ rotation_y(-side * arm.twist)
    )
    lower = upper @ rotation_x(-max(arm.elbow, 0.0))
    elbow = shoulder + upper @ np.array([0, -0.172 * h, 0])
    wrist = elbow + lower @ np.array([0, -0.146 * h, 0])
    return Limb((shoulder, elbow, wrist), upper, lower, lower @ rotation_x(-0.15))


def _leg(build: Build, hip: Matrix, hips: Matrix, leg: Leg, side: int) -> Limb:
    h = build.height
    upper = (
        hips
        @ rotation_x(-leg.flexion)
        @ rotation_z(side * leg.abduction)
        @ rotation_y(side * leg.twist)
    )
    lower = upper @ rotation_x(max(leg.knee, 0.0))
    knee = hip + upper @ np.array([0, -0.245 * h, 0])
    ankle = knee + lower @ np.array([0, -0.246 * h, 0])
    # The foot stays level and points in the direction of the knee.
    ahead = lower[:, 2] if np.hypot(lower[0, 2], lower[2, 2]) > 0.5 else upper[:, 2]
    heading = float(np.clip(np.arctan2(ahead[0], max(ahead[2], 0.2)), -0.7, 0.7))
    end = rotation_y(heading) @ rotation_x(leg.toes)
    return Limb((hip, knee, ankle), upper, lower, end)
