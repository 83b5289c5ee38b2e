"""New scenes from people, things and places that have been rendered for others.

Rendering a person takes ten times as long as compositing them into a picture. So rendered people
and things are used again: in another place, with others around them, nearer or farther away,
partly hidden. Copying objects into other pictures is known to train detectors well (Dwibedi et al.
2017, Ghiasi et al. 2021).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception_scenes.people import PeopleTruth, Stage, photograph
from jetson_perception_scenes.people_stage import PERSON, Layer, Shadow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PEOPLE_SHARES = (0.02, 0.13, 0.2, 0.2, 0.16, 0.12, 0.09, 0.05, 0.03)
_CROWD_SHARES = (0.01, 0.03, 0.08, 0.14, 0.18, 0.19, 0.16, 0.12, 0.09)
_THING_SHARES = (0.14, 0.2, 0.2, 0.17, 0.13, 0.09, 0.07)
_HORIZON = 0.4  # share of the height, about the same for all lenses


@dataclass(frozen=True, eq=False, slots=True)
class _Kept:
    layers: list[Layer]  # more than one if somebody sits on a chair
    height: int  # height of the picture that they were rendered for


class Mixer:
    """Keeps the contents of stages, and combines them into new ones.

    Parameters
    ----------
    photographs : list of ndarray
        BGR; parts of them are used as places.
    kept : int
        How many people, and how many things, are remembered; the newest are.
    crowded : bool
        Put more people into a picture, typically five instead of three.
    """

    def __init__(
        self, photographs: list[NDArray[np.uint8]], kept: int = 160, *, crowded: bool = False
    ) -> None:
        self._photographs = photographs
        self._people_shares = _CROWD_SHARES if crowded else _PEOPLE_SHARES
        self._people: deque[_Kept] = deque(maxlen=kept)
        self._things: deque[_Kept] = deque(maxlen=kept)
        self._places: deque[NDArray[np.uint8]] = deque(maxlen=24)

    def keep(self, staged: Stage) -> None:
        """Remember the place and everything in it."""
        self._places.append(staged.bgr)
        height, sitter = staged.bgr.shape[0], None
        for layer in staged.layers:
            if layer.class_id == PERSON:
                sitter = _Kept([layer], height)
                self._people.append(sitter)
            elif sitter is not None and _belongs_to(layer, sitter.layers[0]):
                sitter.layers.append(layer)
            else:
                self._things.append(_Kept([layer], height))

    def mix(
        self, rng: np.random.Generator, size_wh: tuple[int, int]
    ) -> tuple[NDArray[np.uint8], PeopleTruth]:
        """A new picture and its truth; call `keep` first."""
        layers: list[Layer] = []
        for store, shares in (
            (self._people, self._people_shares),
            (self._things, _THING_SHARES),
        ):
            count = min(int(rng.choice(len(shares), p=shares)), len(store))
            for index in rng.choice(len(store), count, replace=False) if count else ():
                layers.extend(_moved(store[int(index)], rng, size_wh))
        return photograph(Stage(self._place(rng, size_wh), layers, rng))

    def _place(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        kind = rng.random()
        if kind < 0.2:
            return _clutter(rng, size_wh)
        if self._photographs and kind < 0.5:
            picture = self._photographs[int(rng.integers(len(self._photographs)))]
            share = float(np.exp(rng.uniform(np.log(0.2), 0.0)))
        else:
            picture = self._places[int(rng.integers(len(self._places)))]
            share = rng.uniform(0.6, 1.0)
        height, width = picture.shape[:2]
        fit = min(width / size_wh[0], height / size_wh[1]) * share
        w, h = max(2, int(size_wh[0] * fit)), max(2, int(size_wh[1] * fit))
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        part = cv2.resize(picture[y : y + h, x : x + w], size_wh, interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.3:
            part = part[..., rng.permutation(3)]
        return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def _belongs_to(layer: Layer, person: Layer) -> bool:
    """Whether somebody sits on this thing: it stands in the same place as they do."""
    apart = abs(layer.foot_xy[0] - person.foot_xy[0])
    return abs(layer.depth - person.depth) < 0.05 and apart < 0.02 * person.sprite.alpha.shape[0]


def _clutter(rng: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Meaningless lines, frames and patches, which a detector must not take for objects."""
    width, height = size_wh
    ends = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
    picture = np.ascontiguousarray(cv2.resize(ends, size_wh).astype(np.uint8))
    for _ in range(int(rng.integers(10, 120))):
        color = tuple(float(v) for v in rng.uniform(0, 255, 3))
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        w, h = np.exp(rng.uniform(np.log(4), np.log(0.5 * width), 2)).astype(int).tolist()
        thick = int(rng.choice([-1, 1, 1, 2, 3, 6]))
        kind = int(rng.integers(4))
        if kind == 0:
            cv2.rectangle(picture, (x, y), (x + w, y + h), color, thick)
        elif kind == 1:
            cv2.ellipse(
                picture, (x, y), (w // 2, h // 2), rng.uniform(0, 180), 0, 360, color, thick
            )
        elif kind == 2:
            points = np.array([x, y]) + rng.uniform(-1, 1, (int(rng.integers(3, 7)), 2)) * (w, h)
            corners = [points.astype(np.int32).reshape(-1, 1, 2)]
            if thick < 0:
                cv2.fillPoly(picture, corners, color)
            else:
                cv2.polylines(picture, corners, isClosed=False, color=color, thickness=thick)
        else:  # a grid of bars, like scaffolds, shelves and fences
            step, far = int(rng.integers(5, 60)), (x + w, y + h)
            for u in range(x, far[0], step):
                cv2.line(picture, (u, y), (u, far[1]), color, max(1, thick))
            for v in range(y, far[1], step):
                cv2.line(picture, (x, v), (far[0], v), color, max(1, thick))
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))


