"""Layers composited over a backdrop, nearest last, and the truth: what is visible of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jetson_perception_scenes.people_raster import Sprite, Sun

CLASS_NAMES = ('person', 'cone', 'box', 'ball', 'door', 'chair', 'bin', 'plant')
PERSON = 0
KEYPOINT_COUNT = 17

MIN_VISIBLE = 0.15
"""Share of an object's pixels that must be visible for it to be in the truth."""

NO_CLASS = -1

SMALL_AREA = 32**2
"""COCO calls objects with fewer visible pixels small, and does not label their keypoints."""


@dataclass(frozen=True, eq=False, slots=True)
class PeopleTruth:
    """What is visible in one picture; row i of every array is the same object, nearest last.

    Attributes
    ----------
    xyxy : ndarray, shape (n, 4), float32
        Left, top, right, bottom of the visible pixels' outer edges.
    class_id : ndarray, shape (n,), int32
        Index into CLASS_NAMES.
    keypoints : ndarray, shape (n, 17, 3), float32
        x, y and visibility of people's keypoints in COCO's order and meaning: 2 is visible, 1 is
        hidden within the picture, 0 is outside of it (x and y are then 0). Zeros for things.
    area : ndarray, shape (n,), float32
        Visible pixels.
    covered : ndarray, shape (n, 17), bool
        Keypoints in the picture that something other than the person's own body hides.
    identity : ndarray, shape (n,), int64
        The same for an object in all pictures of a scene; who comes again is somebody else.
    """

    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int32]
    keypoints: NDArray[np.float32]
    area: NDArray[np.float32]
    covered: NDArray[np.bool_]
    identity: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xyxy)

    def detections(self) -> Detections:
        """The truth as perfect detections: score 1, also for keypoints within the picture."""
        points = self.keypoints.copy()
        points[..., 2] = points[..., 2] > 0
        return Detections(self.xyxy, np.ones(len(self), np.float32), self.class_id, points)

    def annotated_keypoints(self, least_area: float = SMALL_AREA) -> NDArray[np.float32]:
        """Keypoints as people would annotate them, (n, 17, 3).

        This leaves out keypoints that something else hides, which nobody could place, and all
        keypoints of people with fewer visible pixels than `least_area`.
        """
        points = self.keypoints.copy()
        points[self.covered | (self.area < least_area)[:, None]] = 0
        return points


@dataclass(frozen=True, eq=False)
class Shadow:
    """Share of the light on the floor that a thing lets through: (h, w) uint8; 255 is all of it.

    `dx, dy` lead from the thing's foot to the upper left corner, pixels.
    """

    factor: NDArray[np.uint8]
    dx: float
    dy: float


@dataclass(frozen=True, eq=False)
class Layer:
    """A sprite and the place of its foot.

    Attributes
    ----------
    sprite : Sprite
        The thing.
    foot_xy : tuple of float
        Place of its foot in the picture, pixels.
    depth : float
        Distance, meters; the farthest layers are composited first.
    class_id : int
        Index into CLASS_NAMES, or NO_CLASS.
    shadow : Shadow or None
        Composited before the sprite.
    identity : int
        Which object of a live scene it is.
    """

    sprite: Sprite
    foot_xy: tuple[float, float]
    depth: float
    class_id: int
    shadow: Shadow | None = None
    identity: int = 0

    def corner(self) -> tuple[int, int]:
        """Column and row of the sprite's upper left pixel."""
        x, y = self.sprite.origin_xy
        return round(self.foot_xy[0] - x), round(self.foot_xy[1] - y)


