#!/usr/bin/env python3
"""Measure how many small objects of large images are found, with and without tiles.

    source tools/env.sh && python tools/measure_tiles.py

renders places of 3840×2160 pixels with people and things that are 12, 24 and 48 pixels tall, and
searches them with people_detect: as a whole, and in more and more tiles. Found is an object that a
detection of its class covers with an IoU of at least 0.5. The last column is the time of a frame
on the CPU of this machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'scenes')]

from jetson_perception.models.yolo import YoloModel  # noqa: E402
from jetson_perception.tasks.box_overlap import box_ious  # noqa: E402
from jetson_perception.tasks.tiles import Tiles  # noqa: E402
from jetson_perception_scenes.people import EVALUATION_SEED, stage  # noqa: E402
from jetson_perception_scenes.people_body import sample_pose  # noqa: E402
from jetson_perception_scenes.people_figure import Figure, figure_sprite  # noqa: E402
from jetson_perception_scenes.people_raster import Sun  # noqa: E402
from jetson_perception_scenes.people_stage import (  # noqa: E402
    CLASS_NAMES,
    PERSON,
    Layer,
    lay,
    read_truth,
)
from jetson_perception_scenes.people_things import thing_sprite  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.results import Detections

SIZE_WH = (3840, 2160)
HEIGHTS = (12, 24, 48)
GRIDS = ((1, 1), (2, 2), (4, 4), (6, 5), (8, 8))
#: Places for objects across and down; each is far from its neighbors.
PLACES = (12, 7)
SAME = 0.5
#: Of all classes, those that a robot sees far away; heights in meters, as the scene has them.
TALL = {'person': 1.7, 'cone': 0.55, 'box': 0.4, 'ball': 0.3, 'chair': 0.9, 'bin': 0.65}
SHARPENED = 3  # how many times larger a sprite is rendered before it is reduced


class Found(NamedTuple):
    """Counts of one picture, or of several together."""

    truth: int = 0
    hits: int = 0
    detections: int = 0

    def __add__(self, other: Found) -> Found:  # type: ignore[override]
        return Found(*(one + another for one, another in zip(self, other, strict=True)))

    @property
    def recall(self) -> float:
        """Share of the objects that were found."""
        return self.hits / max(self.truth, 1)

    @property
    def precision(self) -> float:
        """Share of the detections that are objects."""
        return self.hits / max(self.detections, 1)


def main() -> int:
    """Print a table: a row for each grid of tiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='people_detect', help='default: people_detect')
    parser.add_argument('--pictures', type=int, default=4, help='of each height (default: 4)')
    arguments = parser.parse_args()
    pictures = {tall: list(scenes(tall, arguments.pictures)) for tall in HEIGHTS}
    columns = ''.join(f'{f"{tall} px":>16}' for tall in HEIGHTS)
    print(f'{arguments.pictures} pictures of {SIZE_WH[0]}×{SIZE_WH[1]} for each height')
    print(f'{"tiles":18}{columns}{"ms a frame":>12}   (recall / precision)')
    with YoloModel.open(arguments.model, runtime='onnxruntime_cpu') as model:
        for grid in GRIDS:
            model.use_tiles(Tiles(*grid))
            cells, took_ms = [], []
            for tall in HEIGHTS:
                total = Found()
                for bgr, xyxy, class_id in pictures[tall]:
                    begun = time.perf_counter()
                    result = model(bgr)
                    took_ms.append((time.perf_counter() - begun) * 1e3)
                    total += compared(result, xyxy, class_id)
                cells.append(f'{total.recall:.3f} / {total.precision:.3f}')
            name = 'none' if grid == (1, 1) else f'{grid[0]}×{grid[1]} + image'
            cells = ''.join(f'{cell:>16}' for cell in cells)
            print(f'{name:18}{cells}{np.median(took_ms):12.0f}', flush=True)
    return 0


def scenes(
    tall_px: int, count: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]]:
    """Pictures with small objects, and the box and class of each."""
    for seed in range(EVALUATION_SEED, EVALUATION_SEED + count):
        rng = np.random.default_rng((seed, tall_px))
        picture = stage(seed, SIZE_WH).bgr.copy()
        ids = np.zeros(picture.shape[:2], np.uint8)
        layers = list(small_things(rng, tall_px))
        lay(picture, ids, layers)
        truth = read_truth(ids, layers)
        noise = rng.normal(0, 2, picture.shape).astype(np.float32)
        noisy = cv2.add(picture.astype(np.float32), noise).clip(0, 255).astype(np.uint8)
        yield noisy, truth.xyxy, truth.class_id


def small_things(rng: np.random.Generator, tall_px: int) -> Iterator[Layer]:
    """One person or thing near each place of a grid, a sixth larger or smaller."""
    sun = Sun.sample(rng)
    for place in range(PLACES[0] * PLACES[1]):
        kind = str(rng.choice(list(TALL)))
        scale = tall_px * rng.uniform(0.85, 1.15) / TALL[kind]
        looks = {
            'heading': float(rng.uniform(-np.pi, np.pi)),
            'elevation': 0.1,
            'scale': scale,
            'sun': sun,
            'reduce': SHARPENED,
        }
        if kind == 'person':
            sprite = figure_sprite(Figure.sample(rng), sample_pose(rng, None), rng=rng, **looks)
        else:
            sprite = thing_sprite(kind, rng, **looks)
        column, row = place % PLACES[0], place // PLACES[0]
        foot_xy = (
            (column + rng.uniform(0.2, 0.8)) * SIZE_WH[0] / PLACES[0],
            (row + rng.uniform(0.3, 0.9)) * SIZE_WH[1] / PLACES[1],
        )
        yield Layer(sprite, foot_xy, 1.0, PERSON if kind == 'person' else CLASS_NAMES.index(kind))


def compared(
    found: Detections, xyxy: NDArray[np.float32], class_id: Sequence[int] | NDArray[np.int32]
) -> Found:
    """How many objects a detection covers, each detection one at most, the best first."""
    free = np.ones(len(xyxy), bool)
    hits = 0
    ious = box_ious(found.xyxy, xyxy)
    for row, its_class in enumerate(found.class_id.tolist()):
        fits = np.where(free & (np.asarray(class_id) == its_class), ious[row], 0)
        if len(fits) and fits.max() >= SAME:
            free[fits.argmax()] = False
            hits += 1
    return Found(len(xyxy), hits, len(found))


if __name__ == '__main__':
    sys.exit(main())
