"""Conveyor belts, the steel rails beside them, and the litter on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.noise import smooth_noise, smoothstep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception_scenes.light import Light

BELTS = ('rubber', 'modular', 'rollers')

# BGR.
_RUBBER = ((44, 46, 44), (62, 84, 38), (96, 74, 40), (70, 70, 68), (120, 124, 122))
_PLASTIC = ((128, 84, 34), (172, 172, 164), (86, 96, 42), (140, 132, 120))
_ROLLERS = ((58, 58, 58), (150, 150, 146), (92, 88, 78))
_LEAF = ((38, 92, 52), (44, 112, 84), (52, 120, 130))


def paint_belt(
    rng: np.random.Generator, length: int, height: int, kind: str, light: Light
) -> NDArray[np.uint8]:
    """A lit and soiled belt whose end continues at its start: (height, length, 3) BGR.

    Parameters
    ----------
    rng : Generator
        Chooses color, wear and dirt.
    length, height : int
        Pixels, along and across the belt.
    kind : str
        One of BELTS.
    light : Light
        Its color tints the belt.
    """
    field = _BELT[kind](rng, length, height)
    field *= (
        1.0
        + 0.05
        * smooth_noise(rng, (length, height), (height / 2, height / 3), octaves=3, wrap_x=True)
    )[..., None]
    scuffs = smooth_noise(rng, (length, height), (height * 0.6, height / 90), wrap_x=True)
    worn = smooth_noise(rng, (length, height), (height * 0.5, height / 5), wrap_x=True)
    field *= (1.0 + rng.uniform(0.02, 0.09) * scuffs * (0.6 + worn))[..., None]
    _soil(field, rng)
    field *= 0.92 * np.asarray(light.color_bgr, np.float32)
    belt = np.clip(field, 0, 255).astype(np.uint8)
    _strew(belt, rng, light)
    return belt


def _rubber(rng: np.random.Generator, length: int, height: int) -> NDArray[np.float32]:
    """A woven belt with a splice."""
    color = np.asarray(_RUBBER[rng.integers(len(_RUBBER))], np.float32) * rng.uniform(0.8, 1.2)
    unit = height / 720
    pitch = length / round(length / (rng.uniform(5, 9) * unit))
    x = np.arange(length, dtype=np.float32)[None, :] * np.float32(2 * np.pi / pitch)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(2 * np.pi / pitch)
    weave = 0.5 * (np.sin(x + y) * np.sin(x - y)).astype(np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal((height, length)).astype(np.float32), (0, 0), 0.7)
    level = 1.0 + rng.uniform(0.03, 0.09) * weave + 0.05 * grain
    slant = int(rng.uniform(0.1, 0.4) * height)
    at = int(rng.integers(0, length))
    rows = np.arange(height)
    for row in rows:
        column = (at + slant * row // height) % length
        level[row, column : column + max(2, int(3 * unit))] *= 0.7
        level[row, (column + int(4 * unit)) % length] *= 1.15
    return np.asarray(level[..., None] * color, np.float32)


def _modular(rng: np.random.Generator, length: int, height: int) -> NDArray[np.float32]:
    """Plastic links in a brick pattern, hinged across the belt."""
    color = np.asarray(_PLASTIC[rng.integers(len(_PLASTIC))], np.float32) * rng.uniform(0.75, 1.1)
    unit = height / 720
    column = length / round(length / (rng.uniform(48, 80) * unit))
    row = rng.uniform(90, 170) * unit
    x = np.arange(length, dtype=np.float32)[None, :] / np.float32(column)
    index = np.floor(x)
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(row) + 0.5 * (index % 2)
    edge_x = np.minimum(x - index, 1 - (x - index)) * column
    fraction_y = y - np.floor(y)
    edge_y = np.minimum(fraction_y, 1 - fraction_y) * row
    edge = np.minimum(np.broadcast_to(edge_x, edge_y.shape), edge_y) / unit
    level = 0.45 + 0.55 * smoothstep(0.8, 3.2, edge.astype(np.float32))
    lit = np.broadcast_to(smoothstep(6.0, 2.5, (x - index) * column / unit), level.shape)
    level = level + 0.14 * lit * (level > 0.95)
    knuckle = np.sin(2 * np.pi * y * 6) * np.broadcast_to(edge_x < 9 * unit, level.shape)
    level = level * (1 - 0.16 * (knuckle > 0.35))
    link_tone = rng.uniform(0.96, 1.04, (64, 64)).astype(np.float32)
    level = level * link_tone[index.astype(np.intp) % 64, np.floor(y).astype(np.intp) % 64]
    return np.asarray(level[..., None] * color, np.float32)


def _rollers(rng: np.random.Generator, length: int, height: int) -> NDArray[np.float32]:
    """Rollers that carry the fruit between them."""
    color = np.asarray(_ROLLERS[rng.integers(len(_ROLLERS))], np.float32) * rng.uniform(0.8, 1.15)
    pitch = length / round(length / (rng.uniform(0.11, 0.16) * height))
    x = np.arange(length, dtype=np.float32) / np.float32(pitch)
    across = 2 * (x - np.floor(x)) - 1
    inside = np.abs(across) / 0.86
    bulge = np.sqrt(np.clip(1 - inside * inside, 0, 1)) * (inside < 1)
    profile = np.where(inside < 1, 0.25 + 0.75 * bulge, 0.12)
    profile = profile + 0.35 * np.exp(-(((across + 0.25) / 0.1) ** 2))
    # Each roller is turned by its own angle, and has its own wear marks.
    rings = smooth_noise(rng, (round(length / pitch), height), (1.0, height / 60), octaves=2)
    tone = 1 + 0.08 * np.repeat(rings, int(np.ceil(pitch)), axis=1)
    tone = cv2.resize(tone, (length, height), interpolation=cv2.INTER_LINEAR)
    grain = cv2.GaussianBlur(rng.standard_normal((height, length)).astype(np.float32), (0, 0), 0.8)
    level = profile.astype(np.float32)[None, :] * tone * (1 + 0.04 * grain)
    return np.asarray(level[..., None] * color, np.float32)


_BELT = {'rubber': _rubber, 'modular': _modular, 'rollers': _rollers}


def _soil(field: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Dust, grit and dried juice, in place."""
    height, length = field.shape[:2]
    unit = height / 720
    dust = smooth_noise(rng, (length, height), (height / 4, height / 4), octaves=4, wrap_x=True)
    amount = rng.uniform(0.0, 0.22) * smoothstep(0.1, 1.1, dust)[..., None]
    field += (np.array([112, 128, 140], np.float32) - field) * amount
    for _ in range(int(rng.integers(0, 7))):
        radius = rng.uniform(12, 60) * unit
        side = int(4 * radius)
        if side + 2 > height:
            continue
        x0, y0 = int(rng.integers(0, length - side)), int(rng.integers(0, height - side))
        axis = (np.arange(side, dtype=np.float32) - side / 2) / np.float32(radius)
        warp = smooth_noise(rng, (side, side), (radius, radius), octaves=3)
        q = np.hypot(axis[None, :], axis[:, None]) / (1 + 0.35 * warp)
        ring = np.exp(-(((q - 0.95) / 0.12) ** 2)) * 0.12 + 0.1 * smoothstep(1.05, 0.9, q)
        patch = field[y0 : y0 + side, x0 : x0 + side]
        patch *= (1 - ring * rng.uniform(0.5, 1.6))[..., None]
    count = int(rng.integers(60, 420))
    grit = np.zeros((height, length), np.float32)
    x, y = rng.integers(0, length, count), rng.integers(0, height, count)
    grit[y, x] = rng.uniform(-1.0, 1.0, count) * rng.uniform(2, 9, count)
    grit = cv2.GaussianBlur(grit, (0, 0), max(0.5, 0.9 * unit))
    field *= (1 + 0.6 * np.clip(grit, -1, 1.2))[..., None]


