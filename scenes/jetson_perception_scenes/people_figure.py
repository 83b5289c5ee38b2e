"""A dressed person: outfit, the solids that make up body and clothes, and the shaded sprite."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception_scenes.people_body import (
    SIDES,
    Build,
    Limb,
    Pose,
    Skeleton,
    pose_skeleton,
    rotation_x,
    rotation_y,
)
from jetson_perception_scenes.people_raster import (
    CLOTH,
    HAIR,
    LEATHER,
    PLASTIC,
    SKIN,
    STIFF,
    Canvas,
    Finish,
    Solid,
    Sprite,
    Sun,
    cross,
    to_sprite,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception_scenes.people_raster import Field, Painter

    Vector = NDArray[np.float64]
    Color = NDArray[np.float32]

# BGR.
_SKINS = (
    (172, 196, 236), (150, 180, 226), (132, 164, 214), (112, 146, 200), (92, 126, 182),
    (72, 102, 156), (56, 80, 128), (42, 60, 98), (34, 46, 74),
)  # fmt: skip
_HAIRS = (
    (24, 24, 28),
    (30, 36, 48),
    (36, 52, 78),
    (48, 76, 116),
    (84, 128, 172),
    (140, 186, 214),
    (150, 150, 152),
    (206, 206, 206),
    (38, 62, 140),
)
_FABRICS = (
    (40, 40, 44), (70, 70, 74), (120, 118, 116), (196, 196, 196), (232, 232, 230), (96, 52, 34),
    (140, 84, 40), (176, 128, 72), (60, 96, 40), (64, 124, 76), (40, 52, 150), (44, 44, 196),
    (50, 130, 220), (60, 190, 226), (140, 60, 130),
    (150, 110, 190), (84, 110, 150), (128, 160, 190),
    (120, 140, 60), (150, 100, 100),
)  # fmt: skip
_TROUSERS = (
    (104, 72, 44), (130, 96, 62), (72, 48, 32), (40, 38, 38),
    (60, 60, 62), (96, 96, 98), (92, 124, 148),
    (116, 146, 168), (64, 84, 74), (150, 150, 148), (54, 66, 92), (34, 34, 60),
)  # fmt: skip
_SHOES = ((30, 30, 32), (44, 60, 92), (225, 225, 225), (60, 60, 160), (140, 80, 40), (80, 80, 84))
_VESTS = ((40, 245, 205), (30, 120, 250), (60, 235, 120))

TOPS = ('tshirt', 'long', 'tank', 'jacket', 'vest', 'coat', 'dress')
BOTTOMS = ('trousers', 'shorts', 'skirt', 'long_skirt')
HAIR_STYLES = ('short', 'bald', 'bob', 'long', 'bun', 'tail', 'curls')
HATS = ('none', 'cap', 'beanie', 'helmet', 'sun')
_SLEEVES = {
    'tshirt': 0.55,
    'long': 2.0,
    'tank': 0.0,
    'jacket': 2.0,
    'vest': 2.0,
    'coat': 2.0,
    'dress': 0.5,
}


@dataclass(frozen=True, eq=False)
class Outfit:
    """What a person wears, and their skin and hair.

    Attributes
    ----------
    skin, hair : ndarray
        BGR.
    hair_style, hat, top, bottom : str
        One each of HAIR_STYLES, HATS, TOPS and BOTTOMS.
    fabric : callable
        Painter of the top; y is measured from the pelvis.
    plain, yoke : ndarray
        BGR of sleeves and of shoulders.
    under, trousers, shoes, hat_color, bag_color : ndarray
        BGR.
    bag, beard, glasses : bool
        Whether each is worn.
    hem : float
        How far the top hangs below the hips, as a share of stature.
    """

    skin: Color
    hair: Color
    hair_style: str
    hat: str
    top: str
    bottom: str
    fabric: Painter
    plain: Color
    yoke: Color
    under: Color
    trousers: Color
    shoes: Color
    hat_color: Color
    bag_color: Color
    bag: bool
    beard: bool
    glasses: bool
    hem: float

    @classmethod
    def sample(cls, rng: np.random.Generator, build: Build) -> Outfit:
        """A random everyday outfit."""
        female = build.bust > 0
        top = str(rng.choice(TOPS, p=(0.28, 0.26, 0.06, 0.16, 0.09, 0.07, 0.08)))
        if top == 'dress' and not female:
            top = 'long'
        shares = (0.62, 0.12, 0.17, 0.09) if female else (0.8, 0.2, 0.0, 0.0)
        styles = (
            (0.12, 0.0, 0.24, 0.3, 0.12, 0.14, 0.08)
            if female
            else (0.68, 0.14, 0.03, 0.03, 0.02, 0.02, 0.08)
        )
        fabric = _tint(rng, _FABRICS)
        trousers = _tint(rng, _TROUSERS)
        under = _tint(rng, _FABRICS)
        paint = _pattern(rng, fabric) if top not in ('jacket', 'coat') else partial(_plain, fabric)
        yoke = fabric
        if top == 'vest':
            vest = np.array(_VESTS[rng.integers(len(_VESTS))], np.float32) * rng.uniform(0.85, 1.0)
            paint = partial(_reflective, vest, build.height)
            yoke, fabric = vest, under
        elif top in ('jacket', 'coat'):
            paint = partial(_open_front, fabric, under, rng.uniform(0.02, 0.06))
        hat = str(rng.choice(HATS, p=(0.74, 0.09, 0.06, 0.07, 0.04)))
        if top == 'vest' and rng.random() < 0.6:
            hat = 'helmet'
        return cls(
            skin=_tint(rng, _SKINS, 0.06),
            hair=_tint(rng, _HAIRS, 0.15),
            hair_style=str(rng.choice(HAIR_STYLES, p=styles)),
            hat=hat,
            top=top,
            bottom=str(rng.choice(BOTTOMS, p=shares)),
            fabric=paint,
            plain=fabric,
            yoke=yoke,
            under=under,
            trousers=trousers,
            shoes=_tint(rng, _SHOES),
            hat_color=_tint(rng, _VESTS if hat == 'helmet' and rng.random() < 0.5 else _FABRICS),
            bag_color=_tint(rng, _FABRICS),
            bag=bool(rng.random() < 0.14),
            beard=bool(not female and rng.random() < 0.28),
            glasses=bool(rng.random() < 0.18),
            hem=rng.uniform(-0.035, 0.05),
        )


@dataclass(frozen=True, eq=False)
class Figure:
    """A person, independent of the pose."""

    build: Build
    outfit: Outfit

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Figure:
        """A random person."""
        build = Build.sample(rng)
        return cls(build, Outfit.sample(rng, build))


# How thick the body is in front of each of COCO's keypoints, as a share of stature.
_KEYPOINT_DEPTH = np.array(
    [
        0.012,
        0.012,
        0.012,
        0.02,
        0.02,
        0.05,
        0.05,
        0.035,
        0.035,
        0.028,
        0.028,
        0.085,
        0.085,
        0.05,
        0.05,
        0.035,
        0.035,
    ]
)


def figure_sprite(
    figure: Figure,
    pose: Pose,
    *,
    heading: float,
    elevation: float,
    scale: float,
    sun: Sun,
    rng: np.random.Generator,
    reduce: int = 2,
) -> Sprite:
    """The shaded person, with keypoints in COCO's order.

    Parameters
    ----------
    figure : Figure
        The person.
    pose : Pose
        The person's pose.
    heading : float
        Radians; 0 faces the camera, π/2 looks to the picture's right.
    elevation : float
        Angle of the camera above the horizontal, as seen from the person, radians.
    scale : float
        Pixels per meter.
    sun : Sun
        The light.
    rng : Generator
        Chooses the folds of the clothes.
    reduce : int
        Factor of supersampling, for soft edges.
    """
    skeleton = pose_skeleton(figure.build, pose)
    view = rotation_x(elevation) @ rotation_y(heading)
    solids = list(body_solids(skeleton, figure.outfit))
    ends = np.array([end for solid in solids for end in (solid.a, solid.b)]) @ view.T
    reach = np.repeat([max(s.ra, s.rb) * max(s.squash) for s in solids], 2)[:, None]
    low, high = (ends - reach).min(axis=0), (ends + reach).max(axis=0)
    canvas = Canvas(low[:2], high[:2], scale * reduce, view)
    for solid in solids:
        canvas.add(solid)
    points = skeleton.keypoints @ view.T
    keypoints = np.ones((len(points), 3), np.float32)
    keypoints[:, :2] = canvas.to_pixels(points)
    slack = _KEYPOINT_DEPTH * figure.build.height
    keypoints[:, 2] = [
        not canvas.hides(point, depth) for point, depth in zip(points, slack, strict=True)
    ]
    lit, inside = canvas.shade(sun, rng, relax=0.009)
    return to_sprite(canvas, lit, inside, reduce, keypoints)


def body_solids(skeleton: Skeleton, outfit: Outfit) -> Iterator[Solid]:
    """The solids of a dressed body, in no particular order."""
    yield from _trunk(skeleton, outfit)
    yield from _bottom(skeleton, outfit)
    for side, arm in zip(SIDES, skeleton.arms, strict=True):
        yield from _arm(skeleton.build, arm, outfit, side)
    for leg in skeleton.legs:
        yield from _leg(skeleton.build, leg, outfit)
    yield from _head(skeleton, outfit)
    if outfit.bag:
        yield from _bag(skeleton, outfit)


def _trunk(skeleton: Skeleton, outfit: Outfit) -> Iterator[Solid]:
    build, h, g = skeleton.build, skeleton.build.height, skeleton.build.girth
    frame = skeleton.chest_frame
    loose = 1.06 if outfit.top in ('jacket', 'coat', 'vest') else 1.0
    paint, finish = outfit.fabric, STIFF if outfit.top in ('jacket', 'vest') else CLOTH
    wide = build.shoulder / 0.108
    low, middle = skeleton.waist, skeleton.chest
    top = skeleton.neck - frame @ np.array([0, 0.052 * h, 0.002 * h])

    def above_pelvis(point: Vector) -> Painter:
        right, up, _ = (point - skeleton.pelvis) @ frame
        return _shifted(paint, float(up), float(right))

    belly, chest = (
        0.07 * h * g * loose * (1 + 0.1 * build.belly),
        0.078 * h * (0.55 + 0.45 * g) * loose,
    )
    yield Solid(low, middle, belly, chest, above_pelvis(low), finish, frame, (1.12, 1, 0.82))
    yield Solid(
        middle,
        top,
        chest,
        0.066 * h * (0.7 + 0.3 * g),
        above_pelvis(middle),
        finish,
        frame,
        (1.2 * wide, 1, 0.8),
    )
    left, right = (arm.joints[0] for arm in skeleton.arms)
    inward = 0.03 * h * (right - left) / np.linalg.norm(right - left)
    yield Solid(
        left + inward, right - inward, 0.038 * h * g**0.5, 0.038 * h * g**0.5, outfit.yoke, finish
    )
    nape = skeleton.neck + frame @ np.array([0, 0.022 * h, -0.004 * h])
    for shoulder in (left, right):
        yield Solid(
            nape,
            shoulder * 0.75 + nape * 0.25 - frame[:, 1] * 0.004 * h,
            0.026 * h,
            0.031 * h,
            outfit.yoke,
            finish,
        )
    if build.bust:
        for side in SIDES:
            at = middle + frame @ np.array([side * 0.042 * h, 0.03 * h, 0.04 * h])
            size = (0.03 + 0.014 * build.bust) * h
            yield Solid(at, at, size, size, above_pelvis(at), finish, frame)
    if build.belly > 0.1:
        at = low + frame @ np.array([0, 0.01 * h, (0.02 + 0.02 * build.belly) * h])
        size = 0.062 * h * g
        yield Solid(at, at, size, size, above_pelvis(at), finish, frame, (1.1, 1, 0.95))
    # The hem covers the hips.
    hips = skeleton.pelvis + skeleton.hips_frame @ np.array([0, 0.018 * h, 0])
    if outfit.top in ('coat', 'dress'):
        yield from _hanging(
            skeleton,
            paint,
            finish,
            length=(0.24 if outfit.top == 'dress' else 0.19) * h,
            flare=1.3,
        )
    hem = 0.0775 * h * g * loose * max(1.0, (build.hip / 0.052) ** 0.5)
    down = hips - skeleton.hips_frame @ np.array([0, outfit.hem * h, 0])
    edge = partial(_above, float((down - low) @ skeleton.hips_frame[:, 1]))
    yield Solid(
        low, down, belly, hem, above_pelvis(low), finish, skeleton.hips_frame, (1.2, 1, 0.92), edge
    )
    neck_top = skeleton.head - skeleton.head_frame @ np.array([0, 0.035 * h, 0.012 * h])
    yield Solid(
        nape - frame[:, 1] * 0.02 * h,
        neck_top,
        0.033 * h,
        0.029 * h,
        outfit.skin * np.float32(0.9),
        SKIN,
    )
    if outfit.top in ('long', 'jacket', 'coat', 'vest'):
        yield Solid(
            nape - frame[:, 1] * 0.02 * h,
            nape + frame[:, 1] * 0.004 * h,
            0.037 * h,
            0.034 * h,
            outfit.plain * np.float32(0.85),
            CLOTH,
        )


def _hanging(
    skeleton: Skeleton, paint: Painter | Color, finish: Finish, length: float, flare: float
) -> Iterator[Solid]:
    """Cloth that hangs from the hips around both legs: a skirt, or the tail of a coat."""
    h, g = skeleton.build.height, skeleton.build.girth
    hips = skeleton.pelvis + skeleton.hips_frame @ np.array([0, 0.01 * h, 0])
    thighs = [leg.joints[1] - leg.joints[0] for leg in skeleton.legs]
    for leg, thigh in zip(skeleton.legs, thighs, strict=True):
        way = thigh / np.linalg.norm(thigh)
        mean = sum(thighs) / np.linalg.norm(sum(thighs))
        way = 0.55 * way + 0.45 * mean
        start = 0.5 * hips + 0.5 * leg.joints[0]
        end = start + way / np.linalg.norm(way) * length
        frame = _frame_along(end - start, skeleton.hips_frame[:, 2])
        yield Solid(
            start,
            end,
            0.078 * h * g,
            0.062 * h * g * flare,
            paint,
            finish,
            frame,
            (1.12, 1, 0.95),
            keep=partial(_above, -length),
        )


def _bottom(skeleton: Skeleton, outfit: Outfit) -> Iterator[Solid]:
    build, h, g = skeleton.build, skeleton.build.height, skeleton.build.girth
    hips = skeleton.pelvis + skeleton.hips_frame @ np.array([0, 0.005 * h, -0.004 * h])
    size = 0.068 * h * g * (build.hip / 0.052) ** 0.5
    color = outfit.trousers
    yield Solid(hips, hips, size, size, color, CLOTH, skeleton.hips_frame, (1.3, 1.0, 1.0))
    if outfit.top in ('coat', 'dress'):
        return
    if outfit.bottom == 'skirt':
        yield from _hanging(skeleton, color, CLOTH, 0.21 * h, 1.35)
    elif outfit.bottom == 'long_skirt':
        yield from _hanging(skeleton, color, CLOTH, 0.36 * h, 1.75)


def _arm(build: Build, arm: Limb, outfit: Outfit, side: int) -> Iterator[Solid]:
    h, g = build.height, build.girth**0.7
    shoulder, elbow, wrist = arm.joints
    sleeve = _SLEEVES[outfit.top]
    cloth: Painter | Color = outfit.plain
    cut = np.linalg.norm(elbow - shoulder)
    bulk = 1.0 + (0.16 if sleeve > 1 else 0.08 if sleeve else 0.0)
    finish = CLOTH if sleeve > 1 else SKIN
    upper = cloth if sleeve > 1 else outfit.skin
    yield Solid(shoulder, elbow, 0.034 * h * g * bulk, 0.0245 * h * g * bulk, upper, finish)
    if 0 < sleeve < 1:
        end = shoulder + (elbow - shoulder) * sleeve
        frame = _frame_along(elbow - shoulder, arm.upper[:, 2])
        yield Solid(
            shoulder,
            end,
            0.037 * h * g,
            0.033 * h * g,
            cloth,
            CLOTH,
            frame,
            keep=partial(_above, -float(cut) * sleeve),
        )
    yield Solid(
        elbow,
        wrist,
        0.0245 * h * g * bulk,
        0.0165 * h * (bulk if sleeve > 1 else 1.0),
        upper,
        finish,
    )
    if sleeve <= 1:
        belly = elbow + (wrist - elbow) * 0.28
        size = 0.0265 * h * g
        yield Solid(
            belly,
            belly,
            size,
            size,
            outfit.skin,
            SKIN,
            _frame_along(wrist - elbow, arm.lower[:, 2]),
            (1, 1.8, 0.95),
        )
    down = -arm.end[:, 1]
    palm, knuckles, tips = (
        wrist + down * 0.012 * h,
        wrist + down * 0.048 * h,
        wrist + down * 0.088 * h,
    )
    thin = (0.55, 1, 1)
    yield Solid(palm, knuckles, 0.016 * h, 0.0215 * h, outfit.skin, SKIN, arm.end, thin)
    ahead = arm.end[:, 2]
    for spread in (-1.0, 0.0, 1.0):
        root = knuckles + ahead * spread * 0.0125 * h
        end = (
            tips
            + ahead * spread * 0.018 * h
            - down * abs(spread) * 0.008 * h
            - arm.end[:, 0] * side * 0.008 * h
        )
        yield Solid(root, end, 0.0095 * h, 0.0065 * h, outfit.skin, SKIN)
    yield Solid(
        palm + ahead * 0.012 * h,
        palm + ahead * 0.034 * h + down * 0.03 * h,
        0.0095 * h,
        0.007 * h,
        outfit.skin,
        SKIN,
    )


def _leg(build: Build, leg: Limb, outfit: Outfit) -> Iterator[Solid]:
    h, g = build.height, build.girth**0.8
    hip, knee, ankle = leg.joints
    bare = outfit.top == 'dress' or (outfit.bottom != 'trousers' and outfit.top != 'coat')
    color, finish = (outfit.skin, SKIN) if bare else (outfit.trousers, CLOTH)
    bulk = 0.95 if bare else 1.06
    start = hip + (knee - hip) * 0.04
    yield Solid(start, knee, 0.054 * h * g * bulk, 0.034 * h * g**0.6 * bulk, color, finish)
    yield Solid(
        knee, ankle, 0.0325 * h * g**0.6 * bulk, (0.0215 if bare else 0.029) * h, color, finish
    )
    frame = _frame_along(ankle - knee, leg.lower[:, 2])
    if bare:
        calf = knee + (ankle - knee) * 0.28 - leg.lower[:, 2] * 0.011 * h
        yield Solid(
            calf,
            calf,
            0.03 * h * g**0.6,
            0.03 * h * g**0.6,
            color,
            finish,
            frame,
            (0.95, 2.1, 0.95),
        )
    if outfit.bottom == 'shorts' and outfit.top not in ('coat', 'dress'):
        end = hip + (knee - hip) * 0.8
        long = float(np.linalg.norm(end - start))
        yield Solid(
            start,
            end,
            0.058 * h * g,
            0.047 * h * g,
            outfit.trousers,
            CLOTH,
            _frame_along(knee - hip, leg.upper[:, 2]),
            keep=partial(_above, -long),
        )
    foot = leg.end
    heel = ankle + foot @ np.array([0, -0.02 * h, -0.012 * h])
    ball = ankle + foot @ np.array([0, -0.0225 * h, 0.075 * h])
    toe = ankle + foot @ np.array([0, -0.0255 * h, 0.108 * h])
    yield Solid(
        ankle + foot @ np.array([0, -0.004 * h, 0]),
        heel,
        0.022 * h,
        0.0195 * h,
        outfit.shoes,
        LEATHER,
    )
    yield Solid(heel, ball, 0.02 * h, 0.0175 * h, outfit.shoes, LEATHER, foot, (1.1, 1, 1))
    yield Solid(ball, toe, 0.0175 * h, 0.0125 * h, outfit.shoes, LEATHER, foot, (1.3, 1, 1))


def _head(skeleton: Skeleton, outfit: Outfit) -> Iterator[Solid]:
    radii = skeleton.head_radii()
    frame, center = skeleton.head_frame, skeleton.head

    def ball(
        at: tuple[float, float, float],
        size: tuple[float, float, float],
        color: Painter | Color,
        finish: Finish,
        keep: object = None,
    ) -> Solid:
        """An ellipsoid placed and sized in radii of the skull."""
        middle = center + frame @ (np.array(at) * radii)
        squash = np.array(size) * radii
        return Solid(middle, middle, 1.0, 1.0, color, finish, frame, tuple(squash), keep)  # type: ignore[arg-type]

    shade = outfit.skin * np.float32(0.93)
    yield ball((0, 0, 0), (1, 1, 1), partial(_face, outfit), SKIN)
    yield ball((0, -0.62, 0.42), (0.56, 0.36, 0.5), _beard_color(outfit), SKIN)
    yield ball((0, -0.13, 0.98), (0.16, 0.17, 0.22), outfit.skin * np.float32(1.03), SKIN)
    yield ball((0, 0.08, 0.93), (0.1, 0.24, 0.13), outfit.skin, SKIN)
    for side in SIDES:
        yield ball((side * 1.0, -0.02, -0.06), (0.12, 0.24, 0.2), shade, SKIN)
    covered = outfit.hat in ('cap', 'beanie', 'helmet', 'sun')
    if outfit.hair_style != 'bald':
        yield from (ball(*args) for args in _hair(outfit, covered=covered))
    if covered:
        yield from (ball(*args) for args in _hat(outfit))
    if outfit.glasses:
        dark = np.array([30, 30, 34], np.float32)
        for side in SIDES:
            yield ball((side * 0.38, 0.1, 0.88), (0.3, 0.17, 0.16), dark, PLASTIC, _rim)


def _hair(outfit: Outfit, *, covered: bool) -> Iterator[tuple]:
    color, style = outfit.hair, outfit.hair_style
    bulk = {'curls': 1.2, 'bob': 1.12, 'long': 1.1}.get(style, 1.07)
    if covered:
        bulk = min(bulk, 1.07)
    yield (
        (0, 0.05, -0.06),
        (bulk, bulk, bulk),
        partial(_strands, color),
        HAIR,
        partial(_hairline, style),
    )
    if style in ('bob', 'long'):
        low = -0.75 if style == 'bob' else -1.25
        yield (0, low / 2, -0.55), (1.02, 1.0 - low / 2.2, 0.62), partial(_strands, color), HAIR
        for side in SIDES:
            yield (
                (side * 0.86, low * 0.62, -0.12),
                (0.28, 0.85, 0.5),
                partial(_strands, color),
                HAIR,
            )
    elif style == 'bun':
        yield (0, 0.62, -1.05), (0.42, 0.36, 0.42), partial(_strands, color), HAIR
    elif style == 'tail':
        yield (0, 0.2, -1.2), (0.28, 0.3, 0.3), partial(_strands, color), HAIR
        yield (0, -0.6, -1.3), (0.26, 0.8, 0.24), partial(_strands, color), HAIR


def _hat(outfit: Outfit) -> Iterator[tuple]:
    color = outfit.hat_color
    if outfit.hat == 'beanie':
        yield (0, 0.1, -0.04), (1.13, 1.1, 1.13), color, CLOTH, partial(_above, 0.22)
    elif outfit.hat == 'cap':
        yield (0, 0.1, -0.02), (1.13, 1.08, 1.13), color, CLOTH, partial(_above, 0.3)
        yield (0, 0.42, 0.95), (0.8, 0.07, 0.75), color * np.float32(0.9), CLOTH
    elif outfit.hat == 'helmet':
        yield (0, 0.16, 0), (1.24, 1.1, 1.22), color, PLASTIC, partial(_above, 0.22)
        yield (0, 0.4, 0.12), (1.3, 0.07, 1.42), color, PLASTIC
    else:
        yield (0, 0.15, 0), (1.12, 1.0, 1.12), color, CLOTH, partial(_above, 0.2)
        yield (0, 0.38, 0), (2.0, 0.07, 1.75), color, CLOTH


def _bag(skeleton: Skeleton, outfit: Outfit) -> Iterator[Solid]:
    h, frame = skeleton.build.height, skeleton.chest_frame
    low = skeleton.chest + frame @ np.array([0, -0.04 * h, -0.115 * h])
    high = skeleton.chest + frame @ np.array([0, 0.06 * h, -0.105 * h])
    yield Solid(low, high, 0.07 * h, 0.062 * h, outfit.bag_color, STIFF, frame, (1.15, 1, 0.75))
    for side in SIDES:
        top = skeleton.neck + frame @ np.array([side * 0.062 * h, -0.002 * h, 0.03 * h])
        end = skeleton.chest + frame @ np.array([side * 0.075 * h, -0.015 * h, 0.056 * h])
        yield Solid(
            top, end, 0.014 * h, 0.014 * h, outfit.bag_color * np.float32(0.8), STIFF, frame
        )


def _frame_along(way: Vector, ahead: Vector) -> NDArray[np.float64]:
    """Axes whose y is opposite to `way`, and whose z is near `ahead`."""
    y = -way / np.linalg.norm(way)
    x = cross(y, ahead)
    x /= np.linalg.norm(x) + 1e-9
    return np.stack([x, y, cross(x, y)], axis=1)


def _above(limit: float, x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    return y > np.float32(limit)


def _rim(x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    return (x * x + y * y > 0.55) & (z > 0)


def _hairline(style: str, x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    """Whether there is hair: it starts low at the nape and high on the forehead."""
    low = np.interp(z, (-1, -0.3, 0.1, 0.5, 1), (-0.6, -0.45, 0.0, 0.45, 0.56))
    if style == 'curls':
        low -= 0.06 * np.cos(9 * x) - 0.04
    return y > low


def _tint(rng: np.random.Generator, colors: tuple, spread: float = 0.12) -> Color:
    """One of the colors, slightly varied."""
    base = np.asarray(colors[rng.integers(len(colors))], np.float32)
    return np.clip(
        base * rng.uniform(1 - spread, 1 + spread) + rng.normal(0, 6, 3), 8, 250
    ).astype(np.float32)


def _shifted(paint: Painter, up: float, right: float = 0.0) -> Painter:
    return lambda x, y, z: paint(x + np.float32(right), y + np.float32(up), z)


def _plain(color: Color, x: Field, y: Field, z: Field) -> Field:
    return np.broadcast_to(color, (len(x), 3))


def _two(one: Color, other: Color, where: NDArray[np.bool_]) -> Field:
    return np.where(where[:, None], other, one)


def _open_front(color: Color, under: Color, gap: float, x: Field, y: Field, z: Field) -> Field:
    opening = (np.abs(x) < gap * (0.4 + 2.2 * np.maximum(y, 0))) & (z > 0)
    edge = (np.abs(np.abs(x) - gap * (0.4 + 2.2 * np.maximum(y, 0))) < 0.006) & (z > 0)
    return np.where(edge[:, None], color * np.float32(0.6), _two(color, under, opening))


def _reflective(color: Color, height: float, x: Field, y: Field, z: Field) -> Field:
    share = y / np.float32(height)
    bands = (np.abs(share - 0.05) < 0.014) | (np.abs(share - 0.13) < 0.014)
    braces = (np.abs(np.abs(x) - 0.09) < 0.022) & (share > 0.13)
    return _two(color, np.array([205, 208, 206], np.float32), bands | braces)


def _pattern(rng: np.random.Generator, color: Color) -> Painter:
    """The pattern of a top's cloth."""
    other = _tint(rng, _FABRICS)
    kind = rng.choice(
        ['plain', 'stripes', 'bars', 'checks', 'print', 'half', 'dots'],
        p=(0.5, 0.14, 0.06, 0.1, 0.1, 0.06, 0.04),
    )
    width = np.float32(2 * np.pi / rng.uniform(0.03, 0.11))
    if kind == 'stripes':
        return lambda x, y, z: _two(color, other, np.sin(y * width) > 0.2)
    if kind == 'bars':
        return lambda x, y, z: _two(color, other, np.sin(x * width) > 0.5)
    if kind == 'checks':
        return lambda x, y, z: (
            color
            + (other - color)
            * (0.3 * (np.sin(y * width) > 0.1) + 0.3 * (np.sin(x * width) > 0.1)).astype(
                np.float32
            )[:, None]
        )
    if kind == 'print':
        at, size = np.float32(rng.uniform(0.22, 0.3)), rng.uniform(0.04, 0.09)
        return lambda x, y, z: _two(color, other, (x * x + (y - at) ** 2 < size * size) & (z > 0))
    if kind == 'half':
        at = np.float32(rng.uniform(0.1, 0.3))
        return lambda x, y, z: _two(color, other, y > at)
    if kind == 'dots':
        return lambda x, y, z: _two(color, other, np.sin(x * width) * np.sin(y * width) > 0.6)
    return partial(_plain, color)


