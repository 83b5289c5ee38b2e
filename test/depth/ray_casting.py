"""Scenes with known depth: boxes, balls and walls, rendered ray by ray with NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from jetson_perception.camera.calibration import Calibration
from jetson_perception.tasks.results import Detections

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def camera(size_wh=(640, 480), focal=525.0, model='plumb_bob', distortion=(0.0,) * 5):
    """A calibration whose axis goes through a point beside the middle."""
    width, height = size_wh
    cx, cy = 0.52 * width, 0.47 * height
    matrix = (focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0)
    projection = (focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0)
    return Calibration(size_wh, '', model, tuple(distortion), matrix, IDENTITY, projection)


@dataclass
class Ball:
    center: tuple[float, float, float]
    radius: float

    def hit(self, rays):
        """Depth where each ray of (…, 3) with z = 1 meets it; infinite where it does not."""
        center = np.array(self.center)
        a = (rays**2).sum(axis=-1)
        b = rays @ center
        inside = b**2 - a * (center @ center - self.radius**2)
        with np.errstate(invalid='ignore'):
            return np.where(inside >= 0, (b - np.sqrt(inside)) / a, np.inf)


@dataclass
class Box:
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    turned: float = 0.0
    """About the vertical, radians."""

    def hit(self, rays):
        c, s = np.cos(self.turned), np.sin(self.turned)
        to_box = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        origin, directions = -to_box @ self.center, rays @ to_box.T
        half = np.array(self.size) / 2
        with np.errstate(divide='ignore', invalid='ignore'):
            one, other = (-half - origin) / directions, (half - origin) / directions
        near = np.minimum(one, other).max(axis=-1)
        far = np.maximum(one, other).min(axis=-1)
        return np.where((near <= far) & (near > 0), near, np.inf)


@dataclass
class Wall:
    """A plane across the view."""

    distance: float
    slope_x: float = 0.0

    def hit(self, rays):
        with np.errstate(divide='ignore'):
            depth = self.distance / (1 - self.slope_x * rays[..., 0])
        return np.where(depth > 0, depth, np.inf)


@dataclass
class Floor:
    """A plane below the camera."""

    height: float

    def hit(self, rays):
        with np.errstate(divide='ignore'):
            depth = self.height / rays[..., 1]
        return np.where(depth > 0, depth, np.inf)


@dataclass
class Truth:
    """What a scene's things are: their visible surface, and what a detector would say."""

    detections: Detections
    lows: np.ndarray
    highs: np.ndarray
    size_wh: tuple[int, int] = field(default=(0, 0))

    @property
    def centers(self):
        return (self.lows + self.highs) / 2

    @property
    def sizes(self):
        return self.highs - self.lows


def rays_of(calibration):
    """The ray of each pixel's center, shape (h, w, 3), with z = 1."""
    width, height = calibration.size_wh
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    points = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2).astype(np.float64)
    matrix = np.array(calibration.camera_matrix).reshape(3, 3)
    distortion = np.array(calibration.distortion)
    if calibration.distortion_model == 'equidistant':
        slopes = cv2.fisheye.undistortPoints(points, matrix, distortion)
    else:
        slopes = cv2.undistortPoints(points, matrix, distortion)
    slopes = slopes.reshape(height, width, 2)
    return np.concatenate([slopes, np.ones((height, width, 1))], axis=-1)


def render(calibration, things, background=(), *, with_masks=False):
    """Depth of a scene, shape (h, w), float64, and the truth of its things.

    A thing's box is that of its visible pixels.
    """
    rays = rays_of(calibration)
    every = np.stack([each.hit(rays) for each in (*things, *background)])
    winner = every.argmin(axis=0)
    depth = every.min(axis=0)
    ids = np.where(np.isfinite(depth) & (winner < len(things)), winner + 1, 0).astype(np.uint8)
    boxes, lows, highs = [], [], []
    for number in range(1, len(things) + 1):
        rows, columns = np.nonzero(ids == number)
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        points = (rays * depth[..., None])[ids == number]
        lows.append(points.min(axis=0))
        highs.append(points.max(axis=0))
    count = len(things)
    found = Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.zeros(count, np.int32),
        instance_ids=ids if with_masks else None,
    )
    return depth, Truth(found, np.array(lows), np.array(highs), calibration.size_wh)


def in_millimeters(depth):
    """As 16UC1: 0 where there is none."""
    reached = np.where(np.isfinite(depth), depth, 0)
    return np.clip(np.rint(1000 * reached), 0, 65535).astype(np.uint16)


def with_noise(depth, seed=0, *, holes=0.2):
    """As a stereo camera measures: errors that grow with the distance, holes, mixed edges."""
    rng = np.random.default_rng(seed)
    measured = np.where(np.isfinite(depth), depth, 20.0)
    measured += 0.002 * measured**2 * rng.standard_normal(depth.shape)
    blurred = cv2.blur(measured, (3, 3))
    is_edge = np.abs(blurred - measured) > 0.03 * measured
    measured = np.where(is_edge, blurred, measured)
    # Without texture nothing is matched: holes are patches, not single pixels.
    height, width = depth.shape
    patches = rng.random((height // 8 + 1, width // 8 + 1)) < holes
    holes_there = np.repeat(np.repeat(patches, 8, axis=0), 8, axis=1)[:height, :width]
    return np.where(holes_there | ~np.isfinite(depth), np.nan, measured)
