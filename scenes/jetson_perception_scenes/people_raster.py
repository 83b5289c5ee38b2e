"""A small rasterizer with exact depth, which shades round solids: figures and things.

Every solid is a round cone (all spheres between two centers, with radii that change linearly),
squashed along its own axes; spheres, ellipsoids, cylinders and cones are special cases. In an
orthographic view, the nearest surface point at a pixel has a closed form, so depth, normal and the
point itself are exact without a mesh. Light is computed afterwards, once per pixel.

In view coordinates x points right, y up and z to the camera; lengths are in meters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.noise import smooth_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]
    Local = tuple[Field, Field, Field]
    Painter = Callable[[Field, Field, Field], Field]

_FAR = -1e3


@dataclass(frozen=True)
class Finish:
    """How a surface reflects light.

    Attributes
    ----------
    gloss : float
        Strength of the highlight, 0 to 1.
    folds : float
        Depth of the folds of cloth, 0 to 1.
    """

    gloss: float = 0.0
    folds: float = 0.0


SKIN = Finish(0.16, 0.0)
CLOTH = Finish(0.03, 0.8)
STIFF = Finish(0.06, 0.25)
LEATHER = Finish(0.35, 0.15)
HAIR = Finish(0.22, 0.35)
PLASTIC = Finish(0.3, 0.0)
MATTE = Finish(0.04, 0.0)
FINISHES = (SKIN, CLOTH, STIFF, LEATHER, HAIR, PLASTIC, MATTE)


@dataclass(frozen=True, eq=False)
class Solid:
    """A squashed round cone and its paint.

    Attributes
    ----------
    a, b : ndarray, shape (3,)
        Centers of its ends; equal for an ellipsoid.
    ra, rb : float
        Radii at the ends, meters, before squashing.
    color : ndarray, shape (3,), or callable
        BGR, 0 to 255; or a function that returns (n, 3) for coordinates of surface points. These
        are in the solid's own frame, relative to `a` and not squashed, so that an ellipsoid is a
        sphere of radius `ra`.
    finish : Finish
        One of FINISHES.
    frame : ndarray, shape (3, 3)
        Columns are its own axes.
    squash : tuple of float
        Its size along these axes relative to a round solid.
    keep : callable or None
        A function of the same coordinates: whether the surface exists at each point.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    ra: float
    rb: float
    color: NDArray[np.float32] | Painter
    finish: Finish = MATTE
    frame: NDArray[np.float64] | None = None
    squash: tuple[float, float, float] = (1.0, 1.0, 1.0)
    keep: Callable[[Field, Field, Field], NDArray[np.bool_]] | None = None


@dataclass(frozen=True)
class Sun:
    """The light on a scene.

    Attributes
    ----------
    direction : tuple of float
        Unit vector to the lamp in view coordinates.
    key, sky, ground : tuple of float
        BGR gains of the lamp, of light from above and of light from below.
    softness : float
        0 for a point, 1 for an overcast sky.
    """

    direction: tuple[float, float, float]
    key: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    softness: float = 0.4

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Sun:
        """Any light, from a softly lit office to a low sun."""
        azimuth, elevation = rng.uniform(-1.5, 1.5), rng.uniform(0.35, 1.3)
        if rng.random() < 0.12:
            azimuth += np.pi
        warmth = rng.uniform(-0.1, 0.16)
        level = rng.uniform(0.45, 0.85)
        key = (level * (1 - warmth), level, level * (1 + 0.6 * warmth))
        fill = rng.uniform(0.4, 0.65)
        sky = (fill * (1 + 0.08 * rng.normal()), fill, fill * (1 + 0.05 * rng.normal()))
        bounce = fill * rng.uniform(0.4, 0.8)
        flat = np.cos(elevation)
        return cls(
            (
                float(flat * np.sin(azimuth)),
                float(np.sin(elevation)),
                float(flat * np.cos(azimuth)),
            ),
            key,
            sky,
            (bounce * 0.9, bounce, bounce * 1.05),
            rng.uniform(0.15, 0.8),
        )


