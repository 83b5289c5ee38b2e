"""Sources that come at their own pace: a capturing thread, and the newest frame for the reader.

A thread owns the device from opening to release, because neither OpenCV nor a pipe may be closed
under a read. It always takes the next frame, so nothing piles up in a driver or a socket: one
frame is being written, one is ready, and the reader has those that it keeps.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jetson_perception.camera.frame_buffers import FrameBuffers
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame
from jetson_perception.errors import CudaError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from jetson_perception.cuda.device_picture import DevicePicture

_RELEASE_TIMEOUT_S = 1.0
"""Less than camera_node waits for its source, but more than a camera needs for a frame."""
_EXIT_TIMEOUT_S = 20.0
"""Longer than FFmpeg's and the drivers' own timeouts."""


class Grabber(Protocol):
    """An open device; only the capturing thread uses it, except for `interrupt`.

    Attributes
    ----------
    encoding : str
        ROS encoding of the frame that was grabbed last.
    """

    encoding: str

    def grab(self, out: NDArray[np.uint8] | None) -> tuple[NDArray[np.uint8] | DevicePicture, int]:
        """The next frame and when it was captured.

        Parameters
        ----------
        out : ndarray or None
            A buffer that may be written and returned if it fits; None the first times.

        Returns
        -------
        image : ndarray, uint8, or DevicePicture
            Pixels as `images.encodings.view` gives them, in `out` or in an array of its own; or a
            picture that lies in a GPU's memory.
        captured_ns : int
            Nanoseconds since the epoch.

        Raises
        ------
        EndOfStream
            After the last frame.
        SourceError
            When the device was lost.
        CudaError
            When a GPU has a part in it, and failed for good.
        """
        ...

    def interrupt(self) -> None:
        """Make a `grab` under way end soon. Called from any thread."""
        ...

    def release(self) -> None:
        """Give the device back."""
        ...


class LiveSource:
    """A `FrameSource` whose reader gets the newest frame.

    Parameters
    ----------
    uri : str
        The source; shown without its password.
    connect : callable
        Opens the device in the capturing thread and returns a `Grabber`, or raises SourceError.
        It is given an event that is set when nobody waits for it any more.
    open_timeout_s : float
        `open` gives up after this long.
    read_timeout_s : float
        A source that gives no frame for this long counts as lost.
    every_frame : bool
        Take the next frame only when the reader has taken the one before, for a device that waits
        when it is not read.

    Attributes
    ----------
    uri : str
        The source, without its password.
    live : bool
        True.
    rate_hz : float
        0: nobody knows.
    frame_count : int
        0: it goes on.
    truth_class_names : tuple of str
        Empty.
    """

    live = True
    rate_hz = 0.0
    frame_count = 0
    truth_class_names: tuple[str, ...] = ()

    def __init__(
        self,
        uri: str,
        connect: Callable[[threading.Event], Grabber],
        *,
        open_timeout_s: float = 10.0,
        read_timeout_s: float = 5.0,
        every_frame: bool = False,
    ) -> None:
        self.uri = shown(uri)
        self._connect = connect
        self._open_timeout_s = open_timeout_s
        self._read_timeout_s = read_timeout_s
        self._every_frame = every_frame
        self._session: _Session | None = None

    @property
    def skipped(self) -> int:
        """Frames since `open` that a newer one replaced before anyone read them."""
        session = self._session
        return session.skipped if session else 0

    def open(self) -> None:
        """Open the device, in a thread of its own; what was open before is closed.

        Raises
        ------
        SourceError
            When it cannot be opened, not in time, or when it is still being released.
        """
        self.close()
        if self._session is not None and self._session.is_alive():
            raise SourceError(f'{self.uri} is still being released; try again in a moment')
        session = self._session = _Session(self.uri, self._connect, self._every_frame)
        session.start()
        session.wait_until_open(self._open_timeout_s)

    def read(self) -> CapturedFrame:
        """The newest frame that was not read yet; waits when there is none.

        Raises
        ------
        EndOfStream
            When the stream ended as it should.
        SourceError
            When the source was lost, closed, not opened, or gave no frame in time.
        CudaError
            When the GPU that decodes it failed for good.
        """
        session = self._session
        if session is None:
            raise SourceError(f'{self.uri} is not open; call open() first')
        return session.take(self._read_timeout_s)

    def close(self) -> None:
        """End the capturing thread, and a `read` under way; waits a moment for the device."""
        session = self._session
        if session is not None:
            session.cancel()


class _Session(threading.Thread):
    """The capturing thread from one `open` to the loss or the closing of its device."""

    def __init__(
        self, uri: str, connect: Callable[[threading.Event], Grabber], every_frame: bool
    ) -> None:
        super().__init__(name=f'capture {uri}', daemon=True)
        self.skipped = 0
        self._every_frame = every_frame
        self._uri = uri
        self._connect = connect
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._grabber: Grabber | None = None
        self._is_open = False
        self._end: CudaError | SourceError | None = None
        self._ready: tuple[NDArray[np.uint8] | DevicePicture, int, str] | None = None
        self._has_new = False
        self._buffers = FrameBuffers()
        _sessions.add(self)

    def run(self) -> None:
        # Stays only if an unforeseen error ends the thread.
        end: CudaError | SourceError = SourceError(
            f'{self._uri}: the capturing thread failed; see its traceback above'
        )
        try:
            grabber = self._connect(self._cancelled)
            try:
                self._set_open(grabber)
                self._capture(grabber)
            finally:
                with self._changed:
                    self._grabber = None
                grabber.release()
        except (CudaError, SourceError) as err:
            end = err
        finally:
            with self._changed:
                self._end = end
                self._changed.notify_all()

    def wait_until_open(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(self._open_or_over, timeout_s)
            if self._cancelled.is_set():
                raise SourceError(f'{self._uri} was closed while it was being opened')
            if self._end is not None and not self._is_open:
                raise self._end
            if self._is_open:
                return
        self.cancel()
        raise SourceError(f'{self._uri} did not open within {timeout_s:g} s')

    def take(self, timeout_s: float) -> CapturedFrame:
        with self._changed:
            self._changed.wait_for(self._new_or_over, timeout_s)
            if self._cancelled.is_set():
                raise SourceError(f'{self._uri} was closed')
            if self._has_new and self._ready is not None:
                frame = CapturedFrame(*self._ready)
                self._has_new, self._ready = False, None
                if self._every_frame:
                    self._changed.notify_all()
                return frame
            if self._end is not None:
                raise self._end
        raise SourceError(f'{self._uri} gave no frame for {timeout_s:g} s; is it still connected?')

    def cancel(self, wait_s: float = _RELEASE_TIMEOUT_S) -> None:
        with self._changed:
            self._cancelled.set()
            self._changed.notify_all()
            if self._grabber is not None:
                self._grabber.interrupt()  # under the lock: so never after its release
        if self.ident is not None and self is not threading.current_thread():
            self.join(max(wait_s, 0.0))

    def _open_or_over(self) -> bool:
        return self._is_open or self._end is not None or self._cancelled.is_set()

    def _new_or_over(self) -> bool:
        return self._has_new or self._end is not None or self._cancelled.is_set()

    def _taken_or_cancelled(self) -> bool:
        return not self._has_new or self._cancelled.is_set()

    def _set_open(self, grabber: Grabber) -> None:
        with self._changed:
            self._grabber = grabber
            self._is_open = True
            self._changed.notify_all()

    def _capture(self, grabber: Grabber) -> None:
        shape: tuple[int, ...] | None = None
        while not self._cancelled.is_set():
            out = self._buffers.take(shape) if shape is not None else None
            grabbed = grabber.grab(out)
            shape = grabbed[0].shape if isinstance(grabbed[0], np.ndarray) else None
            with self._changed:
                self.skipped += self._has_new
                self._ready = (*grabbed, grabber.encoding)
                self._has_new = True
                self._changed.notify_all()
                del out, grabbed  # so that they count as the reader's alone
                if self._every_frame:
                    self._changed.wait_for(self._taken_or_cancelled)
        raise SourceError(f'{self._uri} was closed')


_sessions: weakref.WeakSet[_Session] = weakref.WeakSet()


@atexit.register
def _end_sessions() -> None:
    """End the threads that still capture, before the interpreter shuts down.

    One that came back from OpenCV meanwhile would abort the process.
    """
    running = [session for session in _sessions if session.is_alive()]
    for session in running:
        session.cancel(wait_s=0.0)
    deadline = time.monotonic() + _EXIT_TIMEOUT_S
    for session in running:
        session.join(max(deadline - time.monotonic(), 0.0))


def wall_clock_ns(monotonic_ns: int) -> int | None:
    """The epoch time of a moment that a driver gave on the monotonic clock.

    None when it cannot be that clock's: in the future, or more than a second ago.
    """
    age_ns = time.monotonic_ns() - monotonic_ns
    return time.time_ns() - age_ns if 0 <= age_ns <= 1_000_000_000 else None
