"""Training samples from rendered scenes: what a node would feed to the network, with the truth."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2
import numpy as np

from jetson_perception_scenes.oranges import TRAINING_SEED, Look, OrangeScene

SIZE_WH = (224, 224)
TRUTH_WH = (448, 448)
"""The truth is twice as fine as the network's grid, so that the network learns where an edge lies
within a pixel: masks are made at the image's size."""

FRAMES_PER_SCENE = 4
VIEWS_PER_FRAME = 2
SAMPLES_PER_SCENE = FRAMES_PER_SCENE * VIEWS_PER_FRAME
_IMAGE_SIZES = ((1280, 720), (1280, 720), (1280, 720), (960, 540), (640, 480))


def render_samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 224, 224, 3) RGB and truth (n, 448, 448), uint8, from one scene."""
    rng = np.random.default_rng((seed, 2))
    size_wh = _IMAGE_SIZES[rng.integers(len(_IMAGE_SIZES))]
    scene = OrangeScene(size_wh, seed, Look.any(rng) if rng.random() < 0.8 else None)
    images = np.empty((SAMPLES_PER_SCENE, *SIZE_WH[::-1], 3), np.uint8)
    truths = np.empty((SAMPLES_PER_SCENE, *TRUTH_WH[::-1]), np.uint8)
    for index in range(FRAMES_PER_SCENE):
        bgr, truth = scene.frame(rng.uniform(0, 300))
        if rng.random() < 0.25:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))]
            bgr = cv2.imdecode(cv2.imencode('.jpg', bgr, quality)[1], cv2.IMREAD_COLOR)
        for view in range(VIEWS_PER_FRAME):
            window = _window(rng, size_wh, whole=view == 0)
            # The node resizes bilinearly, without smoothing first; others might smooth.
            how = cv2.INTER_LINEAR if rng.random() < 0.75 else cv2.INTER_AREA
            resized = cv2.resize(bgr[window], SIZE_WH, interpolation=how)
            at = index * VIEWS_PER_FRAME + view
            images[at] = resized[..., ::-1]
            truths[at] = cv2.resize(truth[window], TRUTH_WH, interpolation=cv2.INTER_NEAREST_EXACT)
    return images, truths


def workers_pool(workers: int) -> ProcessPoolExecutor:
    """Processes for rendering, with one thread each; spawned, as CUDA does not survive forks."""
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context('spawn'),
        initializer=partial(cv2.setNumThreads, 1),
    )


def _window(
    rng: np.random.Generator, size_wh: tuple[int, int], *, whole: bool
) -> tuple[slice, slice]:
    """The whole picture or a part of it."""
    width, height = size_wh
    if whole:
        return slice(0, height), slice(0, width)
    w, h = int(width * rng.uniform(0.5, 1.0)), int(height * rng.uniform(0.65, 1.0))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return slice(y, y + h), slice(x, x + w)


def render_dataset(
    scenes: int, workers: int, first_seed: int = TRAINING_SEED
) -> tuple[np.ndarray, np.ndarray]:
    """Samples from scenes with seeds from `first_seed` on, in the order of the seeds."""
    images = np.empty((scenes * SAMPLES_PER_SCENE, *SIZE_WH[::-1], 3), np.uint8)
    truths = np.empty((scenes * SAMPLES_PER_SCENE, *TRUTH_WH[::-1]), np.uint8)
    with workers_pool(workers) as pool:
        seeds = range(first_seed, first_seed + scenes)
        for index, (image, truth) in enumerate(pool.map(render_samples, seeds, chunksize=4)):
            part = slice(index * SAMPLES_PER_SCENE, (index + 1) * SAMPLES_PER_SCENE)
            images[part], truths[part] = image, truth
    return images, truths
