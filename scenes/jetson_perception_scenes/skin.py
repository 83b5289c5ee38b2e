"""Skins of navel oranges, and the defects on them.

A skin is painted flat, in the azimuthal equidistant projection centered on the line of sight, so
that a centimeter on the skin is about the same number of pixels everywhere. Then it is projected
onto the disc that a camera sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.noise import smooth_noise, smoothstep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception_scenes.light import Light

ULCER, SUNBURN, WIND_SCAR = 1, 2, 3

# Skin colors from unripe to overripe, BGR.
_RIPENESS_BGR = np.array(
    [[52, 160, 150], [50, 172, 205], [38, 158, 240], [20, 128, 242], [12, 100, 232]], np.float32
)


@dataclass(frozen=True, eq=False)
class Skin:
    """The visible side of an orange without lighting, at a spin of 0.

    Attributes
    ----------
    surface : ndarray, shape (n, n, 4), uint8
        Albedo times the light's color as BGR, and the height of the relief: pores, craters, rims.
    coverage : ndarray, shape (n, n, 4), uint8, or None
        Opacity with which ulcers, sunburn and wind scars were painted, and the remaining gloss;
        None for a sound orange, which is glossy all over.
    radius : float
        Radius of the disc, pixels; its center is the image's.
    """

    surface: NDArray[np.uint8]
    coverage: NDArray[np.uint8] | None
    radius: float


class PoreBank:
    """A field of oil glands, from which each skin takes a window: (size, size) float32.

    Parameters
    ----------
    rng : Generator
        Places the glands.
    size : int
        Side of the field, pixels.
    spacing : float
        Mean distance between neighboring glands, pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int, spacing: float) -> None:
        cells = int(size / spacing)
        jitter = rng.uniform(0.08, 0.92, (2, cells, cells))
        grid = np.arange(cells)
        x = ((grid[None, :] + jitter[0]) * spacing).astype(np.intp)
        y = ((grid[:, None] + jitter[1]) * spacing).astype(np.intp)
        field = np.zeros((size, size), np.float32)
        depth = rng.uniform(0.4, 1.0, (cells, cells))
        field[np.minimum(y, size - 1), np.minimum(x, size - 1)] = depth
        sigma = max(0.55, spacing * 0.24)
        field = cv2.GaussianBlur(field, (0, 0), sigma)
        # A lone impulse of depth 1 becomes a pit of depth 1.
        self._pits = field * np.float32(2 * np.pi * sigma**2)

    def window(self, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
        """A random window (side, side) with the depth of the pits, 0 to about 1."""
        size = self._pits.shape[0]
        if side > size:
            repeat = -(-side // size)
            return np.tile(self._pits, (repeat, repeat))[:side, :side]
        x, y = rng.integers(0, size - side + 1, 2)
        return self._pits[y : y + side, x : x + side]


class _Canvas:
    """A flat skin being painted; coordinates from the center, in units of the orange's radius."""

    def __init__(
        self, rng: np.random.Generator, radius: float, ripeness: float, pores: PoreBank
    ) -> None:
        self.radius = radius
        half = int(np.ceil(np.pi / 2 * radius)) + 3
        self.half = half
        side = 2 * half + 1
        axis = (np.arange(side, dtype=np.float32) - half) / np.float32(radius)
        self.axis = axis
        pits = pores.window(rng, side)
        tint = smooth_noise(rng, (side, side), (radius * 0.7, radius * 0.7), octaves=3)
        ripe = ripeness + 0.05 * tint
        if rng.random() < 0.3:
            # One side got less sun and stayed greener.
            towards = rng.uniform(0, 2 * np.pi)
            slope = axis[None, :] * np.cos(towards) + axis[:, None] * np.sin(towards)
            ripe = ripe - rng.uniform(0.1, 0.35) * smoothstep(0.3, 1.6, slope + 0.3 * tint)
        mottle = cv2.GaussianBlur(
            rng.standard_normal((side, side)).astype(np.float32), (0, 0), radius * 0.012 + 0.4
        )
        self.color = _ripeness_color(ripe) * (1.0 - 0.12 * pits + 0.04 * mottle)[..., None]
        self.relief = 0.08 * tint - 0.55 * pits
        self.coverage = np.zeros((side, side, 3), np.float32)

    def window(
        self, center: tuple[float, float], reach: float
    ) -> tuple[tuple[slice, slice], NDArray[np.float32], NDArray[np.float32]]:
        """Slices around a center, and the x and y of their pixels relative to it."""
        slices = []
        for value in (center[1], center[0]):
            low = int((value - reach) * self.radius) + self.half
            high = int((value + reach) * self.radius) + self.half + 2
            slices.append(slice(max(low, 0), max(min(high, len(self.axis)), 1)))
        rows, columns = slices
        x = np.broadcast_to(
            self.axis[None, columns] - np.float32(center[0]),
            (rows.stop - rows.start, columns.stop - columns.start),
        )
        y = np.broadcast_to(self.axis[rows, None] - np.float32(center[1]), x.shape)
        return (rows, columns), x, y

    def noise(
        self, rng: np.random.Generator, like: NDArray[np.floating], cell: float, octaves: int = 1
    ) -> NDArray[np.float32]:
        """Noise for a window; the cell size is in units of the orange's radius."""
        size_wh = (like.shape[1], like.shape[0])
        pixels = max(cell * self.radius, 1.5)
        return smooth_noise(rng, size_wh, (pixels, pixels), octaves=octaves)

    def blend(
        self,
        where: tuple[slice, slice],
        color: NDArray[np.float32] | tuple[float, float, float],
        opacity: NDArray[np.float32],
    ) -> None:
        """Paint a color over the window."""
        old = self.color[where]
        old += (np.asarray(color, np.float32) - old) * opacity[..., None]

    def cover(
        self, where: tuple[slice, slice], class_id: int, opacity: NDArray[np.float32]
    ) -> None:
        """Record that a defect was painted with this opacity, over what was there before."""
        coverage = self.coverage[where]
        coverage *= 1.0 - opacity[..., None]
        coverage[..., class_id - 1] += opacity


def paint_skin(
    rng: np.random.Generator,
    radius: float,
    ripeness: float,
    defects: tuple[int, ...],
    light: Light,
    pores: PoreBank,
) -> Skin:
    """A new orange with the given defects on the side that the camera sees.

    Parameters
    ----------
    rng : Generator
        Chooses what differs between oranges.
    radius : float
        Pixels.
    ripeness : float
        0 (greenish) to 1 (deep orange).
    defects : tuple of int
        Class ids, one per defect.
    light : Light
        Its color tints the skin.
    pores : PoreBank
        Shared by the oranges of a scene.
    """
    canvas = _Canvas(rng, radius, ripeness, pores)
    taken: list[tuple[float, float, float]] = []
    end = rng.random()
    if end < 0.35:
        _paint_calyx(canvas, rng, _place(rng, taken, 0.16, 1.05))
    elif end < 0.7:
        _paint_navel(canvas, rng, _place(rng, taken, 0.24, 1.05))
    _paint_specks(canvas, rng)
    for class_id in defects:
        _PAINT[class_id](canvas, rng, taken)
    flat = np.empty((*canvas.relief.shape, 4), np.uint8)
    np.clip(canvas.color * np.asarray(light.color_bgr, np.float32), 0, 255, out=canvas.color)
    flat[..., :3] = canvas.color
    flat[..., 3] = np.clip(128.0 + 80.0 * canvas.relief, 0, 255)
    map_x, map_y = _sphere_maps(radius, canvas.half)
    surface = np.asarray(cv2.remap(flat, map_x, map_y, cv2.INTER_LINEAR), np.uint8)
    coverage = None
    if defects:
        flat[..., :3] = np.rint(canvas.coverage * 255)
        # Dead peel has lost its wax.
        flat[..., 3] = 255 - 0.6 * np.minimum(flat[..., :3].sum(axis=2), 255.0)
        coverage = np.asarray(cv2.remap(flat, map_x, map_y, cv2.INTER_LINEAR), np.uint8)
    return Skin(surface, coverage, radius)


def _ripeness_color(ripeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Color of each pixel, (h, w, 3); ripeness is clipped to 0 to 1."""
    steps = np.linspace(0, 1, 256)
    stops = np.linspace(0, 1, len(_RIPENESS_BGR))
    table = np.stack([np.interp(steps, stops, _RIPENESS_BGR[:, c]) for c in range(3)], axis=1)
    index = np.clip(ripeness * 255, 0, 255).astype(np.uint8)
    return np.asarray(table.astype(np.float32)[index])


def _sphere_maps(radius: float, half: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Position on the flat skin of each pixel of the visible disc, for cv2.remap."""
    # Beyond the limb the edge repeats, so that interpolation there never meets black.
    reach = int(np.ceil(1.03 * radius)) + 2
    axis = np.arange(-reach, reach + 1, dtype=np.float32) / np.float32(radius)
    x, y = np.meshgrid(axis, axis)
    r = np.sqrt(x * x + y * y)
    angle = np.arcsin(np.minimum(r, 1.0))
    stretch = np.where(r > 1e-6, angle / np.maximum(r, 1e-6), 1.0) * radius
    return (
        np.asarray(x * stretch + half, np.float32),
        np.asarray(y * stretch + half, np.float32),
    )


def _place(
    rng: np.random.Generator, taken: list[tuple[float, float, float]], size: float, limit: float
) -> tuple[float, float]:
    """A center within `limit` radians of the line of sight, away from others if possible."""
    center = (0.0, 0.0)
    for _ in range(12):
        angle = rng.uniform(0, 2 * np.pi)
        distance = limit * np.sqrt(rng.uniform(0.0, 1.0))
        center = (float(distance * np.cos(angle)), float(distance * np.sin(angle)))
        if all(np.hypot(center[0] - x, center[1] - y) > size + s for x, y, s in taken):
            break
    taken.append((*center, size))
    return center


def _paint_calyx(canvas: _Canvas, rng: np.random.Generator, center: tuple[float, float]) -> None:
    """The green star that held the stem."""
    size = rng.uniform(0.1, 0.14)
    where, x, y = canvas.window(center, 3 * size)
    r, phi = np.hypot(x, y), np.arctan2(y, x) + rng.uniform(0, 2 * np.pi)
    groove = np.cos(phi * rng.integers(5, 8)) * smoothstep(3.0 * size, size, r)
    canvas.relief[where] -= 0.35 * smoothstep(2.4 * size, 0.9 * size, r) + 0.12 * groove
    canvas.blend(where, (30, 105, 130), 0.35 * smoothstep(2.2 * size, size, r))
    star = r / (size * (0.82 + 0.22 * np.cos(5 * phi) + 0.1 * canvas.noise(rng, r, 0.05)))
    grain = canvas.noise(rng, r, 0.03, octaves=2)[..., None]
    green = np.array([55, 112, 98], np.float32) * (1 + 0.22 * grain)
    canvas.blend(where, green, smoothstep(1.12, 0.95, star))
    canvas.relief[where] += 0.7 * smoothstep(1.2, 0.8, star)
    canvas.blend(where, (88, 140, 165), smoothstep(0.52 * size, 0.4 * size, r))
    canvas.blend(where, (40, 70, 85), smoothstep(0.18 * size, 0.1 * size, r))


def _paint_navel(canvas: _Canvas, rng: np.random.Generator, center: tuple[float, float]) -> None:
    """The tiny second fruit that gives navel oranges their name: a ring, creases and folds."""
    size = rng.uniform(0.12, 0.2)
    where, x, y = canvas.window(center, 3.0 * size)
    bend = 1 + 0.3 * canvas.noise(rng, x, size * 0.9, octaves=2)
    r = np.hypot(x, y) / bend
    phi = np.arctan2(y, x) + 0.8 * canvas.noise(rng, x, size * 0.8)
    # The skin around it is pulled in and wrinkles.
    drawn_in = smoothstep(2.6 * size, 1.0 * size, r)
    wrinkle = np.cos(phi * rng.integers(7, 12) + rng.uniform(0, 6)) * drawn_in
    canvas.relief[where] += 0.3 * wrinkle - 0.5 * drawn_in
    canvas.blend(where, (16, 104, 205), 0.4 * drawn_in * (0.6 + 0.4 * wrinkle))
    # Inside, folds of the second fruit's own peel, drawn as cells around a few points.
    folds = rng.uniform(-0.75, 0.75, (int(rng.integers(3, 7)), 2)) * size
    away = np.sort(np.stack([np.hypot(x - fx, y - fy) / bend for fx, fy in folds]), axis=0)
    seam = np.exp(-(((away[1] - away[0]) / (0.14 * size)) ** 2))
    inside = smoothstep(1.05 * size, 0.8 * size, r)
    ring = np.exp(-(((r - size) / (0.15 * size)) ** 2))
    crevice = np.clip(ring + seam * inside, 0, 1)
    canvas.blend(where, (44, 152, 232), 0.55 * inside)
    canvas.blend(where, (14, 66, 132), 0.6 * crevice)
    scar = smoothstep(0.24 * size, 0.1 * size, np.hypot(x - folds[0, 0], y - folds[0, 1]))
    canvas.blend(where, (40, 66, 84), scar)
    puffed = inside * smoothstep(0.0, 0.35 * size, away[1] - away[0])
    canvas.relief[where] += 0.55 * puffed - 0.9 * crevice


def _paint_specks(canvas: _Canvas, rng: np.random.Generator) -> None:
    """A few scratches and specks, as on every sound orange; too small to be defects."""
    for _ in range(int(rng.integers(0, 7))):
        center = (float(rng.uniform(-1.1, 1.1)), float(rng.uniform(-1.1, 1.1)))
        size = rng.uniform(0.008, 0.022)
        where, x, y = canvas.window(center, 3 * size + 0.01)
        spot = np.exp(-(x * x + y * y) / (size * size)).astype(np.float32)
        canvas.blend(where, (25, 60, 95), rng.uniform(0.3, 0.7) * spot)


def _paint_ulcer(
    canvas: _Canvas, rng: np.random.Generator, taken: list[tuple[float, float, float]]
) -> None:
    """Sunken dead spots: a dark crater, a corky rim around it, and a yellow halo outside."""
    size = rng.uniform(0.17, 0.34)
    center = _place(rng, taken, size, 0.95)
    spots = [(center, size)]
    for _ in range(int(rng.choice([0, 0, 1, 2, 3]))):
        angle, away = rng.uniform(0, 2 * np.pi), size * rng.uniform(1.5, 2.3)
        at = (center[0] + away * np.cos(angle), center[1] + away * np.sin(angle))
        spots.append(((float(at[0]), float(at[1])), size * rng.uniform(0.35, 0.6)))
    dark = np.array([28, 42, 62], np.float32) * rng.uniform(0.7, 1.35)
    tone = rng.uniform(0.8, 1.15)
    for at, r0 in spots:
        where, x, y = canvas.window(at, 1.9 * r0)
        warp = canvas.noise(rng, x, r0 * 0.75, octaves=3)
        q = np.hypot(x, y) / (r0 * (1 + 0.2 * warp))
        grain = canvas.noise(rng, x, 0.05, octaves=2)
        opacity = smoothstep(1.07, 0.93, q)
        halo = smoothstep(1.65, 1.0, q)
        canvas.blend(where, (40, 165, 222), 0.45 * halo)
        crater = smoothstep(0.82, 0.55, q + 0.1 * grain)[..., None]
        rim = np.array([62, 104, 142], np.float32) * tone * (1 + 0.2 * grain)[..., None]
        inner = dark * (1 + 0.4 * grain)[..., None]
        canvas.blend(where, rim + (inner - rim) * crater, opacity)
        canvas.relief[where] *= 1 - 0.8 * opacity
        canvas.relief[where] += (
            0.9 * np.exp(-(((q - 0.93) / 0.16) ** 2))
            - 0.9 * smoothstep(0.8, 0.35, q)
            + 0.25 * grain * opacity
        )
        canvas.cover(where, ULCER, opacity)


def _paint_sunburn(
    canvas: _Canvas, rng: np.random.Generator, taken: list[tuple[float, float, float]]
) -> None:
    """A broad bleached patch with a soft edge; if severe, the middle is leathery and brown."""
    size = rng.uniform(0.4, 0.75)
    center = _place(rng, taken, size * 0.8, 0.85)
    where, x, y = canvas.window(center, 2.2 * size)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.75, 1.0)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / squeeze
    warp = canvas.noise(rng, x, size * 0.8, octaves=2)
    grain = canvas.noise(rng, x, 0.09, octaves=2)
    q = np.hypot(along, across) / (size * (1 + 0.2 * warp))
    opacity = smoothstep(1.3, 0.7, q + 0.03 * grain)
    bleached = np.array([118, 205, 232], np.float32) * (1 + 0.06 * grain)[..., None]
    tan = np.array([70, 128, 176], np.float32) * (1 + 0.12 * grain)[..., None]
    severity = rng.uniform(0.0, 1.0) * smoothstep(0.9, 0.1, q + 0.2 * warp)
    canvas.blend(where, bleached + (tan - bleached) * severity[..., None], 0.93 * opacity)
    canvas.relief[where] *= 1 - 0.65 * opacity
    canvas.cover(where, SUNBURN, opacity)


def _paint_wind_scar(
    canvas: _Canvas, rng: np.random.Generator, taken: list[tuple[float, float, float]]
) -> None:
    """Where twigs rubbed the young fruit: a gray-brown web, streaked in one direction, ragged."""
    size = rng.uniform(0.35, 0.65)
    center = _place(rng, taken, size * 0.8, 0.85)
    where, x, y = canvas.window(center, 2.0 * size)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.5, 0.85)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / squeeze
    streak = _streaks(canvas, rng, x.shape, angle)
    warp = canvas.noise(rng, x, size * 0.6, octaves=2)
    q = np.hypot(along, across) / (size * (1 + 0.25 * warp))
    strength = 1.0 - q + 0.3 * streak
    opacity = smoothstep(-0.1, 0.18, strength)
    web = 1.0 - np.abs(canvas.noise(rng, x, 0.13, octaves=2))
    net = smoothstep(0.72, 0.98, web)
    grain = canvas.noise(rng, x, 0.035, octaves=2)
    silver = np.array([122, 150, 172], np.float32) * rng.uniform(0.85, 1.1)
    brown = np.array([66, 96, 122], np.float32) * rng.uniform(0.85, 1.15)
    mix = np.clip(0.5 + 0.45 * streak + 0.5 * (net - 0.5), 0, 1)[..., None]
    color = (brown + (silver - brown) * mix) * (1 + 0.14 * grain)[..., None]
    # Threads beyond the patch stay below half opacity: visible, not counted as a defect.
    threads = 0.42 * net * smoothstep(-0.65, -0.1, strength)
    canvas.blend(where, color, threads * (1 - opacity))
    canvas.blend(where, color, 0.94 * opacity)
    canvas.relief[where] *= 1 - 0.7 * opacity
    canvas.relief[where] += (0.35 * net + 0.2 * streak + 0.15 * grain) * opacity
    canvas.cover(where, WIND_SCAR, opacity)


def _streaks(
    canvas: _Canvas, rng: np.random.Generator, shape: tuple[int, ...], angle: float
) -> NDArray[np.float32]:
    """Noise drawn out along an angle; about -1 to 1."""
    side = int(np.hypot(shape[0], shape[1])) + 4
    cell = canvas.radius
    field = smooth_noise(rng, (side, side), (0.5 * cell, 0.075 * cell), octaves=2)
    center = (side - 1) / 2
    turn = cv2.getRotationMatrix2D((center, center), -np.degrees(angle), 1.0)
    turn[0, 2] += (shape[1] - 1) / 2 - center
    turn[1, 2] += (shape[0] - 1) / 2 - center
    return np.asarray(
        cv2.warpAffine(field, turn, (shape[1], shape[0]), borderMode=cv2.BORDER_REFLECT)
    )


_PAINT = {ULCER: _paint_ulcer, SUNBURN: _paint_sunburn, WIND_SCAR: _paint_wind_scar}