def cast_shadow(sprite: Sprite, sun: Sun, elevation: float, strength: float) -> Shadow:
    """The shadow of a sprite on level ground: around its foot, and where the light casts it.

    Parameters
    ----------
    sprite : Sprite
        What casts the shadow.
    sun : Sun
        The light.
    elevation : float
        Angle of the camera above the ground, radians.
    strength : float
        0 (none) to 1 (black).
    """
    height, width = sprite.alpha.shape
    shrink = max(1, round(height / 110))
    small = cv2.resize(
        sprite.alpha,
        (max(1, width // shrink), max(1, height // shrink)),
        interpolation=cv2.INTER_AREA,
    )
    sx, sy = small.shape[1] / width, small.shape[0] / height
    foot_x, foot_y = sprite.origin_xy[0] * sx, sprite.origin_xy[1] * sy
    lx, ly, lz = sun.direction
    across = float(np.clip(-lx / max(ly, 0.25), -1.4, 1.4))
    flatness = max(float(np.sin(abs(elevation))), 0.04)
    # The shadow falls away from the lamp: upwards in the picture if the lamp is behind the camera.
    away = float(np.clip(lz / max(ly, 0.25), -1.4, 1.4)) * flatness
    tall = foot_y + 1
    pad = 6 + int(0.12 * small.shape[1])
    left = int(pad + max(0.0, -across) * tall)
    right = int(pad + max(0.0, across) * tall)
    up = int(pad + max(0.0, away) * tall)
    down = int(pad + max(0.0, -away) * tall + 0.3 * small.shape[1] * flatness)
    size = (small.shape[1] + left + right, up + down)
    matrix = np.array(
        [[1.0, -across, left + across * foot_y], [0.0, away, up - away * foot_y]], np.float64
    )
    if abs(away) < 0.02:
        matrix[1] = (0.0, 0.02, up - 0.02 * foot_y)
    thrown = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR)
    soft = 0.8 + 2.5 * sun.softness
    thrown = cv2.GaussianBlur(thrown, (0, 0), soft)
    low = small[int(max(0, foot_y - 0.12 * tall)) :]
    columns = np.nonzero(low.max(axis=0) > 100)[0] if len(low) else np.empty(0)
    contact = np.zeros(size[::-1], np.uint8)
    if len(columns):
        middle = (columns[0] + columns[-1]) / 2
        half = 0.55 * (columns[-1] - columns[0] + 1) + 1
        axes = (int(half + 1), int(half * flatness + 1))
        cv2.ellipse(contact, (int(left + middle), up), axes, 0, 0, 360, 255, -1)
        contact = cv2.GaussianBlur(contact, (0, 0), max(0.8, 0.16 * half))
    dark = strength * ((1 - sun.softness) * 0.7 * thrown.astype(np.float32) + 0.6 * contact)
    factor = np.clip(255 - dark, 0, 255).astype(np.uint8)
    if shrink > 1:
        factor = cv2.resize(factor, None, fx=1 / sx, fy=1 / sy, interpolation=cv2.INTER_LINEAR)
    return Shadow(factor, -(left + foot_x) / sx, -up / sy)


def overlap(
    picture: NDArray[np.uint8], thing: NDArray[np.uint8], x0: int, y0: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Slices of the picture and of a thing at x0, y0 where they overlap, or None."""
    left, top = max(x0, 0), max(y0, 0)
    right = min(x0 + thing.shape[1], picture.shape[1])
    bottom = min(y0 + thing.shape[0], picture.shape[0])
    if left >= right or top >= bottom:
        return None
    return (
        (slice(top, bottom), slice(left, right)),
        (slice(top - y0, bottom - y0), slice(left - x0, right - x0)),
    )


def lay(picture: NDArray[np.uint8], ids: NDArray[np.uint8], layers: Sequence[Layer]) -> None:
    """Composite layers into a picture in the given order, in place.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), uint8
        The background.
    ids : ndarray, shape (h, w), uint8
        Set to i + 1 where layer i is on top.
    layers : sequence of Layer
        Farthest first, at most 255.
    """
    for number, layer in enumerate(layers, start=1):
        if layer.shadow is not None:
            _darken(picture, layer.shadow, layer.foot_xy)
        cut = overlap(picture, layer.sprite.alpha, *layer.corner())
        if cut is None:
            continue
        there, part = cut
        alpha = layer.sprite.alpha[part]
        left_over = cv2.bitwise_not(alpha)
        window = picture[there]
        cv2.multiply(window, cv2.merge([left_over] * 3), dst=window, scale=1 / 255)
        cv2.add(window, layer.sprite.color[part], dst=window)
        solid = cv2.compare(alpha, 127, cv2.CMP_GT)
        ids[there][solid > 0] = number


def _darken(picture: NDArray[np.uint8], shadow: Shadow, foot_xy: tuple[float, float]) -> None:
    x, y = round(foot_xy[0] + shadow.dx), round(foot_xy[1] + shadow.dy)
    cut = overlap(picture, shadow.factor, x, y)
    if cut is None:
        return
    there, part = cut
    window = picture[there]
    cv2.multiply(window, cv2.merge([shadow.factor[part]] * 3), dst=window, scale=1 / 255)


def read_truth(ids: NDArray[np.uint8], layers: Sequence[Layer]) -> PeopleTruth:
    """What is visible of the layers that have a class, from `ids` as written by `lay`."""
    boxes, classes, points, areas, covered = [], [], [], [], []
    identities = []
    for number, layer in enumerate(layers, start=1):
        if layer.class_id == NO_CLASS:
            continue
        x0, y0 = layer.corner()
        cut = overlap(ids, layer.sprite.alpha, x0, y0)
        if cut is None:
            continue
        there, _ = cut
        own = cv2.compare(ids[there], number, cv2.CMP_EQ)
        seen = cv2.countNonZero(own)
        whole = cv2.countNonZero(cv2.compare(layer.sprite.alpha, 127, cv2.CMP_GT))
        if seen == 0 or seen < MIN_VISIBLE * whole:
            continue
        x, y, width, height = cv2.boundingRect(own)
        x, y = x + there[1].start, y + there[0].start
        boxes.append((x, y, x + width, y + height))
        classes.append(layer.class_id)
        areas.append(seen)
        identities.append(layer.identity)
        placed, hidden = np.zeros((KEYPOINT_COUNT, 3), np.float32), np.zeros(KEYPOINT_COUNT, bool)
        if layer.class_id == PERSON:
            placed, hidden = _seen_keypoints(ids, number, layer.sprite.keypoints, x0, y0)
        points.append(placed)
        covered.append(hidden)
    return PeopleTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(classes, np.int32),
        np.array(points, np.float32).reshape(-1, KEYPOINT_COUNT, 3),
        np.array(areas, np.float32),
        np.array(covered, bool).reshape(-1, KEYPOINT_COUNT),
        np.array(identities, np.int64),
    )


def _seen_keypoints(
    ids: NDArray[np.uint8], number: int, keypoints: NDArray[np.float32], x0: int, y0: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Keypoints in the picture with COCO's visibility, (17, 3), and which others hide, (17,)."""
    height, width = ids.shape
    placed = keypoints.copy()
    covered = np.zeros(len(placed), bool)
    # Pixel centers have half-integer coordinates, as box edges have integer ones.
    placed[:, 0] += x0 + 0.5
    placed[:, 1] += y0 + 0.5
    for index, point in enumerate(placed):
        x, y = int(np.floor(point[0])), int(np.floor(point[1]))
        if not (0 <= x < width and 0 <= y < height):
            point[:] = 0
            continue
        around = ids[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        own = bool((around == number).any())
        point[2] = 2 if point[2] > 0 and own else 1
        covered[index] = not own and ids[y, x] > number  # nearer layers have higher numbers
    return placed, covered
