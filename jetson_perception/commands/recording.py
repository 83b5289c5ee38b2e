"""Write a video with whatever codec this OpenCV has, the most widely played first."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.files.native_paths import is_utf8, native_path_to_read, native_path_to_write
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

# Browsers play H.264 and VP8; VLC and mpv play all of these. pip's OpenCV has no H.264 encoder.
# At 1280x720 VP8 takes ten times the processor time of the others.
CODECS = (('avc1', '.mp4'), ('mp4v', '.mp4'), ('MJPG', '.avi'))
"""Codecs with the suffixes of their files, the best first."""

CODECS_FOR_BROWSERS = (('avc1', '.mp4'), ('VP80', '.webm'), *CODECS[1:])
"""The same for files that browsers play."""

_PROBE = """
import sys, cv2
writer = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter.fourcc(*'avc1'), 30.0, (64, 64))
sys.exit(not writer.isOpened())
"""


# What the end of a file needs, its index, when the disk is nearly full: without it none of the
# frames can be read.
_RESERVE_BYTES = 1 << 20
_INDEX_BYTES_A_FRAME = 64


class VideoFile:
    """A video that is being written; made by `write_video`.

    Attributes
    ----------
    path : Path
        The file.
    codec : str
        Its four characters.
    frames : int
        How many were written.
    """

    def __init__(self, path: Path, codec: str, size_wh: tuple[int, int], writer: Any) -> None:
        self.path = path
        self.codec = codec
        self.frames = 0
        self._size_wh = size_wh
        self._writer = writer
        self._is_ffmpeg = writer.getBackendName() == 'FFMPEG'
        self._problem = ''

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """Append a picture.

        Parameters
        ----------
        pixels : ndarray, shape (h, w, 3), uint8
            BGR, of the video's size; an odd last row or column is left out.

        Raises
        ------
        ImageError
            For another size or type, which OpenCV would pass over without a word.
        ParameterError
            When the disk is full; mostly in time for the frames before to be readable.
        """
        width, height = self._size_wh
        if pixels.shape != (height, width, 3) or pixels.dtype != 'uint8':
            raise ImageError(
                f'a picture of shape {pixels.shape}, {pixels.dtype}, does not fit the video '
                f'{self.path.name}; expected ({height}, {width}, 3), uint8'
            )
        if self._problem:
            raise ParameterError(self._problem, 'output')
        if not self._has_room(pixels.nbytes):
            raise self._stopped('the disk is full', self._complete())
        # From OpenCV 5 on it says whether it could; None before.
        if self._writer.write(_even(pixels)) is False:
            reason = 'OpenCV cannot write on; is the disk full, or a quota used up?'
            raise self._stopped(reason, self._complete())
        self.frames += 1

    def finish(self) -> None:
        """Complete the file and check that its frames can be read; called at the end of the block.

        Raises
        ------
        ParameterError
            If they cannot, and no earlier error reported it.
        """
        if not self._problem and not self._complete():
            raise self._stopped('its end could not be written; is the disk full?', False)

    def _complete(self) -> bool:
        """Write the end of the file; whether its frames can be read, as far as that is known."""
        self._writer.release()
        # OpenCV does not report whether that worked.
        return not (self._is_ffmpeg and self.frames) or _is_whole(self.path, self.frames)

    def _has_room(self, frame_bytes: int) -> bool:
        try:
            about = os.statvfs(self.path.parent)
        except OSError:
            return True  # writing will show it
        needed = _RESERVE_BYTES + frame_bytes + _INDEX_BYTES_A_FRAME * self.frames
        return about.f_bavail * about.f_frsize >= needed

    def _stopped(self, reason: str, whole: bool) -> ParameterError:
        frames = f'{self.frames} frame{"s" * (self.frames != 1)}'
        outcome = 'which can be read' if whole else 'and the file is cut off'
        self._problem = (
            f'{printable(self.path)}: writing ended after {frames}, {outcome}: {reason}; make '
            'room, or write elsewhere'
        )
        return ParameterError(self._problem, 'output')


@contextmanager
def write_video(
    path: str | Path, size_wh: tuple[int, int], rate: float, *, for_browsers: bool = False
) -> Iterator[VideoFile]:
    """A video file to write to, complete when the block ends.

    Parameters
    ----------
    path : str or Path
        Where to, in a folder that exists; the codec's suffix replaces its own. What is there is
        overwritten. The name that was taken is the result's `path`.
    size_wh : tuple of int
        Width and height of the pictures, pixels.
    rate : float
        Pictures a second.
    for_browsers : bool
        Take a codec that browsers play even if it is slow.

    Raises
    ------
    ParameterError
        When no codec can write there; and at the end, when the file is not whole.
    """
    wanted = Path(path)
    if not wanted.parent.is_dir():
        raise ParameterError(f'there is no folder {wanted.parent} to write {wanted.name} to')
    if min(size_wh) < 2 or not rate > 0:
        raise ParameterError(
            f'a video of {size_wh[0]}x{size_wh[1]} at {rate:g} Hz cannot be written; expected at '
            'least 2x2 and more than 0 Hz'
        )
    if not is_utf8(wanted.name):
        raise ParameterError(
            f'{printable(wanted)}: the name is not UTF-8, which OpenCV needs; choose another'
        )
    with native_path_to_write(wanted) as native:
        file, codec, writer = _open_writer(wanted, Path(native), size_wh, rate, for_browsers)
        video = VideoFile(file, codec, size_wh, writer)
        try:
            yield video
        except BaseException:
            writer.release()
            raise
        video.finish()


def _open_writer(
    wanted: Path, native: Path, size_wh: tuple[int, int], rate: float, for_browsers: bool
) -> tuple[Path, str, Any]:
    """The file with its codec's suffix, the codec, and what writes it as `native`."""
    even_wh = size_wh[0] & ~1, size_wh[1] & ~1
    for codec, suffix in CODECS_FOR_BROWSERS if for_browsers else CODECS:
        if codec == 'avc1' and not has_h264():
            continue
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer: Any = cv2.VideoWriter(str(native.with_suffix(suffix)), fourcc, rate, even_wh)
        if writer.isOpened():
            return wanted.with_suffix(suffix), codec, writer
        writer.release()
    raise ParameterError(
        f'{printable(wanted)} cannot be written: this OpenCV has none of the codecs H.264, MPEG-4 '
        'and Motion JPEG, or the folder is full or not writable'
    )


def _is_whole(path: Path, frames: int) -> bool:
    """Whether a video claims to have about this many frames."""
    with native_path_to_read(path) as native:
        capture = cv2.VideoCapture(native, cv2.CAP_FFMPEG)
        # For WebM, OpenCV estimates the number from the duration.
        counted = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        capture.release()
    return counted >= 0.9 * frames - 2


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    return pixels[: height & ~1, : width & ~1]


@cache
def has_h264() -> bool:
    """Whether this OpenCV writes H.264; found out in a process of its own.

    Where it does not, OpenCV and FFmpeg print half a dozen lines of errors, which no setting
    silences once they are loaded.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, '-c', _PROBE, f'{folder}/probe.mp4']
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # no room for temporary files
        return False
