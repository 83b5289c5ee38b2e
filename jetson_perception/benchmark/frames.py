"""Pictures to measure with, rendered or from files, all of one size."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.camera.named_frames import readable_frames
from jetson_perception.camera.scene_kinds import scene_kind
from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DEFAULT_SOURCE = 'scene://people'

# A scene takes a second to build and milliseconds to render, so each gives several frames, far
# enough apart that different people are in view.
_FRAMES_A_SCENE = 25
_SECONDS_APART = 1.7
_FIRST_SEED = 7000


def load_frames(source: str, size_wh: tuple[int, int], count: int) -> list[NDArray[np.uint8]]:
    """Pictures of one size, held in memory so that no decoding is measured.

    Parameters
    ----------
    source : str
        A scene such as `scene://people`, or any source of `readable_frames`: a folder of
        pictures, a picture, a video. Pictures are resized, and repeated if there are fewer than
        `count`.
    size_wh : tuple of int
        Width and height, pixels.
    count : int
        How many.

    Returns
    -------
    list of ndarray, shape (h, w, 3), uint8
        BGR.

    Raises
    ------
    SourceError
        When the source cannot be opened, or has no pictures.
    ParameterError
        When the size is too small for the scene.
    """
    if source.startswith('scene://'):
        return list(itertools.islice(_scene_frames(source, size_wh), count))
    pictures = []
    for frame in readable_frames(source, count):
        resized: NDArray[np.uint8] = cv2.resize(frame.bgr, size_wh)
        pictures.append(resized.copy() if resized is frame.bgr else resized)
    if not pictures:
        raise SourceError(f'{shown(source)} has no picture to measure with')
    return list(itertools.islice(itertools.cycle(pictures), count))


def _scene_frames(source: str, size_wh: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    name, _, query = source.partition('://')[2].partition('?')
    if query:
        raise ParameterError(
            f'{shown(source)}: a scene has no settings here; its size and number of frames are '
            'options'
        )
    kind = scene_kind(name)
    width, height = size_wh
    if width < kind.min_size_wh[0] or height < kind.min_size_wh[1]:
        raise ParameterError(
            f'{shown(source)} cannot be rendered at {width}x{height}; the smallest is '
            f'{kind.min_size_wh[0]}x{kind.min_size_wh[1]}',
            'size',
        )
    for seed in itertools.count(_FIRST_SEED):
        scene = kind.make(size_wh, seed)
        scene.prepare()
        for number in range(_FRAMES_A_SCENE):
            out = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
            yield scene.frame(number * _SECONDS_APART, out)[0]
