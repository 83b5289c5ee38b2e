"""Frames of any source, with the names that files made of them bear."""

from __future__ import annotations

import itertools
import math
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from jetson_perception.camera import open_source
from jetson_perception.camera.images import picture_paths
from jetson_perception.camera.native_output import quiet_ffmpeg
from jetson_perception.camera.uri import parse
from jetson_perception.errors import EndOfStream, ImageError, SourceError
from jetson_perception.native_paths import native_path_to_read
from jetson_perception.picture_files import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_RATE_IF_UNKNOWN_HZ = 30.0


@dataclass(frozen=True, eq=False, slots=True)
class NamedFrame:
    """A picture, or one frame of a video, camera or scene.

    Attributes
    ----------
    source : str
        The picture's path, or the source's URI without any password.
    name : str
        Name for files made of it, without ending: the picture's own, or the video's.
    index : int
        Counts the frames of a video from 0.
    bgr : ndarray, shape (h, w, 3), uint8
        Its pixels; valid until the next frame is asked for.
    rate_hz : float
        Frames a second of the video that it belongs to; 0 for a picture.
    """

    source: str
    name: str
    index: int
    bgr: NDArray[np.uint8]
    rate_hz: float = 0.0


def named_frames(source: str, most: int | None = None) -> Iterator[NamedFrame | SourceError]:
    """Frames of a source, at most so many.

    Files come as fast as they are read, cameras and scenes at their own rate.

    Parameters
    ----------
    source : str
        What `jetson_perception.camera.open_source` takes.
    most : int, optional
        Where to stop.

    Yields
    ------
    NamedFrame or SourceError
        The error stands for a picture that cannot be read, others follow it.

    Raises
    ------
    SourceError
        When the source cannot be opened, or is lost.
    """
    uri = parse(source)
    if uri.scheme == 'images':
        yield from itertools.islice(_pictures(uri.target), most)
        return
    is_file = uri.scheme == 'file'
    name = Path(uri.target).stem if is_file else uri.scheme
    rate_hz = _rate_of_file(uri.target) if is_file else _RATE_IF_UNKNOWN_HZ
    with closing(open_source(source, frame_rate=0 if is_file else None)) as opened:
        opened.open()
        for index in itertools.count():
            if index == most:
                return
            try:
                frame = opened.read()
            except EndOfStream:
                return
            yield NamedFrame(opened.uri, name, index, frame.pixels, rate_hz)


def _pictures(target: str) -> Iterator[NamedFrame | SourceError]:
    for path in picture_paths(target):
        try:
            bgr = read_picture(path)
        except ImageError as err:
            yield SourceError(f'{err}; skipped')
        else:
            yield NamedFrame(str(path), path.stem, 0, bgr)


def _rate_of_file(path: str) -> float:
    quiet_ffmpeg()
    with native_path_to_read(path) as native:
        capture = cv2.VideoCapture(native)
    rate_hz = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return rate_hz if math.isfinite(rate_hz) and 0 < rate_hz <= 1000 else _RATE_IF_UNKNOWN_HZ
