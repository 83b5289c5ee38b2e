"""Videos, written with a codec that every build of OpenCV brings."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from jetson_perception.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

#: Best first. H.264 is missing in PyPI's builds for its license, and asking for it makes FFmpeg
#: complain on stderr; VP8, which browsers would play, takes 0.3 s a 1280×720 frame on one core.
CODECS = (('mp4v', '.mp4'), ('MJPG', '.avi'))


class VideoFile:
    """An open video. `path` has the suffix that goes with its codec."""

    def __init__(self, path: Path, writer: cv2.VideoWriter, size_wh: tuple[int, int]) -> None:
        self.path = path
        self._writer = writer
        self._size_wh = size_wh

    def write(self, bgr: NDArray[np.uint8]) -> None:
        """Append a frame of shape (h, w, 3), uint8; one of another size is resized."""
        if (bgr.shape[1], bgr.shape[0]) != self._size_wh:
            bgr = cv2.resize(bgr, self._size_wh, interpolation=cv2.INTER_AREA)
        self._writer.write(bgr)


@contextmanager
def write_video(path: Path, size_wh: tuple[int, int], frame_rate: float) -> Iterator[VideoFile]:
    """A video file that is complete when the block ends.

    Parameters
    ----------
    path : Path
        Where; the suffix is replaced by that of the codec taken.
    size_wh : tuple of int
        Width and height of the video, pixels; odd sides lose a pixel, which codecs want.
    frame_rate : float
        Frames a second, more than 0.

    Raises
    ------
    SourceError
        When no codec can be opened, or the folder cannot be written.
    """
    even_wh = (max(size_wh[0] & ~1, 2), max(size_wh[1] & ~1, 2))
    video = _open(path, even_wh, frame_rate)
    try:
        yield video
    finally:
        video._writer.release()


def _open(path: Path, size_wh: tuple[int, int], frame_rate: float) -> VideoFile:
    if not path.parent.is_dir():
        raise SourceError(f'{path.parent} is no folder; make it before writing {path.name} there')
    for codec, suffix in CODECS:
        target = path.with_suffix(suffix)
        writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*codec), frame_rate, size_wh)
        if writer.isOpened():
            return VideoFile(target, writer, size_wh)
        writer.release()
        target.unlink(missing_ok=True)
    names = ', '.join(codec for codec, _ in CODECS)
    raise SourceError(
        f'{path.parent / path.stem} cannot be written as a video: OpenCV {cv2.__version__} opens '
        f'none of {names}; install opencv-python-headless, or check that the folder is writable'
    )
