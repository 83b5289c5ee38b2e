"""Times of the stages of frames, and their trace."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jetson_perception.tracing import RECORDER
from jetson_perception.tracing.traces import ProcessTrace, add_recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[str, int, int]
"""A stage, and the moments that `FrameTimes.now` gave when it began and ended."""


class FrameTimes:
    """Times of stages, which may be in several threads.

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
        if traced:
            RECORDER.keep(self, keeps=True)

    @contextmanager
    def writing(self, number: int) -> Iterator[None]:
        """Record that the results of a frame are written meanwhile."""
        begun_ns = self.now()
        yield
        self.record(number, [('write', begun_ns, self.now())])

    def record(self, number: int, spans: Iterable[Span], track: str = '') -> None:
        """Have the trace show what was done with a frame, on a track; frames count from 1.

        By default the track is that of the calling thread.
        """
        if RECORDER.on:
            for stage, begun_ns, ended_ns in spans:
                # No stamps: below 0, a frame is known in this process alone.
                RECORDER.span(stage, begun_ns, ended_ns, -number, track)

    def add(self, spans: Iterable[Span]) -> None:
        """Add the times of a frame's stages to `ms`, and their sum as `total`."""
        took_ms = {stage: (ended_ns - begun_ns) / 1e6 for stage, begun_ns, ended_ns in spans}
        took_ms['total'] = sum(took_ms.values())
        for stage, each_ms in took_ms.items():
            self.ms.setdefault(stage, []).append(each_ms)

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