@dataclass(frozen=True, eq=False)
class Sprite:
    """A shaded thing, ready to be composited into a picture.

    Attributes
    ----------
    color : ndarray, shape (h, w, 3), uint8
        BGR, multiplied by the opacity.
    alpha : ndarray, shape (h, w), uint8
        Opacity; 255 is opaque.
    origin_xy : tuple of float
        The thing's origin (its foot), pixels from the upper left corner.
    scale : float
        Pixels per meter.
    keypoints : ndarray, shape (k, 3), float32
        x, y in pixels from the upper left corner, and 0 if the thing itself hides the point, else
        1.
    """

    color: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    origin_xy: tuple[float, float]
    scale: float
    keypoints: NDArray[np.float32]


class Canvas:
    """Depth, normal, color and finish of each pixel, filled solid by solid.

    Parameters
    ----------
    low, high : sequence of float
        Corners (x, y) of the visible area, meters.
    scale : float
        Pixels per meter.
    view : ndarray, shape (3, 3)
        From the thing's coordinates to the view's.
    """

    def __init__(
        self, low: Sequence[float], high: Sequence[float], scale: float, view: NDArray[np.float64]
    ) -> None:
        self.scale = scale
        self.view = view
        self._x0, self._y1 = low[0], high[1]
        self.width = max(1, int(np.ceil((high[0] - low[0]) * scale)))
        self.height = max(1, int(np.ceil((high[1] - low[1]) * scale)))
        shape = (self.height, self.width)
        self.depth = np.full(shape, _FAR, np.float32)
        self.normal = np.zeros((*shape, 3), np.float32)
        self.color = np.zeros((*shape, 3), np.float32)
        self.finish = np.zeros(shape, np.uint8)

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """View coordinates (n, 3) to pixels (n, 2); the center of the first pixel is 0, 0."""
        return np.stack(
            [
                (points[:, 0] - self._x0) * self.scale - 0.5,
                (self._y1 - points[:, 1]) * self.scale - 0.5,
            ],
            axis=1,
        )

    def _window(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[slice, slice] | None:
        left = max(0, int((low[0] - self._x0) * self.scale) - 1)
        right = min(self.width, int((high[0] - self._x0) * self.scale) + 2)
        top = max(0, int((self._y1 - high[1]) * self.scale) - 1)
        bottom = min(self.height, int((self._y1 - low[1]) * self.scale) + 2)
        if left >= right or top >= bottom:
            return None
        return slice(top, bottom), slice(left, right)

    def add(self, solid: Solid) -> None:
        """Rasterize a solid where it is nearer than what has been rasterized."""
        frame = np.eye(3) if solid.frame is None else solid.frame
        axes = self.view @ frame
        squash = np.asarray(solid.squash, np.float64)
        a, b = self.view @ solid.a, self.view @ solid.b
        # Half sizes of the ends' bounding boxes in the view.
        reach = np.sqrt(((axes * squash) ** 2).sum(axis=1))
        low = np.minimum(a - reach * solid.ra, b - reach * solid.rb)
        high = np.maximum(a + reach * solid.ra, b + reach * solid.rb)
        where = self._window(low, high)
        if where is None:
            return
        to_local = axes.T / squash[:, None]
        ray = to_local[:, 2]
        length = float(np.linalg.norm(ray))
        e3 = ray / length
        helper = np.array([1.0, 0, 0]) if abs(e3[0]) < 0.9 else np.array([0, 1.0, 0])
        e1 = cross(helper, e3)
        e1 /= np.linalg.norm(e1)
        basis = np.array([e1, cross(e3, e1), e3])
        plane = basis @ to_local
        px = (
            (np.arange(where[1].start, where[1].stop) + 0.5) / self.scale + self._x0 - a[0]
        ).astype(np.float32)
        py = (
            self._y1 - a[1] - (np.arange(where[0].start, where[0].stop) + 0.5) / self.scale
        ).astype(np.float32)
        p = plane.astype(np.float32)
        x = p[0, 0] * px[None, :] + p[0, 1] * py[:, None]
        y = p[1, 0] * px[None, :] + p[1, 1] * py[:, None]
        axis = plane @ (b - a)
        t, root = _nearest(x, y, axis, solid.ra, solid.rb - solid.ra)
        dx, dy, dz = (np.float32(value) for value in axis)
        zeta = root + dz * t
        z = (zeta - (p[2, 0] * px[None, :] + p[2, 1] * py[:, None])) / np.float32(
            length
        ) + np.float32(a[2])
        seen = (root > 0) & (z > self.depth[where])
        rows, columns = np.nonzero(seen)
        if not len(rows):
            return
        t = t[rows, columns] if isinstance(t, np.ndarray) else np.float32(t)
        root, zeta = root[rows, columns], zeta[rows, columns]
        xs, ys = x[rows, columns], y[rows, columns]
        # The surface point's, in the solid's own frame.
        b32 = basis.astype(np.float32)
        local = tuple(xs * b32[0, i] + ys * b32[1, i] + zeta * b32[2, i] for i in range(3))
        outward = np.stack([xs - dx * t, ys - dy * t, root], axis=1) @ b32
        if solid.keep is not None:
            kept = solid.keep(*local)
            rows, columns, root, z = rows[kept], columns[kept], root[kept], z
            local = tuple(part[kept] for part in local)
            outward = outward[kept]
        normal = outward @ to_local.astype(np.float32)
        normal /= np.sqrt(np.einsum('ij,ij->i', normal, normal) + np.float32(1e-12))[:, None]
        depth = z[rows, columns]
        rows, columns = rows + where[0].start, columns + where[1].start
        self.depth[rows, columns] = depth
        self.normal[rows, columns] = normal
        self.color[rows, columns] = solid.color(*local) if callable(solid.color) else solid.color
        self.finish[rows, columns] = FINISHES.index(solid.finish)

    def add_face(
        self,
        corners: NDArray[np.float64],
        color: NDArray[np.float32] | Painter,
        finish: Finish = MATTE,
    ) -> None:
        """Rasterize a flat parallelogram, if its front is visible.

        `corners` (4, 3) run counterclockwise as seen from the front. The coordinates for a painter
        are the share of the way from the first corner to the second, the share from the first to
        the fourth, and 0.
        """
        points = corners @ self.view.T
        u, v = points[1] - points[0], points[3] - points[0]
        normal = cross(u, v)
        if normal[2] <= 1e-9:
            return
        where = self._window(points.min(axis=0), points.max(axis=0))
        if where is None:
            return
        px = (
            (np.arange(where[1].start, where[1].stop) + 0.5) / self.scale + self._x0 - points[0, 0]
        )
        py = (
            self._y1 - points[0, 1] - (np.arange(where[0].start, where[0].stop) + 0.5) / self.scale
        )
        inverse = np.linalg.inv(np.array([[u[0], v[0]], [u[1], v[1]]]))
        s = (inverse[0, 0] * px[None, :] + inverse[0, 1] * py[:, None]).astype(np.float32)
        t = (inverse[1, 0] * px[None, :] + inverse[1, 1] * py[:, None]).astype(np.float32)
        z = s * np.float32(u[2]) + t * np.float32(v[2]) + np.float32(points[0, 2])
        seen = (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1) & (z > self.depth[where])
        rows, columns = np.nonzero(seen)
        if not len(rows):
            return
        s, t, z = s[rows, columns], t[rows, columns], z[rows, columns]
        rows, columns = rows + where[0].start, columns + where[1].start
        self.depth[rows, columns] = z
        self.normal[rows, columns] = normal / np.linalg.norm(normal)
        self.color[rows, columns] = color(s, t, np.zeros_like(s)) if callable(color) else color
        self.finish[rows, columns] = FINISHES.index(finish)

    def add_box(
        self,
        center: NDArray[np.float64],
        half: Sequence[float],
        color: NDArray[np.float32] | Painter,
        finish: Finish = MATTE,
        frame: NDArray[np.float64] | None = None,
    ) -> None:
        """Rasterize the visible faces of a box; a painter paints each of them."""
        frame = np.eye(3) if frame is None else frame
        for axis in range(3):
            for sign in (1.0, -1.0):
                one, two = (axis + 1) % 3, (axis + 2) % 3
                if sign < 0:
                    one, two = two, one
                signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
                if one == 1:
                    # Sides are upright for the painter: its second coordinate goes up.
                    signs = ((-1, 1), (-1, -1), (1, -1), (1, 1))
                corners = []
                for s1, s2 in signs:
                    offset = np.zeros(3)
                    offset[axis], offset[one], offset[two] = (
                        sign * half[axis],
                        s1 * half[one],
                        s2 * half[two],
                    )
                    corners.append(center + frame @ offset)
                self.add_face(np.array(corners), color, finish)

    def hides(self, point: NDArray[np.float64], slack: float) -> bool:
        """Whether a surface lies more than `slack` meters in front of a point of the view."""
        column, row = self.to_pixels(point[None])[0]
        row, column = round(row), round(column)
        if not (0 <= row < self.height and 0 <= column < self.width):
            return False
        return bool(self.depth[row, column] > point[2] + slack)

    def shade(self, sun: Sun, rng: np.random.Generator, relax: float = 0.0) -> tuple[Field, Field]:
        """Lit color (h, w, 3), 0 to 255, and coverage (h, w), 0 or 1; both float32.

        Parameters
        ----------
        sun : Sun
            The light.
        rng : Generator
            Chooses the folds.
        relax : float
            Radius within which normals are averaged, meters; this softens joints of limbs.
        """
        inside = (self.depth > _FAR / 2).astype(np.float32)
        normal = self.normal
        radius = round(relax * self.scale)
        if radius >= 1:
            normal = cv2.blur(normal, (2 * radius + 1,) * 2)
        where = np.nonzero(inside)
        finish = self.finish[where]
        normal = self._fold(normal[where], finish, where, rng)
        normal /= np.sqrt(np.einsum('ij,ij->i', normal, normal) + np.float32(1e-9))[:, None]
        light = np.asarray(sun.direction, np.float32)
        wrap = np.float32(0.15 + 0.5 * sun.softness)
        lamp = np.clip((normal @ light + wrap) / (1 + wrap), 0, 1)
        above = 0.5 + 0.5 * normal[:, 1]
        hollow = self._hollow(inside)[where]
        sky, ground, key = (np.asarray(c, np.float32) for c in (sun.sky, sun.ground, sun.key))
        level = (ground + above[:, None] * (sky - ground)) * (1 - hollow)[:, None]
        level += (lamp * (1 - np.float32(0.55) * hollow))[:, None] * key
        # Cloth and skin darken where they turn away.
        level *= (np.float32(0.78) + np.float32(0.22) * np.clip(normal[:, 2], 0, 1))[:, None]
        half = light + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        shine = np.clip(normal @ half, 0, 1)
        shine = shine * shine * shine
        shine = (shine * shine) * (shine * shine)
        shine = shine * shine * _GLOSS[finish]
        lit = np.zeros_like(self.color)
        lit[where] = np.clip(self.color[where] * level + (shine * 190)[:, None] * key, 0, 255)
        return lit, inside

    def _fold(
        self,
        normal: Field,
        finish: NDArray[np.uint8],
        where: tuple[NDArray[np.intp], ...],
        rng: np.random.Generator,
    ) -> Field:
        depth = _FOLDS[finish]
        if depth.any():
            across, down = _folds(rng, (self.height, self.width), self.scale)
            normal[:, 0] += across[where] * depth
            normal[:, 1] += down[where] * depth
        return normal

    def _hollow(self, inside: Field) -> Field:
        """How far each pixel lies behind its surroundings, 0 to 1, which makes it darker."""
        side = 2 * max(1, round(0.045 * self.scale)) + 1
        depth = np.where(inside > 0, self.depth, 0)
        weight = cv2.blur(inside, (side, side)) + np.float32(1e-6)
        around = cv2.blur(depth, (side, side)) / weight
        return np.clip((around - depth) / np.float32(0.11), 0, 0.65) * inside


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross product of two vectors; NumPy's takes many times longer for three numbers."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def _nearest(
    x: Field, y: Field, axis: NDArray[np.float64], ra: float, dr: float
) -> tuple[Field | np.float32, Field]:
    """The nearest sphere at each pixel: its position along the axis, and its surface's height.

    The height is 0 if the pixel meets no sphere. If q(t) is the squared height of the surface of
    sphere t over its center, the surface is at t·dz + sqrt(q), whose maximum has a closed form.
    """
    dx, dy, dz = axis
    square = np.float32(ra * ra) - x * x - y * y
    if max(abs(dx), abs(dy), abs(dz)) < 1e-9:
        return np.float32(0), np.sqrt(np.maximum(square, 0))
    qa = dr * dr - dx * dx - dy * dy
    linear = np.float32(dx) * x + np.float32(dy) * y + np.float32(ra * dr)
    if qa < -1e-7:
        under = np.maximum(linear * linear - np.float32(qa) * square, 0) / np.float32(dz * dz - qa)
        t = (-linear - np.float32(dz) * np.sqrt(under)) / np.float32(qa)
        t = np.clip(t, 0, 1)
    else:
        # One end covers the other: an end is nearest, or a sphere on the way to the nearer end.
        under = linear * linear - np.float32(qa) * square
        within = np.maximum(under, 0) / np.float32(max(dz * dz - qa, 1e-9))
        between = (-linear - np.float32(dz) * np.sqrt(within)) / np.float32(max(qa, 1e-9))
        between = np.where((under > 0) & (dz * dz > qa), np.clip(between, 0, 1), 0)
        t, best = np.zeros_like(square), np.full_like(square, _FAR)
        for candidate in (np.zeros_like(square), np.ones_like(square), between):
            q = (np.float32(qa) * candidate + 2 * linear) * candidate + square
            height = np.where(q > 0, np.sqrt(np.maximum(q, 0)) + np.float32(dz) * candidate, _FAR)
            t = np.where(height > best, candidate, t)
            best = np.maximum(height, best)
    q = (np.float32(qa) * t + 2 * linear) * t + square
    return t, np.sqrt(np.maximum(q, 0))


