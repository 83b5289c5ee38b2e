"""Things that a mobile robot meets: cones, boxes, balls, doors, chairs, bins and plants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetson_perception_scenes.people_body import rotation_x, rotation_y, rotation_z
from jetson_perception_scenes.people_raster import (
    CLOTH,
    LEATHER,
    MATTE,
    PLASTIC,
    Canvas,
    Solid,
    Sprite,
    Sun,
    cross,
    to_sprite,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from jetson_perception_scenes.people_raster import Field, Painter

    Build = tuple[list[Solid], list[tuple], tuple[float, float]]

_BROWN = (92, 138, 176)
_COLORS = (
    (50, 50, 54), (96, 96, 98), (170, 168, 164), (222, 222, 220), (120, 72, 36), (170, 96, 40),
    (70, 110, 50), (50, 60, 160), (60, 150, 220), (70, 190, 220), (120, 70, 110), (70, 96, 130),
    (110, 150, 180),
)  # fmt: skip


def thing_sprite(
    kind: str,
    rng: np.random.Generator,
    *,
    heading: float,
    elevation: float,
    scale: float,
    sun: Sun,
    reduce: int = 2,
) -> Sprite:
    """A shaded thing of the given kind, with random looks and size.

    Parameters
    ----------
    kind : str
        One of THINGS.
    rng : Generator
        Chooses looks and size.
    heading : float
        Rotation about the vertical, radians; 0 faces the camera.
    elevation : float
        Angle of the camera above the horizontal, as seen from the thing, radians.
    scale : float
        Pixels per meter.
    sun : Sun
        The light.
    reduce : int
        Factor of supersampling, for soft edges.
    """
    solids, boxes, (radius, height) = THINGS[kind](rng)
    view = rotation_x(elevation) @ rotation_y(heading)
    corners = np.array(
        [[x, y, z] for x in (-radius, radius) for y in (0.0, height) for z in (-radius, radius)]
    )
    seen = corners @ view.T
    margin = 2.0 / scale
    canvas = Canvas(
        seen.min(axis=0)[:2] - margin, seen.max(axis=0)[:2] + margin, scale * reduce, view
    )
    for solid in solids:
        canvas.add(solid)
    for center, half, color, finish, frame in boxes:
        canvas.add_box(np.asarray(center, np.float64), half, color, finish, frame)
    lit, inside = canvas.shade(sun, rng)
    return to_sprite(canvas, lit, inside, reduce)


def _color(rng: np.random.Generator, colors: tuple = _COLORS) -> NDArray[np.float32]:
    base = np.asarray(colors[rng.integers(len(colors))], np.float32)
    return np.clip(base * rng.uniform(0.85, 1.15) + rng.normal(0, 6, 3), 8, 250).astype(np.float32)


def _bands(
    color: NDArray[np.float32], other: NDArray[np.float32], limits: list[tuple[float, float]]
) -> Painter:
    """Rings of another color between the given heights."""

    def paint(x: Field, y: Field, z: Field) -> Field:
        ring = np.zeros(len(y), bool)
        for low, high in limits:
            ring |= (y > low) & (y < high)
        return np.where(ring[:, None], other, color)

    return paint


def _between(low: float, high: float) -> Callable[[Field, Field, Field], NDArray[np.bool_]]:
    return lambda x, y, z: (y > np.float32(low)) & (y < np.float32(high))


def _point(x: float, y: float, z: float) -> NDArray[np.float64]:
    return np.array([x, y, z], np.float64)


def _cone(rng: np.random.Generator) -> Build:
    height = rng.uniform(0.3, 0.8)
    color = _color(
        rng, ((20, 90, 245), (30, 70, 235), (20, 120, 250), (40, 200, 240), (40, 50, 220))
    )
    white = np.array([225, 228, 228], np.float32)
    stripes = (
        [(0.42 * height, 0.66 * height)]
        if rng.random() < 0.6
        else [(0.3 * height, 0.48 * height), (0.62 * height, 0.78 * height)]
    )
    if rng.random() < 0.12:
        stripes = []
    base = 0.26 * height * rng.uniform(0.85, 1.15)
    body = Solid(
        _point(0, 0, 0), _point(0, height, 0), 0.2 * height, 0.035 * height,
        _bands(color, white, stripes), PLASTIC, keep=_between(0.0, height),
    )  # fmt: skip
    foot = color * np.float32(0.85) if rng.random() < 0.6 else np.array([40, 40, 42], np.float32)
    thick = 0.02 * height
    return (
        [body],
        [((0, thick, 0), (base, thick, base), foot, PLASTIC, None)],
        (base * 1.45, height * 1.04),
    )


def _carton(rng: np.random.Generator) -> Build:
    half = rng.uniform(0.1, 0.32, 3)
    half[1] = rng.uniform(0.08, 0.34)
    brown = rng.random() < 0.75
    color = _color(rng, (_BROWN, (110, 156, 192), (76, 118, 152))) if brown else _color(rng)
    tape = (
        np.array([110, 170, 205], np.float32) if rng.random() < 0.6 else color * np.float32(1.25)
    )
    at, size = rng.uniform(0.15, 0.6, 2), rng.uniform(0.15, 0.34, 2)
    labelled, dark = rng.random() < 0.6, rng.uniform(0.7, 0.9)

    def paint(s: Field, t: Field, _: Field) -> Field:
        shade = np.ones_like(s)
        shade[(np.minimum(s, 1 - s) < 0.014) | (np.minimum(t, 1 - t) < 0.014)] = dark
        out = color * shade[:, None]
        out[np.abs(s - 0.5) < 0.055] = tape
        if labelled:
            u, v = (s - at[0]) / size[0], (t - at[1]) / size[1]
            label = (u > 0) & (u < 1) & (v > 0) & (v < 1)
            ink = label & (np.sin(v * 22) > 0.45) & (u > 0.12) & (u < 0.85)
            out[label] = (232, 234, 234)
            out[ink] = (60, 60, 60)
        return out

    boxes: list[tuple] = [((0, half[1], 0), tuple(half), paint, MATTE, None)]
    top = 2 * half[1]
    if rng.random() < 0.22:
        for side in (-1, 1):
            frame = rotation_z(side * rng.uniform(-0.9, -0.2))
            center = np.array([side * half[0], top, 0]) + frame @ np.array(
                [side * half[0] * 0.45, 0, 0]
            )
            boxes.append(
                (
                    tuple(center),
                    (half[0] * 0.45, 0.004, half[2]),
                    color * np.float32(0.95),
                    MATTE,
                    frame,
                )
            )
        return [], boxes, (float(np.hypot(half[0] * 1.9, half[2])), top + half[0])
    if rng.random() < 0.2:
        upper = half * rng.uniform(0.55, 0.95, 3)
        boxes.append(
            (
                (0, top + upper[1], 0),
                tuple(upper),
                paint,
                MATTE,
                rotation_y(rng.uniform(-0.5, 0.5)),
            )
        )
        top += 2 * upper[1]
    return [], boxes, (float(np.hypot(half[0], half[2])) * 1.05, top)


def _ball(rng: np.random.Generator) -> Build:
    radius = float(rng.choice([rng.uniform(0.09, 0.13), rng.uniform(0.1, 0.3)]))
    spin = (
        rotation_x(rng.uniform(0, 6))
        @ rotation_y(rng.uniform(0, 6))
        @ rotation_z(rng.uniform(0, 6))
    )
    color, other = _color(rng), _color(rng)
    kind = rng.choice(['football', 'basket', 'beach', 'plain', 'band'])
    if kind == 'football':
        color, other = np.array([228, 230, 230], np.float32), np.array([36, 36, 40], np.float32)
    elif kind == 'basket':
        color, other = np.array([40, 100, 205], np.float32), np.array([30, 40, 60], np.float32)
    corners = _icosahedron()

    def paint(x: Field, y: Field, z: Field) -> Field:
        if kind == 'football':
            near = np.abs(np.stack([x, y, z], axis=1) @ corners.T).max(axis=1)
            dark = near > 0.945
        elif kind == 'basket':
            dark = (
                (np.abs(x) < 0.03)
                | (np.abs(y) < 0.03)
                | (np.abs(np.abs(z) - 0.55 - 0.25 * y * y) < 0.03)
            )
        elif kind == 'beach':
            dark = np.sin(3 * np.arctan2(z, x)) > 0
        elif kind == 'band':
            dark = np.abs(y) < 0.22
        else:
            dark = np.zeros(len(x), bool)
        return np.where(dark[:, None], other, color)

    center = _point(0, radius, 0)
    return (
        [Solid(center, center, 1.0, 1.0, paint, PLASTIC, spin, (radius,) * 3)],
        [],
        (radius, 2 * radius),
    )


def _icosahedron() -> NDArray[np.float32]:
    """One corner of each pair of opposite corners, (6, 3)."""
    golden = (1 + 5**0.5) / 2
    corners = [
        (0, 1, golden),
        (0, 1, -golden),
        (1, golden, 0),
        (1, -golden, 0),
        (golden, 0, 1),
        (-golden, 0, 1),
    ]
    return np.asarray(np.array(corners) / np.hypot(1, golden), np.float32)


def _door(rng: np.random.Generator) -> Build:
    half, height = rng.uniform(0.38, 0.52), rng.uniform(1.95, 2.25)
    color = _color(
        rng,
        (
            (86, 124, 160),
            (60, 88, 122),
            (200, 204, 206),
            (226, 226, 224),
            (150, 120, 80),
            (96, 104, 110),
            (60, 70, 130),
            (90, 120, 90),
            (130, 160, 190),
        ),
    )
    frame_color = (
        color * np.float32(rng.uniform(0.6, 1.15))
        if rng.random() < 0.6
        else _color(rng, ((220, 222, 222), (90, 90, 92)))
    )
    kind = rng.choice(['plain', 'panels', 'window', 'glass', 'pane'])
    left = rng.random() < 0.5
    metal = np.array([200, 205, 205], np.float32) * rng.uniform(0.5, 1.1)
    glass = _color(rng, ((150, 140, 120), (190, 180, 165), (90, 84, 76)))

    def paint(s: Field, t: Field, _: Field) -> Field:
        out = np.empty((len(s), 3), np.float32)
        out[:] = color * (1 + 0.05 * np.sin(60 * s + 3 * np.sin(9 * t)))[:, None].astype(
            np.float32
        )
        if kind == 'panels':
            for low, high in ((0.08, 0.45), (0.53, 0.93)):
                edge = np.maximum(
                    np.abs(np.abs(s - 0.5) - 0.19) - 0.135,
                    np.abs(t - (low + high) / 2) - (high - low) / 2,
                )
                out[np.abs(edge) < 0.012] *= 0.72
                out[edge < -0.03] *= 1.05
        elif kind in ('window', 'glass', 'pane'):
            u, v, hu, hv = {
                'window': (0.5, 0.74, 0.16, 0.13),
                'glass': (0.5, 0.52, 0.36, 0.42),
                'pane': (0.72, 0.62, 0.07, 0.25),
            }[str(kind)]
            pane = np.maximum(np.abs(s - u) - hu, (np.abs(t - v) - hv) * 2)
            out[pane < 0.02] *= 0.7
            inside = pane < 0
            gleam = 1 + 0.35 * (np.sin(7 * s + 9 * t + 1) > 0.4)
            out[inside] = (glass * gleam[:, None].astype(np.float32))[inside]
        x = s if left else 1 - s
        lever = (x > 0.06) & (x < 0.2) & (np.abs(t - 0.47) < 0.008)
        plate = (np.abs(x - 0.085) < 0.022) & (np.abs(t - 0.45) < 0.045)
        out[plate], out[lever] = metal * 0.8, metal
        out[(t < 0.09) & (rng_kick)] = metal * 0.75
        return out

    rng_kick = bool(rng.random() < 0.2)
    jamb = rng.uniform(0.035, 0.07)
    boxes: list[tuple] = [((0, height / 2, 0), (half, height / 2, 0.02), paint, MATTE, None)]
    for side in (-1, 1):
        boxes.append(
            (
                (side * (half + jamb), height / 2 + jamb, 0.01),
                (jamb, height / 2 + jamb, 0.05),
                frame_color,
                MATTE,
                None,
            )
        )
    boxes.append(((0, height + jamb, 0.01), (half, jamb, 0.05), frame_color, MATTE, None))
    return [], boxes, (half + 2 * jamb, height + 2 * jamb)


def _chair(rng: np.random.Generator) -> Build:
    color, leg_color = (
        _color(rng),
        _color(rng, ((50, 50, 54), (160, 160, 160), (70, 104, 140), (110, 150, 186))),
    )
    seat, wide, deep = rng.uniform(0.42, 0.48), rng.uniform(0.2, 0.25), rng.uniform(0.2, 0.24)
    tall = rng.uniform(0.78, 1.05)
    solids: list[Solid] = []
    boxes: list[tuple] = []
    if rng.random() < 0.35:
        hub = _point(0, 0.09, 0)
        dark = np.array([44, 44, 48], np.float32)
        for k in range(5):
            turn = rotation_y(2 * np.pi * k / 5 + 0.3)
            end = turn @ _point(0, 0.06, 0.3)
            solids.append(Solid(hub, end, 0.028, 0.02, dark, PLASTIC))
            solids.append(
                Solid(
                    turn @ _point(0, 0.03, 0.3),
                    turn @ _point(0, 0.03, 0.3),
                    0.03,
                    0.03,
                    dark * np.float32(0.6),
                    PLASTIC,
                )
            )
        solids.append(Solid(hub, _point(0, seat, 0), 0.03, 0.03, dark, PLASTIC))
        middle = _point(0, seat, 0)
        solids.append(
            Solid(middle, middle, 1, 1, color, CLOTH, None, (wide * 1.1, 0.05, deep * 1.1))
        )
        back = _point(0, (seat + tall) / 2 + 0.08, -deep)
        solids.append(Solid(back, back, 1, 1, color, CLOTH, None, (wide, (tall - seat) / 2, 0.05)))
        solids.append(
            Solid(
                _point(0, seat, -0.1),
                _point(0, seat + 0.2, -deep - 0.02),
                0.025,
                0.025,
                dark,
                PLASTIC,
            )
        )
        return solids, boxes, (0.36, tall + 0.12)
    finish = LEATHER if rng.random() < 0.4 else MATTE
    boxes.append(((0, seat, 0), (wide, 0.022, deep), color, finish, None))
    tilt = rotation_x(-rng.uniform(0.03, 0.2))
    legs = [(sx * (wide - 0.03), sz * (deep - 0.03)) for sx in (-1, 1) for sz in (-1, 1)]
    splay = rng.uniform(0.0, 0.05)
    for x, z in legs:
        solids.append(
            Solid(
                _point(x, seat, z),
                _point(x + np.sign(x) * splay, 0.016, z + np.sign(z) * splay),
                0.017,
                0.015,
                leg_color,
                MATTE,
            )
        )
    low = np.array([0, seat, -deep + 0.02])
    half = (tall - seat) / 2
    if rng.random() < 0.5:
        boxes.append(
            (
                tuple(low + tilt @ np.array([0, half, 0])),
                (wide, half * 0.98, 0.014),
                color,
                finish,
                tilt,
            )
        )
    else:
        for x in (-1, 1):
            foot = low + np.array([x * (wide - 0.02), 0, 0])
            solids.append(
                Solid(
                    foot, foot + tilt @ np.array([0, 2 * half, 0]), 0.016, 0.016, leg_color, MATTE
                )
            )
        for share in (0.5, 0.75, 1.0):
            boxes.append(
                (
                    tuple(low + tilt @ np.array([0, 2 * half * share - 0.04, 0])),
                    (wide, 0.035, 0.01),
                    color,
                    finish,
                    tilt,
                )
            )
    if rng.random() < 0.3:
        for x in (-1, 1):
            solids.append(
                Solid(
                    _point(x * wide, seat + 0.2, -deep + 0.04),
                    _point(x * wide, seat + 0.2, deep - 0.04),
                    0.02,
                    0.02,
                    leg_color,
                    MATTE,
                )
            )
            solids.append(
                Solid(
                    _point(x * wide, seat, deep - 0.05),
                    _point(x * wide, seat + 0.2, deep - 0.05),
                    0.014,
                    0.014,
                    leg_color,
                    MATTE,
                )
            )
    return solids, boxes, (float(np.hypot(wide, deep)) + 0.08, tall + 0.03)


def _bin(rng: np.random.Generator) -> Build:
    color = _color(
        rng,
        (
            (60, 110, 50),
            (130, 80, 30),
            (60, 60, 62),
            (120, 120, 120),
            (30, 170, 220),
            (160, 160, 158),
            (40, 40, 150),
        ),
    )
    lid = color * np.float32(rng.uniform(0.6, 0.9)) if rng.random() < 0.6 else _color(rng)
    if rng.random() < 0.4:
        wide, deep, tall = (
            rng.uniform(0.24, 0.32),
            rng.uniform(0.26, 0.36),
            rng.uniform(0.85, 1.05),
        )
        dark = np.array([34, 34, 36], np.float32)

        def paint(s: Field, t: Field, _: Field) -> Field:
            ribs = 1 - 0.12 * (np.sin(s * 25) > 0.7) - 0.18 * (t > 0.93)
            return color * ribs[:, None].astype(np.float32)

        boxes: list[tuple] = [
            ((0, tall / 2 + 0.03, 0), (wide, tall / 2, deep), paint, PLASTIC, None)
        ]
        boxes.append(
            ((0, tall + 0.06, 0.02), (wide + 0.03, 0.03, deep + 0.04), lid, PLASTIC, None)
        )
        boxes.append(((0, tall + 0.02, -deep - 0.05), (wide, 0.018, 0.04), lid, PLASTIC, None))
        solids = [
            Solid(
                _point(x * wide, 0.1, -deep),
                _point(x * (wide + 0.05), 0.1, -deep),
                0.1,
                0.1,
                dark,
                PLASTIC,
            )
            for x in (-1, 1)
        ]
        return solids, boxes, (float(np.hypot(wide, deep)) + 0.14, tall + 0.1)
    low, high, tall = rng.uniform(0.1, 0.17), rng.uniform(0.13, 0.22), rng.uniform(0.3, 0.75)
    band = [(0.75 * tall, 0.85 * tall)] if rng.random() < 0.4 else [(0.96 * tall, tall)]
    body = Solid(
        _point(0, 0, 0),
        _point(0, tall, 0),
        low,
        high,
        _bands(color, lid, band),
        PLASTIC,
        keep=_between(0, tall),
    )
    solids = [body]
    rim = _point(0, tall, 0)
    if rng.random() < 0.6:
        solids.append(
            Solid(
                rim,
                rim,
                1,
                1,
                lid,
                PLASTIC,
                None,
                (high * 1.05, high * rng.uniform(0.15, 0.75), high * 1.05),
            )
        )
        return solids, [], (high * 1.1, tall + high * 0.8)
    # An open bin: its dark inside is a flat disc below the rim.
    inner = np.array([26, 26, 28], np.float32)
    solids.append(Solid(rim, rim, 1, 1, lid, PLASTIC, None, (high * 1.03, 0.012, high * 1.03)))
    solids.append(
        Solid(
            rim + _point(0, 0.006, 0),
            rim + _point(0, 0.006, 0),
            1,
            1,
            inner,
            MATTE,
            None,
            (high * 0.9, 0.012, high * 0.9),
        )
    )
    return solids, [], (high * 1.1, tall + 0.03)


def _plant(rng: np.random.Generator) -> Build:
    pot = _color(
        rng,
        (
            (60, 96, 176),
            (70, 110, 190),
            (220, 222, 222),
            (60, 60, 62),
            (150, 130, 110),
            (110, 150, 170),
        ),
    )
    low, high, tall = rng.uniform(0.09, 0.16), rng.uniform(0.13, 0.22), rng.uniform(0.18, 0.42)
    green = _color(rng, ((50, 120, 60), (40, 90, 46), (70, 150, 90), (60, 130, 110)))
    solids = [
        Solid(_point(0, 0, 0), _point(0, tall, 0), low, high, pot, PLASTIC, keep=_between(0, tall))
    ]
    rim = _point(0, tall, 0)
    solids.append(
        Solid(
            rim,
            rim,
            1,
            1,
            np.array([36, 50, 64], np.float32),
            MATTE,
            None,
            (high * 0.95, 0.015, high * 0.95),
        )
    )
    kind = rng.choice(['fan', 'bush', 'palm'])
    crown = rng.uniform(0.35, 0.9)
    leaves = int(rng.integers(14, 30))
    trunk = tall + (crown * 0.7 if kind == 'palm' else 0.05)
    if kind == 'palm':
        solids.append(
            Solid(
                rim, _point(0, trunk, 0), 0.025, 0.018, np.array([50, 80, 110], np.float32), MATTE
            )
        )
    reach = 0.0
    for index in range(leaves):
        azimuth = 2.4 * index + rng.normal(0, 0.3)
        rise = {
            'fan': rng.uniform(0.75, 1.5),
            'bush': rng.uniform(-0.2, 1.5),
            'palm': rng.uniform(-0.5, 1.0),
        }[str(kind)]
        way = np.array(
            [np.cos(azimuth) * np.cos(rise), np.sin(rise), np.sin(azimuth) * np.cos(rise)]
        )
        long = crown * rng.uniform(0.5, 1.0) * (0.5 if kind != 'fan' else 0.62)
        wide = (
            long
            * {
                'fan': rng.uniform(0.12, 0.2),
                'bush': rng.uniform(0.3, 0.5),
                'palm': rng.uniform(0.14, 0.24),
            }[str(kind)]
        )
        start = _point(0, trunk, 0)
        if kind == 'bush':
            start = _point(0, tall + 0.45 * crown, 0) + way * crown * 0.12 * rng.random()
        end = start + way * 2 * long
        middle = (start + end) / 2
        middle[1] = max(middle[1], 0.05)
        side = cross(way, np.array([0, 1, 0.01]))
        side /= np.linalg.norm(side)
        frame = np.stack([side, way, cross(side, way)], axis=1)
        tone = green * np.float32(rng.uniform(0.65, 1.25))

        def paint(x: Field, y: Field, z: Field, tone: NDArray[np.float32] = tone) -> Field:
            return tone * (1 + 0.35 * (np.abs(x) < 0.1) - 0.1 * np.sin(18 * y))[:, None].astype(
                np.float32
            )

        solids.append(Solid(middle, middle, 1, 1, paint, LEATHER, frame, (wide, long, 0.012)))
        reach = max(reach, float(np.hypot(end[0], end[2])) + wide)
    top = max(tall + crown * 1.35, trunk + crown)
    return solids, [], (max(high, reach), top)


def _table(rng: np.random.Generator) -> Build:
    color = _color(rng)
    half, tall = (rng.uniform(0.4, 0.8), 0.018, rng.uniform(0.3, 0.45)), rng.uniform(0.6, 0.78)
    leg = color * np.float32(0.7) if rng.random() < 0.5 else np.array([70, 70, 72], np.float32)
    boxes: list[tuple] = [((0, tall, 0), half, color, MATTE, None)]
    for x in (-1, 1):
        for z in (-1, 1):
            boxes.append(
                (
                    (x * (half[0] - 0.04), tall / 2, z * (half[2] - 0.04)),
                    (0.022, tall / 2, 0.022),
                    leg,
                    MATTE,
                    None,
                )
            )
    return [], boxes, (float(np.hypot(half[0], half[2])), tall + 0.05)


def _post(rng: np.random.Generator) -> Build:
    color = _color(rng)
    radius, tall = rng.uniform(0.03, 0.16), rng.uniform(0.9, 3.2)
    if rng.random() < 0.5:
        return (
            [],
            [((0, tall / 2, 0), (radius, tall / 2, radius), color, MATTE, None)],
            (radius * 1.5, tall),
        )
    body = Solid(
        _point(0, 0, 0),
        _point(0, tall, 0),
        radius,
        radius,
        color,
        MATTE,
        keep=_between(0, tall + radius),
    )
    return [body], [], (radius, tall + radius)


THINGS: dict[str, Callable[[np.random.Generator], Build]] = {
    'cone': _cone,
    'box': _carton,
    'ball': _ball,
    'door': _door,
    'chair': _chair,
    'bin': _bin,
    'plant': _plant,
    'table': _table,
    'post': _post,
}
"""Maker of each kind: solids, boxes (center, half sizes, color, finish, frame), radius and height.

The last two kinds have no class: they are obstacles that a model must not confuse with the others.
"""
