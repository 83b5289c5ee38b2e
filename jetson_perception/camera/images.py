"""`images://`: pictures of a folder, one after another."""

from __future__ import annotations

import glob
import logging
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.camera.pace import Pacer
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.uri import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_bag, parse
from jetson_perception.errors import EndOfStream, ImageError, SourceError
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.images.picture_files import read_picture
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import counted, none_of, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_DEFAULT_RATE = 30.0


class ImagesSource:
    """The pictures of a folder or a pattern, in natural order (2.png before 10.png).

    A picture that cannot be read is skipped with a warning. Pictures are turned upright as their
    EXIF data say, and come as bgr8.

    Parameters
    ----------
    uri : str
        `images:///home/me/pictures`, `images:///home/me/pictures/left_*.png`, or one picture.
    size_wh : tuple of int, optional
        Pictures are scaled to this width and height; each has its own if not given.
    frame_rate : float, optional
        Pictures a second; 30 if None, as fast as they are read if 0.
    loop : bool
        Begin again at the end.
    max_image_pixels : int
        Larger pictures are skipped, too.
    """

    live = False
    truth_class_names: tuple[str, ...] = ()

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        loop: bool = False,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
    ) -> None:
        self.uri = shown(uri)
        self._target = parse(uri).target
        self._size_wh = size_wh
        self._rate = _DEFAULT_RATE if frame_rate is None else frame_rate
        self.rate_hz = self._rate or _DEFAULT_RATE
        self.frame_count = 0
        self._loop = loop
        self._max_image_pixels = max_image_pixels
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._paths: list[Path] = []
        self._next = 0
        self._unreadable_in_a_row = 0
        self._said: set[Path] = set()
        self._pacer = Pacer(0)

    def open(self) -> None:
        """List the pictures.

        Raises
        ------
        SourceError
            When there are none.
        """
        self.close()
        with self._lock:
            self._paths = picture_paths(self._target)
            self.frame_count = len(self._paths)
            self._next = self._unreadable_in_a_row = 0
            self._pacer = Pacer(self._rate)
            self._closed.clear()

    def read(self) -> CapturedFrame:
        """The next picture that can be read, when it is due.

        Raises
        ------
        EndOfStream
            After the last picture, unless they loop.
        SourceError
            When the source is not open, or not one picture can be read.
        """
        with self._lock:
            if not self._paths:
                raise SourceError(f'{self.uri} is not open; call open() first')
            pixels = self._next_picture()
            self._pacer.wait(self._closed)
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed')
            return CapturedFrame(pixels, time.time_ns(), index=self._next - 1)

    def close(self) -> None:
        """Forget the pictures; a `read` that waits for its time ends."""
        self._closed.set()
        with unless_busy(self._lock) as free:
            if free:
                self._paths = []

    def _next_picture(self) -> NDArray[np.uint8]:
        while True:
            if self._unreadable_in_a_row == len(self._paths):
                raise SourceError(
                    f'{self.uri}: {none_of(len(self._paths), "picture")} can be read'
                )
            if self._next == len(self._paths):
                if not self._loop:
                    raise EndOfStream(
                        f'{self.uri} ended after {counted(len(self._paths), "picture")}'
                    )
                self._next = 0
            path = self._paths[self._next]
            self._next += 1
            try:
                pixels = read_picture(path, max_image_pixels=self._max_image_pixels)
            except ImageError as err:
                self._unreadable_in_a_row += 1
                if path not in self._said:  # once, however often they are played
                    self._said.add(path)
                    _log.warning('%s; skipped', err)
                continue
            self._unreadable_in_a_row = 0
            return resized(pixels, self._size_wh)


def picture_paths(target: str) -> list[Path]:
    """The pictures that a folder, a pattern or a file names, in natural order.

    Raises
    ------
    SourceError
        When there are none.
    """
    path = foreign_path(target, what='pictures', error=SourceError)
    if os.path.isdir(path):
        files = _listed(path)
        found = [p for p in files if p.suffix.lower() in PICTURE_SUFFIXES]
        if not found:
            endings = ' '.join(sorted(PICTURE_SUFFIXES))
            raise SourceError(
                f'the folder {printable(path)} holds no pictures ({endings}){_others(files)}'
            )
    elif os.path.isfile(path):
        found = [path]
    else:
        found = [Path(name) for name in glob.glob(str(path)) if os.path.isfile(name)]
        if not found:
            missing = 'no picture matches' if glob.has_magic(str(path)) else 'there is no'
            raise SourceError(
                f'{missing} {shown(target)}; expected a picture, a folder of them such as '
                'images:///home/me/pictures, or a pattern such as '
                'images:///home/me/pictures/left_*.png'
            )
    return sorted(found, key=_natural)


def _others(files: list[Path]) -> str:
    """What there is in place of pictures, and how to name it; '' if it is no source either."""
    for noun, scheme, fits in (('video', 'file', _is_video), ('recording', 'bag', is_bag)):
        fitting = sorted(filter(fits, files), key=_natural)
        if fitting:
            first = printable(fitting[0])
            return (
                f', but {counted(len(fitting), noun)}; a source is one of them, such as '
                f'{scheme}://{first}'
            )
    return ''


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as err:
        raise SourceError(
            f'the folder {printable(folder)} cannot be read: {err.strerror}'
        ) from err


def _natural(path: Path) -> list[tuple[int, str]]:
    pieces = re.split(r'(\d+)', path.name)
    return [(int(piece), '') if piece.isdecimal() else (-1, piece) for piece in pieces]
