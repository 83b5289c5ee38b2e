"""A running gst-launch-1.0, and the frames that come from its pipe.

The child writes each frame behind a multipart header with its length, so that a change of size
cannot pass unnoticed. Width and height, where they are not known before, come from the caps that
`gst-launch-1.0 -v` prints, checked against that length.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.camera.gst_pipeline import BOUNDARY, OURS
from jetson_perception.camera.gst_video import RawVideo, bgr_video, video_of_caps
from jetson_perception.camera.shown import quotes_secret, shown
from jetson_perception.camera.video_size import require_frame_size
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PACKAGES = 'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good'
_PIPE_BYTES = 1 << 20  # the most that an unprivileged process may have by default
_STOP_TIMEOUT_S = 2.0
_PREFACE = f'--{BOUNDARY}\r\nContent-Type: video/x-raw\r\nContent-Length: '.encode()
_SIZE_TIMEOUT_S = 1.0
_OURS_TIMEOUT_S = 0.2
_CANCEL_CHECK_MS = 50
_MOST_DIGITS = 12
_LONGEST_LINE = 8192  # characters
_NOISE = (
    '/GstPipeline:',
    'Setting pipeline',
    'Pipeline is ',
    'New clock',
    'Redistribute latency',
    'Execution ended',
    'Freeing pipeline',
    'Use Windows high-resolution',
)


class _Printed:
    """What a child prints: its video in caps, and its last lines for an error's text.

    Elements quote the addresses and passwords that they were given: such lines are left out.
    """

    def __init__(self, uri: str, stream: int) -> None:
        self._uri = uri
        self._changed = threading.Condition()
        #: Whether of our elements, and what.
        self._videos: deque[tuple[bool, RawVideo]] = deque(maxlen=100)
        self._tail: deque[str] = deque(maxlen=8)
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def tail(self) -> str:
        self._thread.join(0.5)  # a dead child's last lines may still be in the pipe
        return '\n'.join(self._tail) or '(it printed nothing)'

    def video(self, frame_bytes: int, timeout_s: float, *, native: bool) -> RawVideo | None:
        """The video, among those printed, of frames so long; waits for it to be printed.

        Threads of GStreamer mix up each other's notifications: of a pipeline with queues, about
        one start in eight prints the caps of our elements behind another's name, or not at all.
        So any element's will do when ours do not come, unless they differ in a native format.
        """
        with self._changed:
            for ours, wait_s in ((True, min(_OURS_TIMEOUT_S, timeout_s)), (False, timeout_s)):
                found = partial(self._found, frame_bytes, ours, native)
                if self._changed.wait_for(found, wait_s):
                    return found()
        return None

    def _found(self, frame_bytes: int, only_ours: bool, native: bool) -> RawVideo | None:
        # Another element's video has the size of ours, but perhaps another format.
        told = [video for is_ours, video in self._videos if is_ours or not only_ours]
        as_told = [video for video in told if native and video.frame_bytes == frame_bytes]
        if as_told:
            formats = {video.format for video in as_told}
            return as_told[-1] if only_ours or len(formats) == 1 else None
        converted = [bgr_video(video.size_wh) for video in told]
        return next((v for v in reversed(converted) if v.frame_bytes == frame_bytes), None)

    def _drain(self, stream: int) -> None:
        with open(stream, encoding='utf-8', errors='replace') as lines:
            begins = True
            # An endless line must not fill the memory; only its beginning is kept.
            for line in iter(partial(lines.readline, _LONGEST_LINE), ''):
                is_rest, begins = not begins, line.endswith('\n')
                if is_rest:
                    continue
                video = video_of_caps(line)
                if video is not None:
                    with self._changed:
                        self._videos.append((OURS in line, video))
                        self._changed.notify_all()
                elif line.strip() and not line.startswith(_NOISE):
                    self._tail.append(_shown_line(line, self._uri))


def _shown_line(line: str, uri: str) -> str:
    if quotes_secret(line, uri):
        return '(a line that quotes the pipeline is left out)'
    return printable(line.rstrip())


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
                f'sudo apt-get install {_PACKAGES}'
            )
        self._uri = shown(uri)
        self._received = 0
        self._frames, self._process, self._printed = _start(uri, program, arguments)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._frames, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        try:
            # Opened means that the first frame's header has arrived; `grab` reads the rest.
            frame_bytes = self._first_frame_bytes(cancelled)
            video = video or self._printed.video(frame_bytes, _SIZE_TIMEOUT_S, native=native)
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
        channels = video.row_bytes // video.size_wh[0]
        self._shape = (video.rows, video.size_wh[0], *([channels] if channels > 1 else []))
        self._header = _header(video.frame_bytes)
        self._header_seen = bytearray(_header(frame_bytes))
        self._header_is_read = True
        self._trailer_seen = bytearray(2)

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        """The next frame and when it had come whole, as `Grabber` says."""
        if out is None:
            out = np.empty(self._shape, np.uint8)
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
        os.eventfd_write(self._wake, 1)

    def release(self) -> None:
        """End the child."""
        os.close(self._frames)  # a write under way fails, so that the child can act on the signal
        _stop(self._process)
        os.close(self._wake)

    def _first_frame_bytes(self, cancelled: threading.Event) -> int:
        while not self._poll.poll(_CANCEL_CHECK_MS):
            if cancelled.is_set():
                raise SourceError(
                    f'{self._uri} was closed before the first frame; gst-launch-1.0 printed:',
                    printed=self._printed.tail(),
                )
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
            for ready, _ in self._poll.poll():
                if ready == self._wake:
                    raise SourceError(f'{self._uri} was closed')
            count = os.readv(self._frames, [view[begin:]])
            if count == 0:
                raise self._ended()
            begin += count

    def _ended(self) -> SourceError:
        """Why the child closed its end of the pipe."""
        try:
            status = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return SourceError(f'{self._uri}: the pipeline closed its output but goes on')
        if status == 0 and self._received:
            return EndOfStream(f'{self._uri} ended after {counted(self._received, "frame")}')
        if status == 0:
            return SourceError(
                f'{self._uri}: the pipeline ended without a frame; gst-launch-1.0 printed:',
                printed=self._printed.tail(),
            )
        what = f'signal {-status}' if status < 0 else f'status {status}'
        printed = self._printed.tail()
        return SourceError(
            f'{self._uri}: gst-launch-1.0 ended with {what} after '
            f'{counted(self._received, "frame")}{_advice(printed)}; it printed:',
            printed=printed,
        )


def _header(frame_bytes: int) -> bytes:
    return _PREFACE + f'{frame_bytes}\r\n\r\n'.encode()


def _advice(printed: str) -> str:
    missing = re.search(r'no element "([\w-]+)"', printed)
    if missing is None:
        return ''
    if missing[1].startswith('nv'):
        return (
            f'; {missing[1]} comes with JetPack (package nvidia-l4t-gstreamer); '
            "a container needs NVIDIA's runtime"
        )
    return f'; install what has {missing[1]}; the usual elements: sudo apt-get install {_PACKAGES}'


def _start(
    uri: str, program: str, arguments: list[str]
) -> tuple[int, subprocess.Popen[bytes], _Printed]:
    """The child, the read end of its frames, and what it prints."""
    frames, frames_in = os.pipe()
    printed, printed_in = os.pipe()
    # A program between us and the child, because Python code after a fork may hang when other
    # threads run. The signal comes when the capturing thread ends, whatever the reason.
    guard = shutil.which('setpriv')
    prefix = [guard, '--pdeathsig', 'KILL', '--'] if guard else []
    try:
        with suppress(OSError):  # a smaller pipe is slower, no worse
            fcntl.fcntl(frames, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        process = subprocess.Popen(
            [*prefix, program, *arguments, f'fd={frames_in}'],
            # Only fdsrc reads a pipe that this process was given.
            stdin=None if 'fdsrc' in arguments else subprocess.DEVNULL,
            stdout=printed_in,
            stderr=printed_in,
            pass_fds=[frames_in],
            start_new_session=True,  # Ctrl-C is for us, who then end it in order
            restore_signals=False,  # SIGPIPE stays ignored: a closed pipe ends it in order
        )
    except OSError as err:
        os.close(frames)
        os.close(printed)
        raise SourceError(f'{program} cannot be started: {err}') from err
    finally:
        os.close(frames_in)
        os.close(printed_in)
    return frames, process, _Printed(uri, printed)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child in an orderly way if it responds, so that the camera's daemon stays usable."""
    for end in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT_S)
