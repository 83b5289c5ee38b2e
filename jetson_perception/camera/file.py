"""`file://`: video files, through OpenCV."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.camera.native_output import quiet_ffmpeg
from jetson_perception.camera.pace import Pacer
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.uri import parse
from jetson_perception.camera.video_size import check_video_size
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception.files.foreign_files import read_foreign_head
from jetson_perception.files.native_paths import native_path_to_read
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_RATE_IF_UNKNOWN = 30.0
_PIPE_HINT = (
    'a pipe comes in on the standard input, by gst://fdsrc ! decodebin ! videoconvert, and a '
    'camera by v4l2:///dev/video0'
)
_MOST_UNDECODABLE = 300  # reads in a row that fail before the file counts as over
_VIDEO_SUFFIXES = frozenset({'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpg', '.ts', '.webm'})


class FileSource:
    """Every frame of a video file, at its own rate.

    A reader that is slower than the rate gets every frame all the same, later. Frames that cannot
    be decoded are left out, with a warning; those behind them keep their numbers.

    Parameters
    ----------
    uri : str
        `file:///home/me/drive.mp4`.
    size_wh : tuple of int, optional
        Frames are scaled to this width and height; the file's own if not given.
    frame_rate : float, optional
        Frames a second; the file's own rate if None, as fast as they are read if 0.
    loop : bool
        Begin again at the end.
    max_image_pixels : int
        A video of larger frames is refused.
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
        self._path = Path(parse(uri).target)
        self._size_wh = size_wh
        self._frame_rate = frame_rate
        self._loop = loop
        self._max_image_pixels = max_image_pixels
        self._lock = threading.Lock()  # held by a read, and by what releases the file
        self._closed = threading.Event()
        self._capture: Any = None
        self._pacer = Pacer(0)
        self._counted = _Counted()
        self.rate_hz = 0.0
        self._decoded: NDArray[np.uint8] | None = None
        self._resized: NDArray[np.uint8] | None = None

    def open(self) -> None:
        """Open the file, at its beginning.

        Raises
        ------
        SourceError
            When it is missing, empty, not readable, or no video.
        """
        self.close()
        with self._lock:
            self._closed.clear()
            self._capture = _open_video(self._path, self._max_image_pixels)
            own_rate_hz = self._own_rate_hz(self._capture)
            paced_hz = own_rate_hz if self._frame_rate is None else self._frame_rate
            self.rate_hz = paced_hz or own_rate_hz
            self._pacer = Pacer(paced_hz)
            self._counted = _Counted(own_rate_hz)

    def read(self) -> CapturedFrame:
        """The next frame, when it is due.

        Raises
        ------
        EndOfStream
            After the last frame, unless it loops.
        SourceError
            When the file is not open, or holds no frame at all.
        """
        with self._lock:
            if self._capture is None:
                raise SourceError(f'{self.uri} is not open; call open() first')
            pixels = self._next(self._capture)
            self._pacer.wait(self._closed)
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed')
            return CapturedFrame(pixels, time.time_ns(), index=self._counted.last)

    def close(self) -> None:
        """Release the file; a `read` that waits for its time ends."""
        self._closed.set()
        with unless_busy(self._lock) as free:
            if free and self._capture is not None:
                self._capture.release()
                self._capture = None

    def _next(self, capture: Any) -> NDArray[np.uint8]:
        usable, pixels = self._decode(capture)
        if not usable:
            self._end_of_file(capture)
            capture = self._capture = _open_video(self._path, self._max_image_pixels)
            self._counted = _Counted(self._counted.rate_hz)
            usable, pixels = self._decode(capture)
            if not usable:
                raise SourceError(f'{self.uri} can no longer be read from its beginning')
        self._decoded = pixels
        self._resized = resized(pixels, self._size_wh, self._resized)
        return self._resized

    def _decode(self, capture: Any) -> tuple[bool, Any]:
        """The next frame that can be decoded, if there is one."""
        counted = self._counted
        announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        for failed in range(_MOST_UNDECODABLE):
            usable, pixels = capture.read(self._decoded)
            if usable:
                lost = counted.decoded(capture.get(cv2.CAP_PROP_POS_MSEC), failed)
                if lost:
                    _log.warning(
                        '%s: %d frames from number %d on cannot be decoded; left out',
                        *(self.uri, lost, counted.last - lost),
                    )
                return True, pixels
            # OpenCV does not tell the end from damage, nor always know the number of frames.
            if self._closed.is_set() or counted.last + 1 + failed >= announced:
                break
        return False, None

    def _end_of_file(self, capture: Any) -> None:
        """Return when the file begins again, raise otherwise."""
        if not self._counted.frames:
            raise SourceError(
                f'{self.uri} opens as a video but has no frames; it is damaged, or was cut off '
                'while it was written'
            )
        announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if self._counted.frames < 0.98 * announced:
            _log.warning(
                '%s ended after %d of %d frames; it is damaged, or was cut off while it was '
                'written',
                *(self.uri, self._counted.frames, announced),
            )
        if not self._loop:
            raise EndOfStream(f'{self.uri} ended after {counted(self._counted.frames, "frame")}')
        capture.release()

    def _own_rate_hz(self, capture: Any) -> float:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        if math.isfinite(rate) and 0 < rate <= 1000:
            return rate
        if self._frame_rate is None:
            _log.warning(
                '%s does not say its frame rate (%g); it plays at %g Hz; set a frame rate to '
                'change that',
                *(self.uri, rate, _RATE_IF_UNKNOWN),
            )
        return _RATE_IF_UNKNOWN


