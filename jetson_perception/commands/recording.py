"""Write a video with whatever codec there is, the most widely played first."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from jetson_perception.commands.index_first import put_index_first
from jetson_perception.commands.video_codecs import CODECS, Codec, Encoder, with_av
from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.files.native_paths import is_utf8, native_path_to_read, native_path_to_write
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

# What the end of a file needs, its index, when the disk is nearly full: without it none of the
# frames can be read.
_RESERVE_BYTES = 1 << 20
_INDEX_BYTES_A_FRAME = 64
# A longer one comes of a clock that was set.
_LONGEST_GAP_S = 3600.0


class _Times:
    """Times of frames from the first one's on, seconds; they only go forward.

    A clock that was set, or a recording that begins anew, makes a step of one frame.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._now_s = -step_s
        self._last_s: float | None = None

    def next(self, time_s: float | None) -> float:
        step_s = self._step_s
        if time_s is not None and self._last_s is not None:
            passed_s = time_s - self._last_s
            step_s = passed_s if 0 < passed_s <= _LONGEST_GAP_S else step_s
        self._last_s = time_s
        self._now_s += step_s
        return self._now_s


class VideoFile:
    """A video that is being written; made by `write_video`.

    Attributes
    ----------
    path : Path
        The file.
    codec : str
        Its name.
    frames : int
        How many were written.
    """

    def __init__(
        self, path: Path, codec: str, size_wh: tuple[int, int], rate: float, encoder: Encoder
    ) -> None:
        self.path = path
        self.codec = codec
        self.frames = 0
        self._size_wh = size_wh
        self._times = _Times(1 / rate)
        self._encoder = encoder
        self._problem = ''

    def write(self, pixels: NDArray[np.uint8], time_s: float | None = None) -> None:
        """Append a picture.

        Parameters
        ----------
        pixels : ndarray, shape (h, w, 3), uint8
            BGR, of the video's size; an odd last row or column is left out.
        time_s : float, optional
            When it was taken, seconds by any clock; by default as long after the one before as
            the rate says. OpenCV's encoders always do that.

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
        if not self._encoder.write(_even(pixels), self._times.next(time_s)):
            reason = 'the encoder cannot write on; is the disk full, or a quota used up?'
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
        if not self._encoder.close():
            return False
        # OpenCV does not report whether that worked.
        return not (self._encoder.countable and self.frames) or _is_whole(self.path, self.frames)

    def _has_room(self, frame_bytes: int) -> bool:
        try:
            about = os.statvfs(self.path.parent)
        except OSError:
            return True  # writing will show it
        needed = _RESERVE_BYTES + frame_bytes + _INDEX_BYTES_A_FRAME * self.frames
        return about.f_bavail * about.f_frsize >= needed

    def _stopped(self, reason: str, whole: bool) -> ParameterError:
        frames = counted(self.frames, 'frame')
        outcome = 'which can be read' if whole else 'and the file is cut off'
        self._problem = (
            f'{printable(self.path)}: writing ended after {frames}, {outcome}: {reason}; make '
            'room, or write elsewhere'
        )
        return ParameterError(self._problem, 'output')


@contextmanager
def write_video(
    path: str | Path, size_wh: tuple[int, int], rate: float, *, threads: int = 0
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
        Pictures a second, of those that come without a time.
    threads : int
        How many threads encode a picture together, where PyAV does; 0 for what the encoder takes.

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
    # FFmpeg would take what is before a colon for a protocol, as in 12:30.mp4.
    with native_path_to_write(wanted.absolute()) as native:
        file, codec, encoder = _open_encoder(wanted, Path(native), size_wh, rate, threads)
        if not codec.in_browsers:
            warn_of_browsers()
        video = VideoFile(file, codec.name, size_wh, rate, encoder)
        try:
            yield video
        except BaseException:
            encoder.close()
            raise
        video.finish()
        if codec.open is with_av and codec.suffix == '.mp4' and video.frames:
            put_index_first(Path(native).with_suffix(codec.suffix))


def _open_encoder(
    wanted: Path, native: Path, size_wh: tuple[int, int], rate: float, threads: int
) -> tuple[Path, Codec, Encoder]:
    """The file with its codec's suffix, the codec, and what writes the file as `native`."""
    even_wh = size_wh[0] & ~1, size_wh[1] & ~1
    for codec in CODECS:
        encoder = codec.open(codec, native.with_suffix(codec.suffix), even_wh, rate, threads)
        if encoder is not None:
            return wanted.with_suffix(codec.suffix), codec, encoder
    raise ParameterError(
        f'{printable(wanted)} cannot be written: neither PyAV nor OpenCV has any of the codecs '
        'H.264, VP9, MPEG-4 and Motion JPEG here, or the folder is full or not writable'
    )


@cache
def warn_of_browsers() -> None:
    """Say once what browsers do not play, and how to change that."""
    way_out = 'the installed PyAV can encode neither H.264 nor VP9 there'
    if not _has_av():
        way_out = '`pip install av` brings H.264'
    _log.warning(
        'videos are written as MPEG-4 part 2 or Motion JPEG, which VLC and mpv play and browsers '
        'do not; %s',
        way_out,
    )


def _has_av() -> bool:
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def _is_whole(path: Path, frames: int) -> bool:
    """Whether a video claims to have about this many frames."""
    with native_path_to_read(path.absolute()) as native:
        capture = cv2.VideoCapture(native, cv2.CAP_FFMPEG)
        # For WebM, OpenCV estimates the number from the duration.
        claimed = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        capture.release()
    return claimed >= 0.9 * frames - 2


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    return pixels[: height & ~1, : width & ~1]
