"""`gst://` and `csi://`: GStreamer pipelines run by gst-launch-1.0, frames read from a pipe.

This way no OpenCV built with GStreamer and no PyGObject is needed, and a driver that crashes takes
a child process with it, not the node. The child writes each frame behind a multipart header, so
that a change of size cannot pass unnoticed; what it prints tells the size and explains a failure.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.camera.live import LiveSource
from jetson_perception.camera.uri import EXAMPLES, parse, redact
from jetson_perception.errors import EndOfStream, SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PACKAGES = 'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good'
_OUTPUT = 'jetson_perception_output'
_BOUNDARY = 'frame'
_PIPE_BYTES = 1 << 20  # the most that an unprivileged process may have by default
_STOP_TIMEOUT_S = 2.0
_CAPS = re.compile(rf'GstCapsFilter:{_OUTPUT}\.GstPad:src: caps = .*')
_SIDES = re.compile(r'\b(width|height)\W+int\W+(\d+)')
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


class GstSource(LiveSource):
    """A pipeline of the user's, up to its raw video.

    Frames come at the pace of their timestamps and the newest is read, so a pipeline that reads a
    file plays it at its own rate. `open` needs gst-launch-1.0 on PATH.

    Parameters
    ----------
    uri : str
        `gst://` and the text that gst-launch-1.0 takes, without a sink:
        `gst://v4l2src device=/dev/video0 ! image/jpeg,width=1280 ! jpegdec`. It is split as a
        shell would, but never given to one. Memory of a device must be brought to the host by
        it (`nvvidconv ! video/x-raw`).
    size_wh : tuple of int, optional
        Frames are scaled to this width and height.
    frame_rate : float, optional
        Frames beyond this rate are dropped; 0 plays as fast as the pipeline runs.

    Raises
    ------
    SourceError
        When the text is no pipeline; here, before anything runs.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
    ) -> None:
        pipeline = [*split_pipeline(uri, parse(uri).target), *_scaled(size_wh)]
        if frame_rate:
            pipeline += ['!', 'videorate', 'drop-only=true']
            pipeline += ['!', f'video/x-raw,framerate=[0/1,{_fraction(frame_rate)}]']
        arguments = launch_arguments(pipeline, paced=frame_rate != 0, leaky=False)
        super().__init__(uri, lambda cancelled: _GstProcess(self.uri, arguments, cancelled))


class CsiSource(LiveSource):
    """A camera on a Jetson's CSI connector, through its image signal processor (nvarguscamerasrc).

    Parameters
    ----------
    uri : str
        `csi://0`: the number of the sensor.
    size_wh : tuple of int, optional
        Width and height of the frames; 1280 by 720 if not given. The processor picks the sensor
        mode that serves it and scales.
    frame_rate : float, optional
        30 if not given.
    """

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
    ) -> None:
        pipeline = csi_pipeline(int(parse(uri).target), size_wh or (1280, 720), frame_rate or 30.0)
        arguments = launch_arguments(pipeline, paced=False, leaky=True)
        super().__init__(uri, lambda cancelled: _GstProcess(self.uri, arguments, cancelled))


def csi_pipeline(sensor: int, size_wh: tuple[int, int], frame_rate: float) -> list[str]:
    """The elements of a CSI camera, up to BGRx pixels on the host."""
    width, height = size_wh
    rate = _fraction(frame_rate)
    return [
        'nvarguscamerasrc',
        f'sensor-id={sensor}',
        '!',
        f'video/x-raw(memory:NVMM),width={width},height={height},framerate={rate}',
        '!',
        'nvvidconv',
        '!',
        'video/x-raw,format=BGRx',
    ]


