"""What encodes videos: PyAV where it is installed, else OpenCV.

PyAV writes H.264 or VP9, which browsers play, and gives each frame its own time. OpenCV counts
frames at an even rate; pip's has no H.264 encoder, and its VP8 takes ten times the processor time
of the others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import suppress
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cv2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_TIME_BASE = Fraction(1, 90000)
# Each frame is written as it comes, so that those before can be read if the disk becomes full.
# Without superfast's finer search, x264 takes less time, for files that are little larger.
_ENCODER_OPTIONS = {
    'libx264': {
        'preset': 'superfast',
        'tune': 'zerolatency',
        'crf': '23',
        'x264-params': 'subme=0:me=dia',
    },
    'libvpx-vp9': {'deadline': 'realtime', 'cpu-used': '8', 'lag-in-frames': '0', 'crf': '32'},
}
# By default WebM keeps 5 s in memory, which is more than is known to fit on the disk.
_FILE_OPTIONS = {'.webm': {'cluster_size_limit': '262144'}}

_PROBE = """
import sys, cv2
writer = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter.fourcc(*'avc1'), 30.0, (64, 64))
sys.exit(not writer.isOpened())
"""


class Encoder(Protocol):
    """Writes a file frame by frame."""

    #: Whether OpenCV counts the frames of such a file without decoding them.
    countable: bool

    def write(self, bgr: NDArray[np.uint8], at_s: float) -> bool:
        """Append a picture of even sides at a time; False where that is known to have failed."""
        ...

    def close(self) -> bool:
        """Write the end of the file; False where that is known to have failed."""
        ...


class Codec(NamedTuple):
    """One way to write a video."""

    name: str
    suffix: str
    open: Callable[[Codec, Path, tuple[int, int], float, int], Encoder | None]
    """Called as open(codec, path, size_wh, rate, threads); None where it cannot be used here."""
    in_browsers: bool = True


class _AvEncoder:
    """PyAV's."""

    def __init__(
        self, codec: Codec, path: Path, size_wh: tuple[int, int], rate: float, threads: int
    ) -> None:
        import av

        self._av = av
        self.countable = codec.suffix == '.mp4'
        self._last = -1
        self._step = max(round(1 / rate / _TIME_BASE), 1)
        self._container: Any = av.open(str(path), 'w', options=_FILE_OPTIONS.get(codec.suffix, {}))
        try:
            stream: Any = self._container.add_stream(
                codec.name, rate=Fraction(rate).limit_denominator(1 << 15)
            )
            stream.width, stream.height = size_wh
            stream.pix_fmt = 'yuv420p'  # what browsers play
            stream.options = _ENCODER_OPTIONS.get(codec.name, {}) | {'threads': str(threads)}
            stream.codec_context.time_base = _TIME_BASE
            stream.codec_context.open()
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise
        self._stream = stream

    def write(self, bgr: NDArray[np.uint8], at_s: float) -> bool:
        # OpenCV's conversion takes a tenth of the time of FFmpeg's, which PyAV would call.
        yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
        frame: Any = self._av.VideoFrame.from_ndarray(yuv, format='yuv420p')
        self._last = frame.pts = max(round(at_s / _TIME_BASE), self._last + 1)
        frame.time_base = _TIME_BASE
        return self._mux(frame)

    def close(self) -> bool:
        done = self._mux(None)
        try:
            self._container.close()
        except (OSError, self._av.FFmpegError):
            return False
        return done

    def _mux(self, frame: Any) -> bool:
        try:
            for packet in self._stream.encode(frame):
                with suppress(AttributeError):  # before PyAV 13; the last frame is then short
                    packet.duration = self._step
                self._container.mux(packet)
        except (OSError, self._av.FFmpegError):
            return False
        return True


class _OpenCvEncoder:
    """OpenCV's, for which all frames are as far apart."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.countable = writer.getBackendName() == 'FFMPEG'

    def write(self, bgr: NDArray[np.uint8], at_s: float) -> bool:
        # From OpenCV 5 on it says whether it could; None before.
        return self._writer.write(bgr) is not False

    def close(self) -> bool:
        self._writer.release()
        return True  # it does not say


def with_av(
    codec: Codec, path: Path, size_wh: tuple[int, int], rate: float, threads: int = 0
) -> Encoder | None:
    """An encoder of PyAV; None without PyAV, or where its FFmpeg has none of this name."""
    try:
        import av
    except ImportError:
        return None
    try:
        return _AvEncoder(codec, path, size_wh, rate, threads)
    except (AttributeError, TypeError, OSError, ValueError, av.FFmpegError):  # or PyAV is old
        with suppress(OSError):
            path.unlink()
        return None


def with_opencv(
    codec: Codec, path: Path, size_wh: tuple[int, int], rate: float, _threads: int = 0
) -> Encoder | None:
    """An encoder of OpenCV; None where it has none of this name. Its threads are its own."""
    if codec.name == 'avc1' and not has_h264():
        return None
    fourcc = cv2.VideoWriter.fourcc(*codec.name)
    writer: Any = cv2.VideoWriter(str(path), fourcc, rate, size_wh)
    if writer.isOpened():
        return _OpenCvEncoder(writer)
    writer.release()
    return None


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


CODECS = (
    Codec('libx264', '.mp4', with_av),
    Codec('libopenh264', '.mp4', with_av),
    Codec('libvpx-vp9', '.webm', with_av),
    Codec('avc1', '.mp4', with_opencv),
    Codec('mp4v', '.mp4', with_opencv, in_browsers=False),
    Codec('MJPG', '.avi', with_opencv, in_browsers=False),
)
"""Ways to write videos, the most widely played first."""
