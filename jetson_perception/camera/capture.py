"""Reads a source in its own thread and hands over its frames; reopens live sources."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from jetson_perception.camera.reconnect import frames
from jetson_perception.errors import PerceptionError
from jetson_perception.pipeline.activity import (
    Activity,
    LeftBehind,
    WatchedThread,
    call_within,
    join_until,
)
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.camera.source import CapturedFrame, FrameSource
    from jetson_perception.errors import SourceError

log = logging.getLogger(__name__)

#: When a thread that does not end counts as stuck.
_RELEASE_LIMIT_S = 30.0
#: How often a capture looks whether what holds it up is over.
_LOOK_EVERY_S = 0.1


class FrameTaker(Protocol):
    """Who takes the frames of a capture. All is called in its thread, and may wait for `stop`."""

    def opened(self, stop: threading.Event) -> None:
        """The source is open, for the first time or again; its frames come on return."""
        ...

    def take(self, frame: CapturedFrame, stop: threading.Event) -> None:
        """A frame; the next one comes on return."""
        ...

    def lost(self, error: SourceError, retry_s: float) -> None:
        """A live source was lost, and is reopened in so many seconds."""
        ...

    def failed(self, error: PerceptionError) -> None:
        """No frame will come any more, for this reason."""
        ...

    def ended(self) -> None:
        """The source has given its last frame."""
        ...


class Capture:
    """Reads a source from `start` to `close`, once.

    Parameters
    ----------
    source : FrameSource
        Not open; it is closed at the end.
    taker : FrameTaker
        Who takes the frames.
    held_up : callable, optional
        Says what must be over before the source is opened, for people; empty when nothing must.

    Attributes
    ----------
    problem : str
        Why no frame comes, for people; empty while frames come.
    at_end : bool
        Whether the source has given its last frame.
    gave_up : bool
        Whether the source failed in a way that opening it again cannot mend.
    times_lost : int
        How often the source was lost.
    """

    def __init__(
        self,
        source: FrameSource,
        taker: FrameTaker,
        held_up: Callable[[], str] = lambda: '',
    ) -> None:
        self._source = source
        self._taker = taker
        self._held_up = held_up
        self._stop = threading.Event()
        self._activity = Activity('the source')
        self._thread = WatchedThread(self._run, 'capture', self._activity)
        self._count = 0
        self.problem = ''
        self.at_end = self.gave_up = False
        self.times_lost = 0

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further frame; does not wait for the one that is being read."""
        self._stop.set()

    def close(self, patience_s: float) -> list[LeftBehind]:
        """Stop reading and let the source go; what did not end in time."""
        self.stop()
        deadline_s = time.monotonic() + patience_s
        release = call_within(self._source.close, 'the source', 'its release', patience_s)
        left = [release] if release is not None else []
        self._activity.begin('the end of capturing', limit_s=_RELEASE_LIMIT_S)
        threads = join_until([self._thread], deadline_s)
        return [*left, LeftBehind(threads)] if threads else left

    def _run(self) -> None:
        if not self._wait_until_free():
            return
        log.info('reading %s', self._source.uri)
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - the owner reports it
            if not self._stop.is_set():  # its resources may be closed by then
                self._fail(error)
        else:
            if not self._stop.is_set():
                self.problem = (
                    f'{self._source.uri} came to its end after {counted(self._count, "frame")}'
                )
                self.at_end = True
                self._taker.ended()

    def _wait_until_free(self) -> bool:
        """Wait for what holds it up; whether that was over before the capture was closed."""
        while reason := self._held_up():
            self.problem = reason
            if self._stop.wait(_LOOK_EVERY_S):
                return False
        self.problem = ''
        return True

    def _read(self) -> None:
        stop = self._stop
        opened = partial(self._taker.opened, stop)
        for frame in frames(self._source, stop=stop, on_lost=self._lose, on_open=opened):
            self.problem = ''
            self._taker.take(frame, stop)
            if stop.is_set():
                return
            self._count += 1

    def _lose(self, error: SourceError, retry_s: float) -> None:
        self.times_lost += 1
        self.problem = str(error)
        self._taker.lost(error, retry_s)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, PerceptionError):
            log.error('reading %s failed', self._source.uri, exc_info=error)
            error = PerceptionError(f'unexpected {type(error).__name__}: {printable(error)}')
        self.problem, self.gave_up = str(error), True
        self._taker.failed(error)
