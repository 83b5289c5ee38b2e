"""A GStreamer pipeline in a child process, its frames in memory that is shared with this one.

The child runs `gst_appsink_program.py` with PyGObject. Against gst-launch-1.0 and a pipe
(`gst_process`) each frame is copied less often, cameras' frames come with the time at which they
were captured, and the size of frames is known from their caps. The child's memory is made here and
sealed, so that a child that crashes cannot take it away.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import json
import mmap
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.camera import gst_appsink_program
from jetson_perception.camera.gst_child import FrameWait, GstChild
from jetson_perception.camera.gst_video import RawVideo
from jetson_perception.camera.shown import shown
from jetson_perception.camera.video_size import require_frame_size
from jetson_perception.errors import SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

_SLOTS = 3
_PROGRAM = gst_appsink_program.__file__
#: Debian's and Ubuntu's PyGObject is for their own Python only.
_SYSTEM_PYTHON = '/usr/bin/python3'
_CHECK_TIMEOUT_S = 20.0
_MESSAGE_BYTES = 4096


@functools.cache
def python_with_gstreamer() -> str | None:
    """A Python whose PyGObject has GStreamer's appsink; None where there is none."""
    own = [sys.executable] if importlib.util.find_spec('gi') else []
    for python in [*own, _SYSTEM_PYTHON]:
        with suppress(OSError, subprocess.SubprocessError):
            check = [python, '-I', _PROGRAM, '--check']
            done = subprocess.run(check, capture_output=True, timeout=_CHECK_TIMEOUT_S)
            if done.returncode == 0:
                return python
    return None


class GstAppsink:
    """A running pipeline, as a `Grabber`.

    Parameters
    ----------
    uri : str
        For errors; shown without its secrets.
    python : str
        As `python_with_gstreamer` gives it.
    pipeline : list of str
        As `gst_pipeline.appsink_words` gives it. It comes to the child by a socket, where others
        cannot read its passwords.
    paced : bool
        Hold each frame back until its timestamp says, but for live elements.
    cancelled : threading.Event
        Ends the wait for the first frame.
    max_image_pixels : int
        A pipeline whose frames have more is refused.

    Raises
    ------
    SourceError
        When it cannot be started, gives no frame, or frames that cannot be read.

    Attributes
    ----------
    shown_ns : int or None
        When the last frame is shown, nanoseconds after the beginning; None where nobody knows.
    shape : tuple of int
        Of every frame.
    """

    def __init__(
        self,
        uri: str,
        python: str,
        pipeline: list[str],
        cancelled: threading.Event,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        *,
        paced: bool,
    ) -> None:
        self._uri = shown(uri)
        self._received = 0
        self.shown_ns: int | None = None
        self._slots = np.empty((0, 0, 0), np.uint8)
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._child = GstChild(
                    uri,
                    [python, '-I', _PROGRAM, str(theirs.fileno())],
                    [theirs.fileno()],
                    takes_stdin='fdsrc' in pipeline,
                    name='GStreamer',
                )
            except SourceError:
                self._connection.close()
                raise
        self._wait = FrameWait(uri, self._connection.fileno())
        try:
            self._send(pipeline=pipeline, sync=paced)
            self._wait.for_the_first(self._child, cancelled)
            self._video = self._told_video(max_image_pixels)
            self._slots = self._shared_slots()
        except BaseException:
            self.release()
            raise
        self.encoding, self.shape = self._video.encoding, self._video.shape

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8], int]:
        """The next frame and when it was captured, as `Grabber` says."""
        message = self._message()
        if 'video' in message:
            width, height = self._video.size_wh
            raise SourceError(
                f'{self._uri}: the frames are no longer {width}x{height} {self._video.format}; '
                'open the source again for what comes now'
            )
        if out is None:
            out = np.empty(self._video.shape, np.uint8)
        slot = message['slot']
        np.copyto(out.reshape(len(out), -1), self._slots[slot, :, : self._video.row_bytes])
        self._send(free=slot)
        self._received += 1
        self.shown_ns = message['shown_ns']
        return out, message['captured_ns']

    def interrupt(self) -> None:
        """Make a `grab` under way end soon; from any thread."""
        self._wait.interrupt()

    def release(self) -> None:
        """End the child."""
        self._connection.close()
        self._child.stop()
        self._slots = self._slots[:0].copy()  # the shared memory goes with its last view
        self._wait.close()

    def _told_video(self, max_image_pixels: int) -> RawVideo:
        message = self._message()
        width, height, pixel_format = message['video']
        video = RawVideo((width, height), pixel_format)
        require_frame_size(self._uri, video.size_wh, max_image_pixels)
        if not video.encoding or message['frame_bytes'] != video.frame_bytes:
            raise SourceError(
                f'{self._uri}: frames of {message["frame_bytes"]} bytes for {width}x{height} '
                f'{pixel_format}; expected {video.frame_bytes}'
            )
        return video

    def _shared_slots(self) -> NDArray[np.uint8]:
        """Memory that the child has too, (slots, rows, bytes from row to row)."""
        video = self._video
        size = _SLOTS * video.frame_bytes
        try:
            memory = self._shared_memory(size, video.frame_bytes)
        except OSError as err:
            raise SourceError(
                f'{self._uri}: there is no memory of {size >> 20} MB for {_SLOTS} frames of '
                f'{video.size_wh[0]}x{video.size_wh[1]}: {err.strerror}; ask for smaller frames'
            ) from err
        return np.frombuffer(memory, np.uint8).reshape(_SLOTS, video.rows, video.pitch_bytes)

    def _shared_memory(self, size: int, slot_bytes: int) -> mmap.mmap:
        descriptor = os.memfd_create('frames', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            # Reading what a crashing child had cut off would end this process too.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            told = json.dumps({'slots': _SLOTS, 'slot_bytes': slot_bytes}).encode()
            with suppress(OSError):  # it has ended: the next message says why
                socket.send_fds(self._connection, [told], [descriptor])
            return mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)

    def _message(self) -> dict[str, Any]:
        """The next message; waits for it."""
        self._wait.for_more()
        try:
            data = self._connection.recv(_MESSAGE_BYTES)
        except ConnectionError:
            # It has ended, and has not read all that we sent. Linux tells that once, before what
            # it has sent to us: its last frames.
            data = self._connection.recv(_MESSAGE_BYTES)
        if not data:
            raise self._child.why_it_ended(self._received)
        message: dict[str, Any] = json.loads(data)
        return message

    def _send(self, **message: object) -> None:
        with suppress(OSError):  # it has ended: the next message says why
            self._connection.send(json.dumps(message).encode())
