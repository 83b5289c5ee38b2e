"""How light falls on round things on a belt, and how they are composited into the picture.

A thing is composited with two arrays: `picture = picture × transmission + color`. The first holds
its shadow and its outline, the second its lit color, already multiplied by its opacity. Both get
the blur of shutter and lens, which is exact enough, because all things move with the belt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.noise import smoothstep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception_scenes.light import Light
    from jetson_perception_scenes.skin import Skin


@dataclass(frozen=True)
class Blur:
    """The blur of shutter and lens.

    Attributes
    ----------
    motion : int
        How far the belt moves while the shutter is open, pixels; no blur below 2.
    defocus : float
        Standard deviation of the lens's blur, pixels; no blur below 0.35.
    """

    motion: int
    defocus: float

    def margin(self) -> int:
        """How far the blur reaches, pixels."""
        return self.motion // 2 + int(np.ceil(3 * self.defocus)) + 1

    def __call__(self, image: NDArray[np.uint8], *, wrap_x: bool = False) -> NDArray[np.uint8]:
        """The blurred image, a new array; with `wrap_x` its left and right edges meet."""
        if wrap_x:
            m = min(self.margin(), image.shape[1])
            wide = np.ascontiguousarray(np.hstack([image[:, -m:], image, image[:, :m]]))
            return np.ascontiguousarray(self(wide)[:, m : m + image.shape[1]])
        if self.motion >= 2:
            # An odd kernel does not shift the picture against its truth.
            image = np.asarray(cv2.blur(image, (self.motion | 1, 1)), np.uint8)
        if self.defocus >= 0.35:
            side = 2 * int(np.ceil(2.5 * self.defocus)) + 1
            image = np.asarray(cv2.GaussianBlur(image, (side, side), self.defocus), np.uint8)
        return image


@dataclass(frozen=True, eq=False)
class Sprite:
    """A thing, ready to be composited.

    Attributes
    ----------
    color : ndarray, shape (h, w, 3), uint8
        Lit color, multiplied by the thing's opacity.
    truth : ndarray, shape (h, w), uint8
        Class id of each pixel; only those inside `outline` count.
    outline : ndarray, shape (h, w), uint8
        255 where the thing covers at least half of the pixel, else 0.
    dx, dy : int
        Offset of the arrays' upper left corner from the thing's center, pixels.
    """

    color: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    outline: NDArray[np.uint8]
    dx: int
    dy: int


@dataclass(frozen=True, eq=False)
class Transmission:
    """Share of the picture that shadow and outline leave: (h, w, 3) uint8; 255 is all of it."""

    factor: NDArray[np.uint8]
    dx: int
    dy: int


class LitOrange:
    """A lit orange: its shadow, and its sprite at any spin.

    Parameters
    ----------
    skin : Skin
        The orange's skin.
    light : Light
        The lamp.
    blur : Blur
        The blur of shutter and lens.
    aspect : float
        Width of the outline divided by its height, near 1.
    """

    def __init__(self, skin: Skin, light: Light, blur: Blur, aspect: float) -> None:
        self._skin = skin
        self._blur = blur
        self._phases = (7.0 * skin.radius, 11.0 * skin.radius)
        self._rx = skin.radius * float(np.sqrt(aspect))
        self._ry = skin.radius / float(np.sqrt(aspect))
        self._half_w = int(np.ceil(MAX_LOBE * self._rx)) + blur.margin() + 1
        self._half_h = int(np.ceil(MAX_LOBE * self._ry)) + blur.margin() + 1
        x = np.arange(-self._half_w, self._half_w + 1, dtype=np.float32)[None, :]
        y = np.arange(-self._half_h, self._half_h + 1, dtype=np.float32)[:, None]
        nx, ny = x / np.float32(self._rx), y / np.float32(self._ry)
        r = np.sqrt(nx * nx + ny * ny) / self._lobes(nx, ny)
        opacity = np.clip((1.0 - r) * np.float32(skin.radius) + 0.5, 0, 1)
        self._opacity = _to_bytes3(opacity)
        self._outline = np.where(opacity >= 0.5, 255, 0).astype(np.uint8)
        nz = np.sqrt(np.clip(1.0 - r * r, 0.0, 1.0))
        lx, ly, lz = light.direction()
        self._diffuse = _diffuse(nx, ny, nz, light)
        self._highlight = _highlight(nx, ny, nz, light)
        # Slopes that face the lamp are brighter: Scharr's weights, rotated towards it.
        scharr = np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]], np.float32) / 32
        self._emboss = np.asarray(-1.5 * (lx * scharr + ly * scharr.T) / max(lz, 0.4), np.float32)
        self.transmission = self._shadow(light)

    def sprite(self, spin: float) -> Sprite:
        """The orange turned by `spin` radians about the line of sight."""
        skin = self._skin
        size_wh = (2 * self._half_w + 1, 2 * self._half_h + 1)
        turn = self._turn(spin)
        # Four channels warp in half the time of three.
        turned = cv2.warpAffine(skin.surface, turn, size_wh, flags=_WARP, borderMode=_EDGE)
        color = cv2.cvtColor(turned, cv2.COLOR_BGRA2BGR)
        height = cv2.extractChannel(turned, 3)
        relief = cv2.filter2D(height, cv2.CV_8U, self._emboss, delta=128)
        shade = cv2.multiply(self._diffuse, relief, scale=1 / 128)
        color = cv2.multiply(
            color, cv2.merge([cv2.LUT(shade, t) for t in _SCATTER]), scale=1 / 200
        )
        gleam = cv2.multiply(self._highlight, cv2.LUT(relief, _STEEPER), scale=1 / 128)
        if skin.coverage is None:
            truth = np.zeros(color.shape[:2], np.uint8)
        else:
            coverage = cv2.warpAffine(skin.coverage, turn, size_wh, flags=_WARP, borderMode=_EDGE)
            _, half = cv2.threshold(coverage, 127, 1, cv2.THRESH_BINARY)
            truth = cv2.transform(half, _CLASS_WEIGHTS)
            gleam = cv2.multiply(gleam, cv2.extractChannel(coverage, 3), scale=1 / 255)
        color = cv2.add(color, cv2.merge([gleam, gleam, gleam]))
        color = cv2.multiply(color, self._opacity, scale=1 / 255)
        return Sprite(self._blur(color), truth, self._outline, -self._half_w, -self._half_h)

    def _lobes(self, nx: NDArray[np.float32], ny: NDArray[np.float32]) -> NDArray[np.float32]:
        """Radius of the outline towards each pixel: no orange is an ellipse."""
        phi = np.arctan2(ny, nx)
        three, five = self._phases
        return np.asarray(1 + 0.012 * np.cos(3 * phi + three) + 0.006 * np.cos(5 * phi + five))

    def _turn(self, spin: float) -> NDArray[np.float64]:
        """The map from pixels of the sprite to those of the skin (inverse, as _WARP requires)."""
        to_disc = np.diag([self._skin.radius / self._rx, self._skin.radius / self._ry])
        c, s = np.cos(spin), np.sin(spin)
        linear = np.array([[c, s], [-s, c]]) @ to_disc
        center = (self._skin.surface.shape[0] - 1) / 2
        shift = center - linear @ np.array([self._half_w, self._half_h], np.float64)
        return np.hstack([linear, shift[:, None]])

    def _shadow(self, light: Light) -> Transmission:
        """Shadow on the belt (cast, and where the orange touches it) and the outline."""
        lx, ly, lz = light.direction()
        flat = max(float(np.hypot(lx, ly)), 1e-6)
        radius = self._skin.radius
        # A sphere on the belt: the ray through its center meets the belt at the shadow's center.
        reach = radius * flat / lz
        dx, dy = -lx / flat, -ly / flat
        pad = 0.28 * radius / lz
        near_w, near_h = (int(1.4 * r) + self._blur.margin() for r in (self._rx, self._ry))
        left = int(max(near_w, -dx * reach + radius / lz + pad))
        right = int(max(near_w, dx * reach + radius / lz + pad))
        top = int(max(near_h, -dy * reach + radius / lz + pad))
        bottom = int(max(near_h, dy * reach + radius / lz + pad))
        x = np.arange(-left, right + 1, dtype=np.float32)[None, :]
        y = np.arange(-top, bottom + 1, dtype=np.float32)[:, None]
        along = ((x * dx + y * dy) - reach) * lz / radius
        across = (y * dx - x * dy) / radius
        cast = smoothstep(1.28, 0.72, np.sqrt(along * along + across * across))
        nx, ny = x / np.float32(self._rx), y / np.float32(self._ry)
        r = np.hypot(nx, ny) / self._lobes(nx, ny)
        contact = smoothstep(1.3, 0.85, r)
        dark = 1.0 - (1.0 - light.ambient) * 0.85 * cast
        dark = dark * (1.0 - 0.45 * contact)
        # Light that the orange reflects onto the belt near it, more red than blue.
        glow = 0.10 * smoothstep(1.36, 0.95, r)
        shadow = np.stack([dark, dark + 0.35 * glow, dark + glow], axis=2)
        opacity = np.clip((1.0 - r) * np.float32(radius) + 0.5, 0, 1)
        left_over = np.clip(shadow, 0, 1) * (1.0 - opacity)[..., None]
        return Transmission(self._blur(np.rint(left_over * 255).astype(np.uint8)), -left, -top)


_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_EDGE = cv2.BORDER_REPLICATE
_CLASS_WEIGHTS = np.array([[1, 2, 3, 0]], np.float32)
# Highlights break up on pores far more than diffuse light does.
_STEEPER = np.clip(128 + (np.arange(256) - 128) * 4.0, 0, 255).astype(np.uint8)
# Light that passes through the peel leaves its dark side redder: blue falls off fastest.
_SCATTER = [
    np.clip(200 * (np.arange(256) / 200) ** power, 0, 255).astype(np.uint8)
    for power in (1.35, 1.18, 0.85)
]
MAX_LOBE = 1.018
"""Distance of an outline's farthest point, in radii of its ellipse."""