def _strew(belt: NDArray[np.uint8], rng: np.random.Generator, light: Light) -> None:
    """Leaves and twigs that lie flat on the belt, in place."""
    height, length = belt.shape[:2]
    for _ in range(int(rng.integers(1, 8))):
        thing = paint_litter(rng, height, light)
        h, w = thing.outline.shape
        x0 = int(rng.integers(0, max(1, length - w)))
        y0 = int(rng.integers(int(0.04 * height), max(int(0.04 * height) + 1, height - h)))
        lay_litter(belt, thing, x0, y0)


@dataclass(frozen=True, eq=False)
class Litter:
    """A leaf or a twig, with its shadow.

    Attributes
    ----------
    color : ndarray, shape (h, w, 3), uint8
        Color, multiplied by the opacity.
    transmission : ndarray, shape (h, w, 3), uint8
        Share of the picture below that shows through; 255 is all of it.
    outline : ndarray, shape (h, w), uint8
        255 where it covers at least half of the pixel, else 0.
    """

    color: NDArray[np.uint8]
    transmission: NDArray[np.uint8]
    outline: NDArray[np.uint8]


def paint_litter(rng: np.random.Generator, height: int, light: Light) -> Litter:
    """A leaf or, less often, a twig, for a picture of `height` pixels."""
    leaf = rng.random() < 0.7
    long = rng.uniform(0.09, 0.2) * height
    side = int(long * 1.25)
    axis = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.25)
    along = (axis[None, :] * np.cos(angle) + axis[:, None] * np.sin(angle)) / np.float32(long / 2)
    across = (axis[:, None] * np.cos(angle) - axis[None, :] * np.sin(angle)) / np.float32(long / 2)
    across = across + bend * (along * along - 0.5)
    grain = smooth_noise(rng, (side, side), (long / 8, long / 8), octaves=3)
    if leaf:
        wide = rng.uniform(0.32, 0.5) * np.sqrt(np.clip(1 - along * along, 0, 1))
        wide = wide * (1 - 0.35 * along)
        base = np.asarray(_LEAF[rng.integers(len(_LEAF))], np.float32) * rng.uniform(0.75, 1.2)
        veins = np.abs(np.sin((along - 0.9 * np.abs(across)) * 16))
        level = (
            1 + 0.1 * grain + 0.16 * np.sign(across) * bend + 0.1 * smoothstep(0.25, 0.0, veins)
        )
        level = level + 0.35 * np.exp(-((across / 0.03) ** 2))
    else:
        wide = np.where(np.abs(along) < 1, rng.uniform(0.035, 0.06), 0.0).astype(np.float32)
        base = np.array([46, 74, 96], np.float32) * rng.uniform(0.7, 1.3)
        level = 1.25 - 0.8 * np.abs(across) / 0.06 + 0.25 * grain
    inside = (wide - np.abs(across)) * np.float32(long / 2)
    ends = (1 - np.abs(along)) * np.float32(long / 2)
    opacity = np.clip(np.minimum(inside, ends) + 0.5, 0, 1).astype(np.float32)
    color = np.clip(level, 0.2, 2.0)[..., None] * base * np.asarray(light.color_bgr, np.float32)
    lx, ly, _ = light.direction()
    shift = np.array([[1, 0, -lx * long * 0.07], [0, 1, -ly * long * 0.07]], np.float32)
    shadow = cv2.GaussianBlur(
        cv2.warpAffine(opacity, shift, (side, side)), (0, 0), max(0.6, long * 0.022)
    )
    left_over = (1 - 0.5 * shadow) * (1 - opacity)
    return Litter(
        np.clip(color * opacity[..., None], 0, 255).astype(np.uint8),
        np.repeat(np.rint(left_over * 255).astype(np.uint8)[..., None], 3, axis=2),
        np.where(opacity >= 0.5, 255, 0).astype(np.uint8),
    )


