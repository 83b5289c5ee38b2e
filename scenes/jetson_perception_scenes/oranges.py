"""Navel oranges on a conveyor belt, some with defects, and the class of every pixel.

The picture is rendered, not photographed: it is for training, testing and demonstrating a
segmentation network without labeled fruit. The truth is exact: a pixel has a defect's class if the
defect was painted there with at least half opacity, and nothing lies over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.camera.scene_kinds import SceneKind
from jetson_perception_scenes.conveyor import (
    BELTS,
    Litter,
    lay_litter,
    paint_belt,
    paint_litter,
    paint_rail,
)
from jetson_perception_scenes.light import Light
from jetson_perception_scenes.lighting import Blur, LitOrange, Sprite
from jetson_perception_scenes.skin import (
    SUNBURN,
    ULCER,
    WIND_SCAR,
    PoreBank,
    paint_skin,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from numpy.typing import NDArray

CLASS_NAMES = ('background', 'ulcer', 'sunburn', 'wind_scar')

TRAINING_SEED = 0
"""Training scenes have the seeds from here on, below VALIDATION_SEED."""

VALIDATION_SEED = 500_000
"""Scenes that steer training (choice of settings) have the seeds from here on."""

EVALUATION_SEED = 1_000_000
"""Evaluation scenes have the seeds from here on; training never sees them."""

MIN_SIZE_WH = (64, 64)
"""Width and height of the smallest useful pictures, pixels."""

# How many times per second a sprite is rotated; in between it keeps its spin.
_SPINS_HZ = 3.0


@dataclass(frozen=True)
class Look:
    """What differs between scenes, apart from the oranges.

    Lengths are fractions of the picture's height, so that a scene looks the same at every size.
    """

    light: Light
    belt: str
    speed: float
    motion_blur: float
    defocus: float
    noise: float
    vignette: float
    flicker: float
    flicker_hz: float
    ripeness: float
    radius: float
    rails: bool
    crowding: float
    sound_share: float

    @classmethod
    def typical(cls, rng: np.random.Generator) -> Look:
        """A well-kept inspection line, as the live scene shows it."""
        return cls(
            light=Light(
                azimuth=rng.uniform(-2.6, -1.9),
                elevation=rng.uniform(1.0, 1.2),
                color_bgr=_lamp_color(rng.uniform(-0.03, 0.06), rng.uniform(0.97, 1.05)),
                ambient=rng.uniform(0.4, 0.5),
                gloss=rng.uniform(0.75, 1.0),
            ),
            belt=str(rng.choice(BELTS)),
            speed=rng.uniform(0.16, 0.24),
            motion_blur=rng.uniform(0.003, 0.006),
            defocus=rng.uniform(0.0, 0.0006),
            noise=rng.uniform(1.5, 3.0),
            vignette=rng.uniform(0.12, 0.25),
            flicker=rng.uniform(0.005, 0.02),
            flicker_hz=rng.uniform(2.0, 9.0),
            ripeness=rng.uniform(0.55, 0.72),
            radius=rng.uniform(0.155, 0.17),
            rails=True,
            crowding=1.0,
            sound_share=0.35,
        )

    @classmethod
    def any(cls, rng: np.random.Generator) -> Look:
        """Any line, from a good to a bad one, for training and evaluation."""
        return cls(
            light=Light(
                azimuth=rng.uniform(-np.pi, np.pi),
                elevation=rng.uniform(0.85, 1.5),
                color_bgr=_lamp_color(rng.uniform(-0.14, 0.18), rng.uniform(0.68, 1.22)),
                ambient=rng.uniform(0.28, 0.65),
                gloss=rng.uniform(0.25, 1.1),
            ),
            belt=str(rng.choice(BELTS)),
            speed=rng.uniform(0.1, 0.5),
            motion_blur=rng.uniform(0.0, 0.016),
            defocus=rng.choice([0.0, rng.uniform(0.0004, 0.003)]),
            noise=rng.uniform(0.5, 9.0),
            vignette=rng.uniform(0.0, 0.45),
            flicker=rng.uniform(0.0, 0.06),
            flicker_hz=rng.uniform(1.0, 12.0),
            ripeness=rng.uniform(0.35, 0.85),
            radius=rng.uniform(0.135, 0.2),
            rails=bool(rng.random() < 0.7),
            crowding=rng.uniform(0.45, 1.0),
            sound_share=rng.uniform(0.15, 0.5),
        )


def _lamp_color(warmth: float, exposure: float) -> tuple[float, float, float]:
    """Gains for blue, green and red; a warmth above 0 is yellowish."""
    return exposure * (1 - warmth), exposure, exposure * (1 + 0.6 * warmth)


@dataclass(frozen=True)
class _Place:
    """The position of an orange at time 0, and its motion on the belt."""

    x: float
    y: float
    radius: float
    spin: float
    spin_rate: float
    sway: float
    sway_hz: float
    seed: int


class OrangeScene:
    """A stretch of conveyor that passes under a camera again and again.

    Parameters
    ----------
    size_wh : tuple of int
        Width and height of the pictures, pixels; at least MIN_SIZE_WH.
    seed : int
        Scenes of the same size and seed are identical.
    look : Look or None
        None draws a typical one from the seed.

    Raises
    ------
    ValueError
        When the size is below MIN_SIZE_WH.
    """

    def __init__(self, size_wh: tuple[int, int], seed: int, look: Look | None = None) -> None:
        width, height = size_wh
        if width < MIN_SIZE_WH[0] or height < MIN_SIZE_WH[1]:
            raise ValueError(
                f'a scene of {width}×{height} pixels is too small; expected at least '
                f'{MIN_SIZE_WH[0]}×{MIN_SIZE_WH[1]}'
            )
        rng = np.random.default_rng(seed)
        self.size_wh = size_wh
        self.look = Look.typical(rng) if look is None else look
        self._seed = seed
        light = self.look.light
        self._blur = Blur(round(self.look.motion_blur * height), float(self.look.defocus * height))
        self._rail = round(0.055 * height) if self.look.rails else 0
        self._rails = (
            [paint_rail(rng, width, self._rail, light, below=below) for below in (False, True)]
            if self._rail
            else []
        )
        self._length = width + round(0.95 * height)
        belt = paint_belt(rng, self._length, height, self.look.belt, light)
        self._belt = self._blur(belt, wrap_x=True)
        self._pores = PoreBank(rng, 768, max(2.0, self.look.radius * height * 0.052))
        self._places = self._arrange(rng)
        self._oranges: dict[int, LitOrange] = {}
        self._sprites: dict[int, tuple[int, Sprite]] = {}
        self._leaves = [
            (
                paint_litter(rng, height, light),
                int(rng.integers(0, self._length)),
                int(rng.integers(-height // 20, height)),
            )
            for _ in range(int(rng.integers(1, 4)))
        ]
        self._shade = self._vignette()
        self._noise = self._sensor_noise(rng)

    def prepare(self, stop: threading.Event | None = None) -> None:
        """Paint all oranges now, so that no frame has to wait; stops early on request."""
        for index in range(len(self._places)):
            if stop is not None and stop.is_set():
                return
            self._orange(index)

    def frame(
        self,
        time_s: float,
        out: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The picture and the truth at a given time.

        Parameters
        ----------
        time_s : float
            Seconds since the start, in any order; the same time always gives the same frame.
        out : tuple of ndarray or None
            Contiguous (h, w, 3) and (h, w) uint8 to write to; None makes new arrays.

        Returns
        -------
        bgr : ndarray, shape (h, w, 3), uint8
            The picture.
        truth : ndarray, shape (h, w), uint8
            Class id of each pixel, an index into CLASS_NAMES.
        """
        width, height = self.size_wh
        if out is None:
            out = (np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8))
        bgr, truth = out
        travel = round(time_s * self.look.speed * height) % self._length
        self._lay_belt(bgr, travel)
        truth[:] = 0
        for index in self._order(travel):
            self._lay_orange(bgr, truth, index, travel, time_s)
        for leaf, x, y in self._leaves:
            self._lay_leaf(bgr, truth, leaf, self._on_screen(x, travel), y)
        if self._rail:
            bgr[: self._rail], bgr[-self._rail :] = self._rails
            truth[: self._rail] = truth[-self._rail :] = 0
        self._expose(bgr, time_s)
        return bgr, truth

    def _arrange(self, rng: np.random.Generator) -> list[_Place]:
        """Oranges scattered over the stretch, without overlaps."""
        height = self.size_wh[1]
        places: list[_Place] = []
        usual = self.look.radius * height
        wanted = self.look.crowding * 0.55 * self._length * height / (np.pi * usual**2)
        for _ in range(1500):
            if len(places) >= wanted:
                break
            radius = usual * rng.uniform(0.86, 1.14)
            edge = self._rail + 0.012 * height
            # Without rails, the edge of the picture may cut an orange.
            low, high = (edge + radius, height - edge - radius) if self._rail else (0, height)
            x, y = rng.uniform(0, self._length), rng.uniform(low, high)
            if any(self._distance(x, y, p) < 1.015 * (radius + p.radius) for p in places):
                continue
            places.append(
                _Place(
                    x=x,
                    y=y,
                    radius=radius,
                    spin=rng.uniform(0, 2 * np.pi),
                    spin_rate=rng.uniform(-0.08, 0.08),
                    sway=0.004 * height * rng.random(),
                    sway_hz=rng.uniform(0.1, 0.3),
                    seed=int(rng.integers(2**31)),
                )
            )
        lx, ly, _ = self.look.light.direction()
        # Nearest to the lamp first, so that a shadow falls under the neighbor, not over it.
        return sorted(places, key=lambda p: -(p.x * lx + p.y * ly))

    def _distance(self, x: float, y: float, other: _Place) -> float:
        """Distance between centers, the shorter way around the stretch."""
        dx = abs(x - other.x)
        return float(np.hypot(min(dx, self._length - dx), y - other.y))

    def _order(self, travel: int) -> list[int]:
        """The oranges in painting order."""
        lx, ly, _ = self.look.light.direction()
        depth = [-(self._on_screen(p.x, travel) * lx + p.y * ly) for p in self._places]
        return sorted(range(len(depth)), key=depth.__getitem__)

    def _on_screen(self, x: float, travel: int) -> int:
        """Picture column for a position x on the stretch; may be left of the picture."""
        margin = (self._length - self.size_wh[0]) // 2
        return int(round(x) + travel + margin) % self._length - margin

    def _orange(self, index: int) -> LitOrange:
        orange = self._oranges.get(index)
        if orange is None:
            place = self._places[index]
            rng = np.random.default_rng(place.seed)
            ripeness = float(np.clip(self.look.ripeness + rng.normal(0, 0.1), 0.12, 0.95))
            defects: tuple[int, ...] = ()
            if rng.random() > self.look.sound_share:
                count = 1 if rng.random() < 0.8 else 2
                defects = tuple(int(c) for c in rng.choice(_DEFECTS, count, p=_DEFECT_SHARES))
            skin = paint_skin(rng, place.radius, ripeness, defects, self.look.light, self._pores)
            orange = LitOrange(skin, self.look.light, self._blur, rng.uniform(0.93, 1.08))
            self._oranges[index] = orange
        return orange

    def _sprite(self, index: int, time_s: float) -> Sprite:
        """The orange at its current spin; oranges are rotated in turn, not all in one frame."""
        place = self._places[index]
        stagger = index / max(1, len(self._places))
        turn = int(np.floor(time_s * _SPINS_HZ + stagger))
        cached = self._sprites.get(index)
        if cached is None or cached[0] != turn:
            spin = place.spin + place.spin_rate * turn / _SPINS_HZ
            cached = (turn, self._orange(index).sprite(spin))
            self._sprites[index] = cached
        return cached[1]

    def _lay_belt(self, bgr: NDArray[np.uint8], travel: int) -> None:
        width = self.size_wh[0]
        start = -travel % self._length
        first = min(width, self._length - start)
        bgr[:, :first] = self._belt[:, start : start + first]
        if first < width:
            bgr[:, first:] = self._belt[:, : width - first]

    def _lay_orange(
        self,
        bgr: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        index: int,
        travel: int,
        time_s: float,
    ) -> None:
        place = self._places[index]
        x = self._on_screen(place.x, travel)
        y = round(place.y + place.sway * np.sin(2 * np.pi * place.sway_hz * time_s + place.spin))
        reach = 3 * place.radius
        if x + reach < 0 or x - reach > self.size_wh[0]:
            return
        shadow = self._orange(index).transmission
        cut = _overlap(bgr, shadow.factor, x + shadow.dx, y + shadow.dy)
        if cut is not None:
            there, part = cut
            cv2.multiply(bgr[there], shadow.factor[part], dst=bgr[there], scale=1 / 255)
        sprite = self._sprite(index, time_s)
        cut = _overlap(bgr, sprite.outline, x + sprite.dx, y + sprite.dy)
        if cut is not None:
            there, part = cut
            cv2.add(bgr[there], sprite.color[part], dst=bgr[there])
            cv2.copyTo(sprite.truth[part], sprite.outline[part], truth[there])

    def _lay_leaf(
        self, bgr: NDArray[np.uint8], truth: NDArray[np.uint8], leaf: Litter, x: int, y: int
    ) -> None:
        lay_litter(bgr, leaf, x, y)
        cut = _overlap(truth, leaf.outline, x, y)
        if cut is not None:
            there, part = cut
            truth[there][leaf.outline[part] > 0] = 0

    def _vignette(self) -> NDArray[np.uint8]:
        """Fall-off of lamp and lens, (h, w, 3); 230 leaves the picture unchanged."""
        width, height = self.size_wh
        lx, ly, _ = self.look.light.direction()
        x = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / height - 0.3 * lx
        y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / height - 0.3 * ly
        level = 1.04 - self.look.vignette * np.clip(x * x + y * y, 0, 1.6)
        return np.repeat(np.clip(230 * level, 0, 255).astype(np.uint8)[..., None], 3, axis=2)

    def _sensor_noise(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
        """Noise to add and noise to subtract; each frame uses another window of it."""
        width, height = self.size_wh
        shape = (height + 48, width + 48, 3)
        field = rng.standard_normal(shape, np.float32)
        # Demosaicing spreads the noise of a photosite over its neighbors.
        field = cv2.GaussianBlur(field, (3, 3), 0.55)
        field *= self.look.noise / 0.62
        return (
            np.clip(np.rint(field), 0, 255).astype(np.uint8),
            np.clip(np.rint(-field), 0, 255).astype(np.uint8),
        )

    def _expose(self, bgr: NDArray[np.uint8], time_s: float) -> None:
        """Fall-off, flicker and noise, in place."""
        flicker = self.look.flicker * np.sin(2 * np.pi * self.look.flicker_hz * time_s)
        cv2.multiply(bgr, self._shade, dst=bgr, scale=float(1 + flicker) / 230)
        if self.look.noise <= 0:
            return
        rng = np.random.default_rng((self._seed, round(time_s * 1e4) % 2**32))
        more, less = self._noise
        height, width = bgr.shape[:2]
        x, y = rng.integers(0, 48, 2)
        cv2.add(bgr, more[y : y + height, x : x + width], dst=bgr)
        x, y = rng.integers(0, 48, 2)
        cv2.subtract(bgr, less[y : y + height, x : x + width], dst=bgr)


_DEFECTS = (ULCER, SUNBURN, WIND_SCAR)
# Ulcers are small, so there are more of them: this keeps the areas of the classes comparable.
_DEFECT_SHARES = (0.42, 0.27, 0.31)


def _overlap(
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


def still(
    seed: int, size_wh: tuple[int, int] = (1280, 720)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One picture with its truth, from a scene that varies more widely than a live one.

    Parameters
    ----------
    seed : int
        TRAINING_SEED and up for training, EVALUATION_SEED and up for evaluation.
    size_wh : tuple of int
        Width and height, pixels.

    Returns
    -------
    bgr : ndarray, shape (h, w, 3), uint8
        The picture.
    truth : ndarray, shape (h, w), uint8
        Class id of each pixel.
    """
    rng = np.random.default_rng((seed, 1))
    return OrangeScene(size_wh, seed, Look.any(rng)).frame(rng.uniform(0, 60))


def training_stills() -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, picture and truth of training or calibration scenes, 1280 × 720, in a fixed order."""
    for seed in range(TRAINING_SEED, VALIDATION_SEED):
        yield (f'oranges-{seed}', *still(seed))


def evaluation_stills(
    count: int, size_wh: tuple[int, int] = (1280, 720)
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, picture and truth of scenes that training has not seen, in a fixed order."""
    for seed in range(EVALUATION_SEED, EVALUATION_SEED + count):
        yield (f'oranges-{seed}', *still(seed, size_wh))


KIND = SceneKind(
    CLASS_NAMES,
    MIN_SIZE_WH,
    make=OrangeScene,
    training=training_stills,
    evaluation=evaluation_stills,
)
"""The scene of `scene://oranges`."""