_GLOSS = np.array([finish.gloss for finish in FINISHES], np.float32)
_FOLDS = np.array([finish.folds for finish in FINISHES], np.float32)
_FOLD_SIDE = 512
_FOLD_PIXELS_A_METER = 220.0
_fold_tile: tuple[Field, Field] | None = None


def _folds(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> tuple[Field, Field]:
    """Slopes of crumpled cloth, to the right and up, of the given shape."""
    global _fold_tile
    if _fold_tile is None:
        maker = np.random.default_rng(7)
        size = (_FOLD_SIDE, _FOLD_SIDE)
        relief = smooth_noise(maker, size, (26, 52), octaves=2) + 0.5 * smooth_noise(
            maker, size, (60, 24)
        )
        relief = 1 - np.abs(relief)
        _fold_tile = (
            cv2.GaussianBlur(cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3), (0, 0), 1.5) * 1.7,
            cv2.GaussianBlur(cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3), (0, 0), 1.5) * -1.7,
        )
    zoom = _FOLD_PIXELS_A_METER / scale
    shift = rng.uniform(0, _FOLD_SIDE, 2)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    across, down = (
        cv2.warpAffine(
            slope,
            matrix,
            shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        for slope in _fold_tile
    )
    return across, down


def to_sprite(
    canvas: Canvas,
    lit: Field,
    inside: Field,
    reduce: int,
    keypoints: NDArray[np.float32] | None = None,
) -> Sprite:
    """The picture at 1/`reduce` of the canvas's size, with soft edges."""
    height, width = canvas.height // reduce * reduce, canvas.width // reduce * reduce
    size = (max(1, width // reduce), max(1, height // reduce))
    if reduce == 1:
        alpha = cv2.GaussianBlur(inside, (3, 3), 0.6)
        # Colors continue for one pixel beyond the outline.
        spread = cv2.GaussianBlur(lit, (3, 3), 0.6) / np.maximum(alpha, 1e-3)[..., None]
        color = np.where(inside[..., None] > 0, lit, spread) * alpha[..., None]
    else:
        color = cv2.resize(lit[:height, :width], size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(inside[:height, :width], size, interpolation=cv2.INTER_AREA)
    foot = canvas.to_pixels(np.zeros((1, 3)))[0]
    points = np.zeros((0, 3), np.float32) if keypoints is None else keypoints.astype(np.float32)
    points = points.copy()
    points[:, :2] = (points[:, :2] + 0.5) / reduce - 0.5
    return Sprite(
        np.clip(np.rint(color), 0, 255).astype(np.uint8),
        np.clip(np.rint(alpha * 255), 0, 255).astype(np.uint8),
        (float((foot[0] + 0.5) / reduce - 0.5), float((foot[1] + 0.5) / reduce - 0.5)),
        canvas.scale / reduce,
        points,
    )