def _to_bytes3(field: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A field of 0 to 1 as (h, w, 3) uint8."""
    return np.repeat(np.rint(field * 255).astype(np.uint8)[..., None], 3, axis=2)


def _diffuse(
    nx: NDArray[np.float32], ny: NDArray[np.float32], nz: NDArray[np.float32], light: Light
) -> NDArray[np.uint8]:
    """Brightness of a smooth sphere; 200 for a surface that faces the lamp."""
    lx, ly, lz = light.direction()
    facing = nx * lx + ny * ly + nz * lz
    lamp = np.clip((facing + 0.35) / 1.35, 0.0, 1.0)
    sky = 0.6 + 0.4 * nz
    level = light.ambient * sky + (1.0 - light.ambient) * lamp
    # The belt shades the flanks from below.
    level = level * (0.74 + 0.26 * smoothstep(0.0, 0.6, nz))
    return np.clip(level * 214, 0, 255).astype(np.uint8)


def _highlight(
    nx: NDArray[np.float32], ny: NDArray[np.float32], nz: NDArray[np.float32], light: Light
) -> NDArray[np.uint8]:
    """Blinn and Phong's highlight of a long lamp: a core, and the sheen of a waxed skin."""
    lx, ly, lz = light.direction()
    level = np.zeros_like(nx)
    for share, sx, sy in ((1.0, 1.0, 1.0), (0.45, -0.9, -0.6)):
        half = np.array([lx * sx, ly * sy, lz + 1.0])
        hx, hy, hz = half / np.linalg.norm(half)
        # The lamps are tubes across the belt, so a distance along y counts less.
        away = (nx - hx) ** 2 + 0.4 * (ny - hy) ** 2 + (nz - hz) ** 2
        core, sheen, haze = np.exp(-away / 0.004), np.exp(-away / 0.022), np.exp(-away / 0.12)
        level = level + share * (85 * core + 60 * sheen + 22 * haze)
    return np.clip(light.gloss * level, 0, 255).astype(np.uint8)