def _strands(color: Color, x: Field, y: Field, z: Field) -> Field:
    streak = 1 + 0.16 * np.sin(17 * x + 3 * np.sin(4 * y)) * np.cos(5 * z + 2 * x)
    return color * streak.astype(np.float32)[:, None]


def _beard_color(outfit: Outfit) -> Color:
    return (
        outfit.hair * np.float32(0.7) + outfit.skin * np.float32(0.3)
        if outfit.beard
        else outfit.skin * np.float32(0.98)
    )


def _face(outfit: Outfit, x: Field, y: Field, z: Field) -> Field:
    """Skin with eyes, brows, mouth and cheeks; coordinates in radii of the skull."""
    skin = outfit.skin
    color = np.empty((len(x), 3), np.float32)
    color[:] = skin
    front = z > 0
    across = np.abs(x)

    def spot(u: float, v: float, half_u: float, half_v: float) -> NDArray[np.bool_]:
        return front & (((across - u) / half_u) ** 2 + ((y - v) / half_v) ** 2 < 1)

    cheek = np.exp(-(((across - 0.5) / 0.25) ** 2) - ((y + 0.25) / 0.22) ** 2) * front * 0.3
    color += (skin * np.array([0.82, 0.86, 1.08], np.float32) - skin) * cheek.astype(np.float32)[
        :, None
    ]
    # Eye sockets lie in shade.
    socket = np.exp(-(((across - 0.36) / 0.26) ** 2) - ((y - 0.16) / 0.15) ** 2) * front * 0.28
    color *= (1 - socket).astype(np.float32)[:, None]
    if outfit.beard:
        low = front & (y < -0.32 + 0.25 * across**2) | (y < -0.3) & (across > 0.72) & (z > -0.2)
        color[low] = 0.3 * skin + 0.7 * outfit.hair
    color[spot(0.0, -0.5, 0.3, 0.075)] = skin * np.array([0.62, 0.6, 0.82], np.float32)
    color[spot(0.0, -0.5, 0.28, 0.016)] = skin * np.float32(0.45)
    color[spot(0.36, 0.135, 0.16, 0.095)] = skin * np.float32(0.5)
    color[spot(0.36, 0.12, 0.145, 0.075)] = (226, 230, 232)
    color[spot(0.36, 0.12, 0.07, 0.075)] = (52, 66, 84)
    color[spot(0.36, 0.12, 0.035, 0.038)] = (14, 14, 16)
    color[spot(0.37, 0.31, 0.21, 0.04)] = 0.35 * skin + 0.65 * outfit.hair * np.float32(0.7)
    color[spot(0.07, -0.25, 0.045, 0.03)] = skin * np.float32(0.55)
    return color
