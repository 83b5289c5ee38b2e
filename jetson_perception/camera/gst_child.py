"""A child process that runs a GStreamer pipeline: its start, what it prints, its end."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from jetson_perception.camera.gst_pipeline import OURS
from jetson_perception.camera.gst_video import RawVideo, bgr_video, video_of_caps
from jetson_perception.camera.shown import quotes_secret, shown
from jetson_perception.errors import EndOfStream, SourceError
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = 'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good'
"""What has the usual elements."""
_STOP_TIMEOUT_S = 2.0
_CANCEL_CHECK_MS = 50
_OURS_TIMEOUT_S = 0.2
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


class GstChild:
    """A program that runs a pipeline, from its start to its end.

    Parameters
    ----------
    uri : str
        For errors; shown without its secrets.
    command : sequence of str
        The program and its arguments.
    pass_fds : sequence of int
        What it inherits.
    takes_stdin : bool
        Whether it reads the standard input of this process.
    name : str
        What people call it.

    Attributes
    ----------
    printed : Printed
        What it prints.

    Raises
    ------
    SourceError
        When it cannot be started.
    """

    def __init__(
        self,
        uri: str,
        command: Sequence[str],
        pass_fds: Sequence[int],
        *,
        takes_stdin: bool,
        name: str,
    ) -> None:
        self._uri = shown(uri)
        self.name = name
        printed, printed_in = os.pipe()
        # A program between us and the child, because Python code after a fork may hang when other
        # threads run. The signal comes when the capturing thread ends, whatever the reason.
        guard = shutil.which('setpriv')
        prefix = [guard, '--pdeathsig', 'KILL', '--'] if guard else []
        try:
            self._process = subprocess.Popen(
                [*prefix, *command],
                stdin=None if takes_stdin else subprocess.DEVNULL,
                stdout=printed_in,
                stderr=printed_in,
                pass_fds=pass_fds,
                start_new_session=True,  # Ctrl-C is for us, who then end it in order
                restore_signals=False,  # SIGPIPE stays ignored: a closed pipe ends it in order
            )
        except OSError as err:
            os.close(printed)
            raise SourceError(f'{command[0]} cannot be started: {err}') from err
        finally:
            os.close(printed_in)
        self.printed = Printed(uri, printed)

    def why_it_ended(self, received: int) -> SourceError:
        """Why it closed its end of what frames come by, after so many of them."""
        try:
            status = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return SourceError(f'{self._uri}: the pipeline closed its output but goes on')
        if status == 0 and received:
            return EndOfStream(f'{self._uri} ended after {counted(received, "frame")}')
        if status == 0:
            return SourceError(
                f'{self._uri}: the pipeline ended without a frame; {self.name} printed:',
                printed=self.printed.tail(),
            )
        what = f'signal {-status}' if status < 0 else f'status {status}'
        printed = self.printed.tail()
        return SourceError(
            f'{self._uri}: {self.name} ended with {what} after '
            f'{counted(received, "frame")}{_advice(printed)}; it printed:',
            printed=printed,
        )

    def stop(self) -> None:
        """End it in an orderly way if it responds, so that the camera's daemon stays usable."""
        for end in (signal.SIGINT, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, end)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT_S)


class FrameWait:
    """Waits for what a child sends, until it is interrupted.

    Parameters
    ----------
    uri : str
        For errors; shown without its secrets.
    descriptor : int
        What the child sends by.
    """

    def __init__(self, uri: str, descriptor: int) -> None:
        self._uri = shown(uri)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def for_the_first(self, child: GstChild, cancelled: threading.Event) -> None:
        """Wait until something is there; raises SourceError when that is cancelled before."""
        while not self._poll.poll(_CANCEL_CHECK_MS):
            if cancelled.is_set():
                raise SourceError(
                    f'{self._uri} was closed before the first frame; {child.name} printed:',
                    printed=child.printed.tail(),
                )

    def for_more(self) -> None:
        """Wait until something is there; raises SourceError when interrupted."""
        if any(ready == self._wake for ready, _ in self._poll.poll()):
            raise SourceError(f'{self._uri} was closed')

    def interrupt(self) -> None:
        """End a wait under way, and each later one; from any thread."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._wake)


class Printed:
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
        """The last lines, for an error's text."""
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


def _advice(printed: str) -> str:
    missing = re.search(r'no element "([\w-]+)"', printed)
    if missing is None:
        return ''
    if missing[1].startswith('nv'):
        return (
            f'; {missing[1]} comes with JetPack (package nvidia-l4t-gstreamer); '
            "a container needs NVIDIA's runtime"
        )
    return f'; install what has {missing[1]}; the usual elements: sudo apt-get install {PACKAGES}'
