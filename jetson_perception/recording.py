"""Write a video with whatever codec this OpenCV has, the most widely played first."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from jetson_perception.errors import ImageError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

# Browsers play H.264 and VP8; VLC and mpv play all of these. pip's OpenCV has no H.264 encoder.
# At 1280x720 VP8 takes ten times the processor time of the others.
_CODECS = (('avc1', '.mp4'), ('mp4v', '.mp4'), ('MJPG', '.avi'))
_CODECS_FOR_BROWSERS = (('avc1', '.mp4'), ('VP80', '.webm'), *_CODECS[1:])

_PROBE = """
import sys, cv2
writer = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter.fourcc(*'avc1'), 30.0, (64, 64))
sys.exit(not writer.isOpened())
"""


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
        """
        width, height = self._size_wh
        if pixels.shape != (height, width, 3) or pixels.dtype != 'uint8':
            raise ImageError(
                f'a picture of shape {pixels.shape}, {pixels.dtype}, does not fit the video '
                f'{self.path.name}; expected ({height}, {width}, 3), uint8'
            )
        self._writer.write(_even(pixels))
        self.frames += 1


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
        When no codec can write there.
    """
    wanted = Path(path)
    if not wanted.parent.is_dir():
        raise ParameterError(f'there is no folder {wanted.parent} to write {wanted.name} to')
    if min(size_wh) < 2 or not rate > 0:
        raise ParameterError(
            f'a video of {size_wh[0]}x{size_wh[1]} at {rate:g} Hz cannot be written; expected at '
            'least 2x2 and more than 0 Hz'
        )
    even_wh = size_wh[0] & ~1, size_wh[1] & ~1
    for codec, suffix in _CODECS_FOR_BROWSERS if for_browsers else _CODECS:
        if codec == 'avc1' and not _has_h264():
            continue
        file = wanted.with_suffix(suffix)
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer: Any = cv2.VideoWriter(str(file), fourcc, rate, even_wh)
        if writer.isOpened():
            break
        writer.release()
    else:
        raise ParameterError(
            f'{wanted} cannot be written: this OpenCV has none of the codecs H.264, MPEG-4 and '
            'Motion JPEG, or the folder is not writable'
        )
    try:
        yield VideoFile(file, codec, size_wh, writer)
    finally:
        writer.release()


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    return pixels[: height & ~1, : width & ~1]


@cache
def _has_h264() -> bool:
    """Whether this OpenCV writes H.264; found out in a process of its own.

    Where it does not, OpenCV and FFmpeg print half a dozen lines of errors, which no setting
    silences once they are loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-c', _PROBE, f'{folder}/probe.mp4']
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