class _Counted:
    """The frames of a video that were decoded, and the number of the last one in the file."""

    def __init__(self, rate_hz: float = _RATE_IF_UNKNOWN) -> None:
        self.rate_hz = rate_hz
        self.frames = 0
        self.last = -1
        self._last_ms = 0.0

    def decoded(self, time_ms: float, failed: int) -> int:
        """Number a frame that came after so many reads that failed; returns how many it skips.

        A decoder may drop several frames in one read, or none. The times tell, where they are
        those of frames at a constant rate.
        """
        lost = failed
        if failed and self.frames:
            steps = (time_ms - self._last_ms) * self.rate_hz / 1e3
            if steps > 0.75 and abs(steps - round(steps)) < 0.25:
                lost = round(steps) - 1
        self.frames += 1
        self.last += 1 + lost
        self._last_ms = time_ms
        return lost


def _open_video(path: Path, max_image_pixels: int) -> Any:
    _check_file(path)
    quiet_ffmpeg()
    # FFmpeg first: by itself, OpenCV may take digits in the name for a series of pictures.
    for backend in (cv2.CAP_FFMPEG, cv2.CAP_ANY):
        # Once the file is open, OpenCV no longer needs the name.
        with native_path_to_read(path.absolute()) as native:
            capture = cv2.VideoCapture(native, backend)
        if capture.isOpened():
            try:
                check_video_size(capture, shown(str(path)), max_image_pixels)
            except SourceError:
                capture.release()
                raise
            return capture
        capture.release()
    raise SourceError(
        f'{shown(str(path))} is not a video that this OpenCV can read; it is damaged, was cut off '
        'while it was written, or uses a codec that is missing here (ffprobe shows which)'
    )


def _check_file(path: Path) -> None:
    if not os.path.lexists(path):
        raise SourceError(f'there is no {shown(str(path))}{_videos_beside(path)}')
    if os.path.isdir(path):
        name = printable(path)
        raise SourceError(
            f'{name} is a folder; its pictures are images://{name}{_videos_beside(path / "x")}'
        )
    head = read_foreign_head(path, what='video', error=SourceError, count=1, hint=_PIPE_HINT)
    if not head:
        raise SourceError(f'{printable(path)} is empty; expected a video')


def _videos_beside(path: Path) -> str:
    try:
        names = sorted(
            p.name for p in path.parent.iterdir() if p.suffix.lower() in _VIDEO_SUFFIXES
        )
    except OSError:
        return f'; there is no folder {shown(str(path.parent))} either'
    if not names:
        return ''
    more = ', …' if len(names) > 5 else ''
    listed = printable(', '.join(names[:5]))
    return f'; videos in {shown(str(path.parent))} are {listed}{more}'
