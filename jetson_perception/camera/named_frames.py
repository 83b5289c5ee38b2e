"""Frames of any source for offline work, with names for the files made from them."""

from __future__ import annotations

import itertools
import logging
import math
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.camera import open_source
from jetson_perception.camera.file import require_video
from jetson_perception.camera.images import picture_paths
from jetson_perception.camera.pace import Pace
from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import bag_and_topic, parse
from jetson_perception.errors import EndOfStream, ImageError, SourceError
from jetson_perception.images.picture_files import read_picture
from jetson_perception.printable import none_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.camera.source import FrameSource
    from jetson_perception.camera.uri import SourceUri

_log = logging.getLogger(__name__)
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
        Which frame of its video, bag or scene it is, from 0; those that cannot be decoded count
        too. Of a camera it counts the frames that were read.
    bgr : ndarray, shape (h, w, 3), uint8
        Its pixels; nobody writes into them any more.
    rate_hz : float
        Frames a second of the video that it belongs to, often a guess; 0 for a picture.
    offset_ns : int
        When it is shown, nanoseconds after the first frame of its video, bag or camera.
    stamp_ns : int or None
        The stamp that a bag gives it, nanoseconds; None where it is of none.
    count : int
        How many frames, or pictures, will have been read of the source at its end, as far as that
        is known; else 0. Containers guess.
    """

    source: str
    name: str
    index: int
    bgr: NDArray[np.uint8]
    rate_hz: float = 0.0
    offset_ns: int = 0
    stamp_ns: int | None = None
    count: int = 0

    @property
    def label(self) -> str:
        """What people know it by: the picture's path, or the video's name and the frame."""
        return f'{self.name}, frame {self.index}' if self.rate_hz else self.source


def require_sources(sources: Iterable[str]) -> None:
    """Refuse sources of which one has files that are missing, or are no such source.

    A bag that is damaged passes: to find what is whole in it takes long.

    Raises
    ------
    SourceError
        When there is one; it is that of `open`.
    PerceptionError
        When what reads a bag is not installed.
    """
    for uri in map(parse, sources):
        if uri.scheme == 'images':
            picture_paths(uri.target)
        elif uri.scheme == 'file':
            require_video(Path(uri.target))
        elif uri.scheme == 'bag':
            from jetson_perception.camera.bag import require_bag

            require_bag(uri.target)


def is_live(source: str) -> bool:
    """Whether frames of a source are to be read as they are needed, as a newer one replaces them.

    Raises
    ------
    SourceError
        When it is no source.
    """
    return open_source(source, pace=Pace.OFFLINE).live


def named_frames(
    source: str,
    most: int | None = None,
    *,
    pace: Pace = Pace.OFFLINE,
    on_open: Callable[[FrameSource], None] | None = None,
) -> Iterator[NamedFrame | SourceError]:
    """Frames of a source, at most so many.

    Every frame of a file, bag, scene or pipeline comes, in order, as fast as they are read;
    cameras and streams give their newest one.

    Parameters
    ----------
    source : str
        What `jetson_perception.camera.open_source` takes.
    most : int, optional
        Where to stop; pictures that cannot be read do not count.
    pace : Pace
        `Pace.EVERY_FRAME` gives the frames of what is no folder of pictures when they are due.
    on_open : callable, optional
        Called as on_open(source) with what is no folder of pictures, before it is opened. Closing
        that, from any thread, ends the wait for a frame with SourceError.

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
        yield from _at_most(_pictures(uri.target, most), most)
        return
    name = _name(uri)
    with closing(open_source(source, pace=pace)) as opened:
        if on_open is not None:
            on_open(opened)
        opened.open()
        known = _at_end(opened.frame_count, most)
        rate_hz = opened.rate_hz or _RATE_IF_UNKNOWN_HZ
        first_ns = None
        for count in itertools.count():
            if count == most:
                return
            try:
                frame = opened.read()
            except EndOfStream:
                return
            index = count if frame.index is None else frame.index
            first_ns = frame.captured_ns if first_ns is None else first_ns
            offset_ns = frame.offset_ns
            if offset_ns is None:
                taken_ns = frame.captured_ns - first_ns
                offset_ns = taken_ns if opened.live else round(index * 1e9 / rate_hz)
            yield NamedFrame(
                opened.uri,
                name,
                index,
                frame.pixels,
                rate_hz,
                offset_ns,
                frame.recorded_ns,
                known,
            )


def readable_frames(source: str, most: int | None = None) -> Iterator[NamedFrame]:
    """Frames of a source, at most so many, without the pictures that cannot be read.

    Each of those is named in a warning. Parameters are those of `named_frames`.

    Raises
    ------
    SourceError
        When the source cannot be opened, is lost, or has pictures but none that can be read.
    """
    readable = unreadable = 0
    for frame in named_frames(source, most):
        if isinstance(frame, SourceError):
            _log.warning('%s', frame)
            unreadable += 1
            continue
        readable += 1
        yield frame
    if unreadable and not readable:
        raise SourceError(f'{shown(source)}: {none_of(unreadable, "picture")} can be read')


def source_files(source: str) -> list[Path]:
    """The files that a source reads; none of a camera, a scene, a stream or a pipeline.

    Raises
    ------
    SourceError
        When it is no source, or names no picture.
    """
    uri = parse(source)
    if uri.scheme == 'images':
        return picture_paths(uri.target)
    if uri.scheme == 'file':
        return [Path(uri.target)]
    if uri.scheme == 'bag':
        bag = Path(bag_and_topic(uri.target)[0])
        return [*bag.iterdir()] if os.path.isdir(bag) else [bag]
    return []


def _name(uri: SourceUri) -> str:
    if uri.scheme == 'file':
        return Path(uri.target).stem
    if uri.scheme == 'bag':
        return Path(bag_and_topic(uri.target)[0]).stem
    return uri.scheme


def _at_most(
    frames: Iterator[NamedFrame | SourceError], most: int | None
) -> Iterator[NamedFrame | SourceError]:
    left = math.inf if most is None else most
    while left > 0 and (frame := next(frames, None)) is not None:
        left -= not isinstance(frame, SourceError)
        yield frame


def _at_end(count: int, most: int | None) -> int:
    return min(count, most) if count and most else count or (most or 0)


def _pictures(target: str, most: int | None) -> Iterator[NamedFrame | SourceError]:
    paths = picture_paths(target)
    for path in paths:
        try:
            bgr = read_picture(path)
        except ImageError as err:
            yield SourceError(f'{err}; skipped')
        else:
            yield NamedFrame(str(path), path.stem, 0, bgr, count=_at_end(len(paths), most))