def _moved(kept: _Kept, rng: np.random.Generator, size_wh: tuple[int, int]) -> Iterator[Layer]:
    """The layers moved, often farther away; the distance of foot and horizon scales with them."""
    width, height = size_wh
    factor = 1.0 if rng.random() < 0.4 else float(np.exp(rng.uniform(np.log(0.4), 0.0)))
    first_x, first_y = kept.layers[0].foot_xy
    x = rng.uniform(-0.04, 1.04) * width
    y = height * (_HORIZON + (first_y / kept.height - _HORIZON) * factor)
    y += rng.normal(0, 0.03 * height)
    for layer in kept.layers:
        moved_x, moved_y = layer.foot_xy[0] - first_x, layer.foot_xy[1] - first_y
        foot_xy = (float(x + factor * moved_x), float(y + factor * moved_y))
        yield replace(_shrunk(layer, factor), foot_xy=foot_xy, depth=layer.depth / factor)


def _shrunk(layer: Layer, factor: float) -> Layer:
    sprite, shadow = layer.sprite, layer.shadow
    height, width = sprite.alpha.shape
    wh = max(2, round(width * factor)), max(2, round(height * factor))
    if wh == (width, height):
        return layer
    fx, fy = wh[0] / width, wh[1] / height
    keypoints = sprite.keypoints.copy()
    keypoints[:, :2] *= np.array([fx, fy], np.float32)
    smaller = replace(
        sprite,
        color=cv2.resize(sprite.color, wh, interpolation=cv2.INTER_AREA),
        alpha=cv2.resize(sprite.alpha, wh, interpolation=cv2.INTER_AREA),
        origin_xy=(sprite.origin_xy[0] * fx, sprite.origin_xy[1] * fy),
        scale=sprite.scale * fy,
        keypoints=keypoints,
    )
    if shadow is not None:
        rows, columns = shadow.factor.shape
        size = max(2, round(columns * fx)), max(2, round(rows * fy))
        dimmed = cv2.resize(shadow.factor, size, interpolation=cv2.INTER_AREA)
        shadow = Shadow(dimmed, shadow.dx * fx, shadow.dy * fy)
    return replace(layer, sprite=smaller, shadow=shadow)