def split_pipeline(uri: str, text: str) -> list[str]:
    """A pipeline's text as an argument list, checked as far as that goes without running it.

    Raises
    ------
    SourceError
        For an unclosed quote, and for a pipeline that ends in a sink.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as err:
        raise SourceError(f'{redact(uri)}: cannot be split into words: {err}') from err
    while arguments and arguments[-1] == '!':
        arguments.pop()
    if not arguments:
        raise SourceError(f'{redact(uri)}: an empty pipeline; expected e.g. {EXAMPLES["gst"]}')
    start = len(arguments) - arguments[::-1].index('!') if '!' in arguments else 0
    element = arguments[start]
    if element.endswith('sink'):
        raise SourceError(
            f'{redact(uri)}: ends in {element}; leave the sink out, so that the pipeline ends in '
            'raw video'
        )
    return arguments


def launch_arguments(pipeline: list[str], *, paced: bool, leaky: bool) -> list[str]:
    """What follows `gst-launch-1.0` on its command line, but for the number of the pipe.

    Parameters
    ----------
    pipeline : list of str
        Elements that end in raw video.
    paced : bool
        Hold each frame back until its timestamp says; otherwise write it as it comes.
    leaky : bool
        Drop frames that nobody takes before they are converted. For cameras alone: whatever can
        run faster than its timestamps would run through at full speed.
    """
    queue = ['leaky=downstream'] if leaky else []
    return [
        '-v',
        *pipeline,
        *['!', 'queue', *queue, 'max-size-buffers=1', 'max-size-bytes=0', 'max-size-time=0'],
        *f'! videoconvert ! capsfilter name={_OUTPUT} caps=video/x-raw,format=BGR'.split(),
        *f'! multipartmux boundary={_BOUNDARY}'.split(),
        *f'! fdsink sync={str(paced).lower()}'.split(),
    ]


def frame_size_wh(line: str) -> tuple[int, int] | None:
    """Width and height of the output in a line that `gst-launch-1.0 -v` printed, if it has them.

    Examples
    --------
    >>> pad = '/GstPipeline:pipeline0/GstCapsFilter:jetson_perception_output.GstPad:src'
    >>> frame_size_wh(f'{pad}: caps = video/x-raw, width=(int)8, height=(int)6, views=(int)1')
    (8, 6)
    """
    if not _CAPS.search(line):
        return None
    sides = {name: int(value) for name, value in _SIDES.findall(line)}
    return (sides['width'], sides['height']) if len(sides) == 2 else None


def _scaled(size_wh: tuple[int, int] | None) -> list[str]:
    if size_wh is None:
        return []
    width, height = size_wh
    caps = f'video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1'
    return ['!', 'videoscale', 'add-borders=false', '!', caps]


def _fraction(frame_rate: float) -> str:
    rate = Fraction(frame_rate).limit_denominator(1001)
    return f'{rate.numerator}/{rate.denominator}'


class _Printed:
    """What a child prints: the frames' size, and its last lines for an error's text."""

    def __init__(self, stream: int) -> None:
        self.told = threading.Event()  # the size is known, or nothing more comes
        self.size_wh: tuple[int, int] | None = None
        self._tail: deque[str] = deque(maxlen=8)
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def tail(self) -> str:
        self._thread.join(0.5)  # a dead child's last lines may still be in the pipe
        return redact('\n'.join(self._tail)) or '(it printed nothing)'

    def _drain(self, stream: int) -> None:
        with open(stream, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                size_wh = frame_size_wh(line)
                if size_wh is not None:
                    self.size_wh = size_wh
                    self.told.set()
                elif line.strip() and not line.startswith(_NOISE):
                    self._tail.append(line.rstrip())
        self.told.set()


class _GstProcess:
    """A running gst-launch-1.0, as a `Grabber`."""

    def __init__(self, uri: str, arguments: list[str], cancelled: threading.Event) -> None:
        program = shutil.which('gst-launch-1.0')
        if program is None:
            raise SourceError(
                f'{uri} needs gst-launch-1.0, which is not on PATH; '
                f'sudo apt-get install {_PACKAGES}'
            )
        self._uri = uri
        self._received = 0
        self._frames, self._process, self._printed = _start(program, arguments)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._frames, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        try:
            width, height = self._first_size_wh(cancelled)
        except SourceError:
            self.release()
            raise
        # GStreamer's rows of BGR begin at multiples of four bytes.
        pitch = (3 * width + 3) & ~3
        self._size_wh = width, height
        self._rows = np.empty((height, pitch), np.uint8) if pitch != 3 * width else None
        self._header = (
            f'--{_BOUNDARY}\r\nContent-Type: video/x-raw\r\nContent-Length: {height * pitch}'
            '\r\n\r\n'
        ).encode()
        self._header_seen = bytearray(len(self._header))
        self._trailer_seen = bytearray(2)

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        width, height = self._size_wh
        if out is None:
            out = np.empty((height, width, 3), np.uint8)
        self._read_into(memoryview(self._header_seen))
        if self._header_seen != self._header:
            raise SourceError(
                f'{self._uri}: the frames are no longer {width}x{height}; open it again for the '
                'new size'
            )
        rows = out if self._rows is None else self._rows
        self._read_into(rows.data.cast('B'))
        captured_ns = time.time_ns()
        if self._rows is not None:
            np.copyto(out.reshape(height, -1), self._rows[:, : 3 * width])
        self._read_into(memoryview(self._trailer_seen))
        self._received += 1
        return out, captured_ns

    def interrupt(self) -> None:
        os.eventfd_write(self._wake, 1)

    def release(self) -> None:
        os.close(self._frames)  # a write under way fails, so that the child can act on the signal
        _stop(self._process)
        os.close(self._wake)

    def _first_size_wh(self, cancelled: threading.Event) -> tuple[int, int]:
        while not self._printed.told.wait(0.05):
            if cancelled.is_set():
                raise SourceError(
                    f'{self._uri} was closed before it gave a frame; so far gst-launch-1.0 '
                    f'printed:\n{self._printed.tail()}'
                )
        if self._printed.size_wh is None:
            raise self._ended()
        return self._printed.size_wh

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
            return EndOfStream(f'{self._uri} ended after {self._received} frames')
        if status == 0:
            return SourceError(
                f'{self._uri}: the pipeline ended without a frame; gst-launch-1.0 printed:\n'
                f'{self._printed.tail()}'
            )
        what = f'signal {-status}' if status < 0 else f'status {status}'
        printed = self._printed.tail()
        return SourceError(
            f'{self._uri}: gst-launch-1.0 ended with {what} after {self._received} frames; it '
            f'printed:\n{printed}{_advice(printed)}'
        )


def _advice(printed: str) -> str:
    missing = re.search(r'no element "([\w-]+)"', printed)
    if missing is None:
        return ''
    if missing[1].startswith('nv'):
        return (
            f'\n{missing[1]} comes with JetPack (package nvidia-l4t-gstreamer); '
            "a container needs NVIDIA's runtime"
        )
    return f'\ninstall what has {missing[1]}; the usual elements: sudo apt-get install {_PACKAGES}'


def _start(program: str, arguments: list[str]) -> tuple[int, subprocess.Popen[bytes], _Printed]:
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
            stdin=subprocess.DEVNULL,
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
    return frames, process, _Printed(printed)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child in order if it lets us, so that the camera's daemon is left clean."""
    for end in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT_S)