def lay_litter(picture: NDArray[np.uint8], litter: Litter, x0: int, y0: int) -> None:
    """Draw litter into (h, w, 3) BGR with its corner at x0, y0, in place; clipped at the edges."""
    h, w = litter.outline.shape
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + w, picture.shape[1]), min(y0 + h, picture.shape[0])
    if left >= right or top >= bottom:
        return
    part = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    place = picture[top:bottom, left:right]
    cv2.multiply(place, litter.transmission[part], dst=place, scale=1 / 255)
    cv2.add(place, litter.color[part], dst=place)


def paint_rail(
    rng: np.random.Generator, width: int, height: int, light: Light, *, below: bool
) -> NDArray[np.uint8]:
    """The steel guide rail along one side of the belt: (height, width, 3) BGR.

    Parameters
    ----------
    rng : Generator
        Brush marks and bolts.
    width, height : int
        Pixels.
    light : Light
        Its color tints the rail.
    below : bool
        Whether this is the lower rail; the edge that faces the belt is bent down.
    """
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    y = 1 - y if below else y
    level = 0.62 + 0.16 * y + 0.25 * np.exp(-(((y - 0.72) / 0.05) ** 2))
    level = level * (1 - 0.62 * smoothstep(0.8, 1.0, y))
    brushed = smooth_noise(rng, (width, height), (width / 7, 1.6), octaves=2)
    broad = smooth_noise(rng, (width, height), (width / 5, height), octaves=2)
    level = np.asarray(level * (1 + 0.06 * brushed + 0.1 * broad), np.float32)
    for x in np.arange(rng.uniform(0, 0.2), 1, 0.24) * width:
        radius = 0.13 * height
        at = 0.38 * height if not below else 0.62 * height
        dx = np.arange(width, dtype=np.float32)[None, :] - np.float32(x)
        dy = np.arange(height, dtype=np.float32)[:, None] - np.float32(at)
        r = np.hypot(dx, dy) / radius
        level *= 1 - 0.45 * smoothstep(1.35, 1.0, r) + 0.4 * smoothstep(1.0, 0.75, r)
    steel = np.array([168, 165, 160], np.float32) * np.asarray(light.color_bgr, np.float32)
    return np.clip(level[..., None] * steel, 0, 255).astype(np.uint8)
