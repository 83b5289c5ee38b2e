"""Oriented boxes around outlines, and their exact overlap: the area that two of them share.

A box is clipped in the frame of the other, where the other is upright: its sides are split where
they cross the other's borders, and the parts outside are moved onto these borders, where they
enclose nothing. Equal boxes, shared sides and boxes without area need no special case, which
they do in OpenCV's `rotatedRectangleIntersection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.tasks.results import enclosing, oriented_corners

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAIRS_AT_ONCE = 1 << 14  # about 20 MB


def oriented_ious(
    some: NDArray[np.floating],
    others: NDArray[np.floating],
    over_some: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """IoU of oriented boxes: x and y of the center, width, height, angle in radians.

    Parameters
    ----------
    some, others : ndarray, shape (n, 5) and (m, 5), float
        The boxes.
    over_some : ndarray, shape (m,), bool, optional
        Others whose overlap is relative to the area of the box of `some` alone, as is that of
        crowds in COCO's evaluation.

    Returns
    -------
    ndarray, shape (n, m), float64
        0 to 1; 0 where both have no area.
    """
    some, others = some.astype(np.float64), others.astype(np.float64)
    shared = np.zeros((len(some), len(others)))
    rows, columns = np.nonzero(_may_overlap(some, others))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        pairs = slice(start, start + _PAIRS_AT_ONCE)
        areas = _shared_areas(some[rows[pairs]], others[columns[pairs]])
        shared[rows[pairs], columns[pairs]] = areas
    area, other_area = some[:, 2] * some[:, 3], others[:, 2] * others[:, 3]
    either = area[:, None] + other_area - shared
    if over_some is not None:
        either = np.where(over_some, area[:, None], either)
    return np.clip(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0), 0, 1)


def box_around(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The smallest oriented box around points, as Ultralytics' trainer takes it; shape (5,)."""
    if not len(points):
        return np.zeros(5)
    middle = points.mean(axis=0)  # OpenCV computes in float32, which is finest near 0
    (x, y), (width, height), degrees = cv2.minAreaRect((points - middle).astype(np.float32))
    return np.array([x + middle[0], y + middle[1], width, height, np.radians(degrees)])


def _may_overlap(some: Any, others: Any) -> NDArray[np.bool_]:
    """Whether the upright boxes around them touch, shape (n, m)."""
    one, other = enclosing(some)[:, None], enclosing(others)
    near = (one[..., :2] <= other[..., 2:]) & (other[..., :2] <= one[..., 2:])
    return np.asarray(near.all(axis=-1))


def _shared_areas(some: Any, others: Any) -> NDArray[np.float64]:
    """The area that each pair shares, shape (n,)."""
    moved = some.copy()
    moved[:, :2] -= others[:, :2]
    corners: Any = oriented_corners(moved)
    cosine, sine = np.cos(others[:, 4:]), np.sin(others[:, 4:])
    x = corners[..., 0] * cosine + corners[..., 1] * sine
    y = corners[..., 1] * cosine - corners[..., 0] * sine
    x, y = _clipped(x, y, others[:, 2:3] / 2)
    y, x = _clipped(y, x, others[:, 3:4] / 2)
    area: NDArray[np.float64] = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(
        axis=1
    )
    return np.abs(area) / 2


def _clipped(
    along: NDArray[np.float64], across: NDArray[np.float64], limit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Polygons, shape (n, corners), whose one coordinate is kept from -limit to limit."""
    step = np.roll(along, -1, axis=1) - along
    rise = np.roll(across, -1, axis=1) - across
    crossings = [
        np.divide(bound - along, step, out=np.zeros_like(step), where=step != 0)
        for bound in (-limit, limit)
    ]
    shares = np.sort(np.clip([np.zeros_like(step), *crossings], 0, 1), axis=0)
    points = np.stack([along + shares * step, across + shares * rise]).transpose(0, 2, 3, 1)
    split = points.reshape(2, len(along), -1)
    return np.clip(split[0], -limit, limit), split[1]
