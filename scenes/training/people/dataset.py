"""Rendered scenes as network inputs, made by other processes while the network is learning."""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mixing import Mixer

from jetson_perception_scenes.people import (
    EVALUATION_SEED,
    PeopleTruth,
    photograph,
    stage,
    still,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_WH = (640, 480)
MAX_OBJECTS = 24
"""Maximum number of objects in a picture; if there are more, the nearest are kept."""

VALIDATION_SEED = 500_000
"""Validation scenes, which steer training, have the seeds from here on."""

_PADDING = 114
# Most scenes are rendered at the network's size; some are resized, like frames of a camera.
_IMAGE_SIZES = (
    (640, 360),
    (640, 480),
    (640, 360),
    (640, 480),
    (640, 400),
    (480, 480),
    (960, 540),
    (800, 600),
)

TRAINING_PHOTOGRAPHS = (
    "brick.png", "chelsea.png", "coffee.png", "grass.png", "hubble_deep_field.jpg", "ihc.png",
    "retina.jpg", "color.png", "page.png", "text.png", "coins.png",
)  # fmt: skip
TEST_PHOTOGRAPHS = (
    'motorcycle_left.png',
    'rocket.jpg',
    'gravel.png',
    'clock_motion.png',
    'moon.png',
)
"""Photographs from scikit-image; none shows a person, and none is in both lists."""


def photographs(names: tuple[str, ...]) -> list[np.ndarray]:
    """Pictures that come with scikit-image, (h, w, 3) BGR; empty if it is not installed."""
    try:
        import skimage.data
    except ImportError:
        return []
    folder = Path(skimage.data.__file__).parent
    pictures = [cv2.imread(str(folder / name), cv2.IMREAD_COLOR) for name in names]
    return [picture for picture in pictures if picture is not None]


@dataclass(frozen=True, eq=False)
class Sample:
    """An input (480, 640, 3) RGB uint8, and its objects in the input's pixels."""

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    points: np.ndarray
    areas: np.ndarray


def render_sample(seed: int, pictures: list[np.ndarray]) -> Sample:
    """The scene with the given seed, fitted to the network's input as by `Preprocessor`."""
    return letterbox(*still(seed, _size_wh(np.random.default_rng((seed, 5))), pictures))


def samples(
    seeds: range, pictures: list[np.ndarray], mixed: int, *, crowded: bool = False
) -> Iterator[Sample]:
    """One sample per seed: a new scene, then `mixed` samples made from earlier ones."""
    mixer = Mixer(pictures, crowded=crowded)
    for number, seed in enumerate(seeds):
        rng = np.random.default_rng((seed, 5))
        size_wh = _size_wh(rng)
        if number % (mixed + 1):
            yield letterbox(*mixer.mix(rng, size_wh))
        else:
            staged = stage(seed, size_wh, pictures)
            mixer.keep(staged)
            yield letterbox(*photograph(staged))


def _size_wh(rng: np.random.Generator) -> tuple[int, int]:
    return _IMAGE_SIZES[rng.integers(len(_IMAGE_SIZES))]


def letterbox(bgr: np.ndarray, truth: PeopleTruth) -> Sample:
    """A picture and its truth, scaled to fit and padded evenly."""
    height, width = bgr.shape[:2]
    scale = min(SIZE_WH[0] / width, SIZE_WH[1] / height)
    w, h = round(width * scale), round(height * scale)
    x, y = (SIZE_WH[0] - w) // 2, (SIZE_WH[1] - h) // 2
    if (w, h) != (width, height):
        bgr = cv2.resize(bgr, (w, h), interpolation=cv2.INTER_LINEAR)
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), _PADDING, np.uint8)
    image[y : y + h, x : x + w] = bgr[..., ::-1]
    boxes = truth.xyxy * scale + np.array([x, y, x, y], np.float32)
    points = truth.annotated_keypoints(least_area=0)  # small people too: they are seen well
    points[..., :2] = points[..., :2] * scale + np.array([x, y], np.float32)
    points[points[..., 2] == 0] = 0
    return Sample(image, boxes, truth.class_id, points, truth.area * scale**2)


class Renderers:
    """Processes that fill a shared store with scenes, in the order of their seeds.

    Parameters
    ----------
    count : int
        Number of samples.
    workers : int
        Number of processes; they are forked, so create them before any use of CUDA.
    first_seed : int
        Seed of sample 0.
    mixed : int
        Samples composed from earlier scenes after each rendered one.
    crowded : bool
        Whether to put more people into these.
    renewed : bool
        Whether to continue when all are made, and replace the oldest ones: a network memorizes
        people whom it sees again and again.

    Attributes
    ----------
    ready : ndarray, shape (count,), int32
        How often each place of the store has been filled.
    """

    def __init__(
        self,
        count: int,
        workers: int,
        first_seed: int,
        mixed: int = 0,
        *,
        crowded: bool = False,
        renewed: bool = False,
    ) -> None:
        limit = VALIDATION_SEED if first_seed < VALIDATION_SEED else EVALUATION_SEED
        if first_seed + count > limit:
            raise SystemExit(
                f'{count} scenes from seed {first_seed} on would use seeds of other sets'
            )
        self.count = count
        self._end = limit if renewed else first_seed + count
        self.images = _shared((count, SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        self.boxes = _shared((count, MAX_OBJECTS, 4), np.float32)
        self.classes = _shared((count, MAX_OBJECTS), np.int64)
        self.points = _shared((count, MAX_OBJECTS, 17, 3), np.float32)
        self.areas = _shared((count, MAX_OBJECTS), np.float32)
        self.numbers = _shared((count,), np.int64)
        self.ready = _shared((count,), np.int32)
        context = multiprocessing.get_context('fork')
        self._processes = [
            context.Process(
                target=self._fill, args=(first_seed, worker, workers, mixed, crowded), daemon=True
            )
            for worker in range(workers)
        ]
        for process in self._processes:
            process.start()

    def _fill(self, first_seed: int, worker: int, workers: int, mixed: int, crowded: bool) -> None:
        os.nice(19)
        cv2.setNumThreads(1)
        pictures = photographs(TRAINING_PHOTOGRAPHS)
        indices = itertools.cycle(range(worker, self.count, workers))
        seeds = range(first_seed + worker, self._end, workers)
        for index, sample in zip(
            indices, samples(seeds, pictures, mixed, crowded=crowded), strict=False
        ):
            # The nearest objects come last.
            n = min(len(sample.classes), MAX_OBJECTS)
            self.images[index] = sample.image
            self.boxes[index, :n] = sample.boxes[len(sample.boxes) - n :]
            self.classes[index, :n] = sample.classes[len(sample.classes) - n :]
            self.points[index, :n] = sample.points[len(sample.points) - n :]
            self.areas[index, :n] = sample.areas[len(sample.areas) - n :]
            self.numbers[index] = n
            self.ready[index] += 1

    def alive(self) -> bool:
        """Whether any process is still rendering."""
        return any(process.is_alive() for process in self._processes)

    def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()
            process.join()


def _shared(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array of zeros that forked processes share."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype, int(np.prod(shape))).reshape(shape)
