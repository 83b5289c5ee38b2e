"""Frames of a source that may be lost and come back."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

from jetson_perception.errors import EndOfStream, SourceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from jetson_perception.camera.source import CapturedFrame, FrameSource

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits before the first, second, … attempt to reopen; the last one repeats."""


def frames(
    source: FrameSource,
    *,
    stop: threading.Event,
    on_lost: Callable[[SourceError, float], None],
    on_open: Callable[[], None] = lambda: None,
    backoff: Sequence[float] = BACKOFF_S,
) -> Iterator[CapturedFrame]:
    """Open a source and yield its frames until its end; a live one is reopened when lost.

    Parameters
    ----------
    source : FrameSource
        Not open. It is closed when the iteration ends, for whatever reason.
    stop : threading.Event
        Ends the iteration, also during a wait. Set it and call `source.close()`, and a read under
        way ends too.
    on_lost : callable
        Told of each failure of a live source, and in how many seconds it is reopened.
    on_open : callable
        Called when the source is open, before its first frame is read; it may wait, and ends
        when `stop` is set.
    backoff : sequence of float
        Seconds to wait before the first, second, … attempt, the last one repeating. A frame that
        arrives starts it anew.

    Yields
    ------
    CapturedFrame
        In order.

    Raises
    ------
    SourceError
        When a source that is not live cannot be opened or read.
    """
    waits = _waits(backoff)
    try:
        while not stop.is_set():
            try:
                source.open()
                on_open()
                while not stop.is_set():
                    frame = source.read()
                    waits = _waits(backoff)
                    yield frame
            except EndOfStream:
                return
            except SourceError as err:
                if stop.is_set():
                    return
                if not source.live:
                    raise
                source.close()
                wait_s = next(waits)
                on_lost(err, wait_s)
                stop.wait(wait_s)
    finally:
        source.close()


def _waits(backoff: Sequence[float]) -> Iterator[float]:
    return chain(backoff, repeat(backoff[-1]))
