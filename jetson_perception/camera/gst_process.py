"""A running gst-launch-1.0, and the frames that come from its pipe.

The child writes each frame behind a multipart header with its length, so that a change of size
cannot pass unnoticed. Width and height, where they are not known before, come from the caps that
`gst-launch-1.0 -v` prints, checked against that length.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.camera.gst_child import PACKAGES, FrameWait, GstChild
from jetson_perception.camera.gst_pipeline import BOUNDARY
from jetson_perception.camera.shown import shown
from jetson_perception.camera.video_size import require_frame_size
from jetson_perception.errors import SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from jetson_perception.camera.gst_video import RawVideo

_PIPE_BYTES = 1 << 20  # the most that an unprivileged process may have by default
_PREFACE = f'--{BOUNDARY}\r\nContent-Type: video/x-raw\r\nContent-Length: '.encode()
_SIZE_TIMEOUT_S = 1.0
_MOST_DIGITS = 12


class GstProcess:
    """A running gst-launch-1.0, as a `Grabber`.

    Parameters
    ----------
    uri : str
        For errors; shown without its secrets.
    arguments : list of str
        As `launch_arguments` gives them.
    video : RawVideo or None
        What comes, where that is known before.
    cancelled : threading.Event
        Ends the wait for the first frame.
    max_image_pixels : int
        A pipeline whose frames have more is refused.
    native : bool
        Whether frames stay in the pipeline's own format.

    Raises
    ------
    SourceError
        When it cannot be started, gives no frame, or frames that cannot be read.
    """

    def __init__(
        self,
        uri: str,
        arguments: list[str],
        video: RawVideo | None,
        cancelled: threading.Event,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        *,
        native: bool = False,
    ) -> None:
        program = shutil.which('gst-launch-1.0')
        if program is None:
            raise SourceError(
                f'{shown(uri)} needs gst-launch-1.0, which is not on PATH; '
                f'sudo apt-get install {PACKAGES}'
            )
        self._uri = shown(uri)
        self._received = 0
        self._frames, self._child = _start(uri, program, arguments)
        self._wait = FrameWait(uri, self._frames)
        try:
            # Opened means that the first frame's header has arrived; `grab` reads the rest.
            self._wait.for_the_first(self._child, cancelled)
            frame_bytes = self._first_frame_bytes()
            video = video or self._child.printed.video(frame_bytes, _SIZE_TIMEOUT_S, native=native)
            if video is None:
                raise SourceError(
                    f'{self._uri}: gst-launch-1.0 did not report the frame size; open the source '
                    'again, or request a size'
                )
            require_frame_size(self._uri, video.size_wh, max_image_pixels)
        except SourceError:
            self.release()
            raise
        self._video = video
        self.encoding = video.encoding
        is_padded = video.pitch_bytes != video.row_bytes
        self._rows = np.empty((video.rows, video.pitch_bytes), np.uint8) if is_padded else None
        self._header = _header(video.frame_bytes)
        self._header_seen = bytearray(_header(frame_bytes))
        self._header_is_read = True
        self._trailer_seen = bytearray(2)

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        """The next frame and when it had come whole, as `Grabber` says."""
        if out is None:
            out = np.empty(self._video.shape, np.uint8)
        if not self._header_is_read:
            self._read_into(memoryview(self._header_seen))
        self._header_is_read = False
        if self._header_seen != self._header:
            width, height = self._video.size_wh
            raise SourceError(
                f'{self._uri}: the frame size is no longer {width}x{height}; open the source '
                'again for the new size'
            )
        rows = out if self._rows is None else self._rows
        self._read_into(rows.data.cast('B'))
        captured_ns = time.time_ns()
        if self._rows is not None:
            np.copyto(out.reshape(len(out), -1), self._rows[:, : self._video.row_bytes])
        self._read_into(memoryview(self._trailer_seen))
        self._received += 1
        return out, captured_ns

    def interrupt(self) -> None:
        """Make a `grab` under way end soon; from any thread."""
        self._wait.interrupt()

    def release(self) -> None:
        """End the child."""
        os.close(self._frames)  # a write under way fails, so that the child can act on the signal
        self._child.stop()
        self._wait.close()

    def _first_frame_bytes(self) -> int:
        seen = bytearray(len(_PREFACE))
        self._read_into(memoryview(seen))
        if seen != _PREFACE:
            raise SourceError(f'{self._uri}: no frame begins with {bytes(seen)!r}')
        digits = bytearray()
        byte = bytearray(1)
        while not digits.endswith(b'\r\n\r\n') and len(digits) < _MOST_DIGITS + 4:
            self._read_into(memoryview(byte))
            digits += byte
        if not digits.strip().isdigit():
            raise SourceError(f'{self._uri}: no frame has a length of {bytes(digits)!r} bytes')
        return int(digits)

    def _read_into(self, view: memoryview) -> None:
        begin = 0
        while begin < len(view):
            self._wait.for_more()
            count = os.readv(self._frames, [view[begin:]])
            if count == 0:
                raise self._child.why_it_ended(self._received)
            begin += count


def _header(frame_bytes: int) -> bytes:
    return _PREFACE + f'{frame_bytes}\r\n\r\n'.encode()


def _start(uri: str, program: str, arguments: list[str]) -> tuple[int, GstChild]:
    """The read end of the frames, and the child that writes them."""
    frames, frames_in = os.pipe()
    try:
        with suppress(OSError):  # a smaller pipe is slower, no worse
            fcntl.fcntl(frames, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        child = GstChild(
            uri,
            [program, *arguments, f'fd={frames_in}'],
            [frames_in],
            takes_stdin='fdsrc' in arguments,  # only it reads a pipe that this process was given
            name='gst-launch-1.0',
        )
    except SourceError:
        os.close(frames)
        raise
    finally:
        os.close(frames_in)
    return frames, child
