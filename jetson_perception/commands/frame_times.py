"""Times of the stages of frames that are run one after another, and their trace."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from jetson_perception.tracing import RECORDER
from jetson_perception.tracing.traces import ProcessTrace, add_recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar('T')

Span = tuple[str, int, int]
"""A stage, and the moments that `FrameTimes.now` gave when it began and ended."""


class FrameTimes:
    """Times of stages in the calling thread.

    Parameters
    ----------
    traced : bool
        Whether they are also recorded for a trace: the newest 65536 events.

    Attributes
    ----------
    ms : dict
        Milliseconds of every frame, by stage.
    """

    def __init__(self, *, traced: bool = False) -> None:
        self.ms: dict[str, list[float]] = {}
        self._frame = 0
        if traced:
            RECORDER.keep(self, keeps=True)

    def timed_reads(self, frames: Iterable[T]) -> Iterator[T]:
        """The frames; each begins when it is asked for."""
        remaining = iter(frames)
        while True:
            begun_ns = self.now()
            frame = next(remaining, None)
            if frame is None:
                return
            self._frame += 1
            self._record('read', begun_ns, self.now())
            yield frame

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Record that the results of the present frame are written meanwhile."""
        begun_ns = self.now()
        yield
        self._record('write', begun_ns, self.now())

    def add(self, spans: Iterable[Span]) -> None:
        """Add the times of the present frame's stages."""
        for stage, begun_ns, ended_ns in spans:
            self.ms.setdefault(stage, []).append((ended_ns - begun_ns) / 1e6)
            self._record(stage, begun_ns, ended_ns)

    @staticmethod
    def now() -> int:
        """Monotonic time, ns."""
        now_ns = time.monotonic_ns()
        if RECORDER.on:
            RECORDER.sample(now_ns)
        return now_ns

    def trace(self, name: str) -> ProcessTrace:
        """What was recorded, under a name for people."""
        trace = ProcessTrace(name, socket.gethostname(), 'this host', os.getpid())
        add_recorded(trace, [RECORDER.fetch(0, 1 << 30)])
        return trace

    def close(self) -> None:
        """Record no more."""
        RECORDER.keep(self, keeps=False)

    def _record(self, stage: str, begun_ns: int, ended_ns: int) -> None:
        if RECORDER.on:
            # No stamps: below 0, a frame is known in this process alone.
            RECORDER.span(stage, begun_ns, ended_ns, -self._frame)
