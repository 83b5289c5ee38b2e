"""`~/trace`: records what a node does with frames, and hands that to who asks."""

from __future__ import annotations

import array
import functools
import hashlib
import math
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.srv import Trace
from jetson_perception.tracing import RECORDER
from jetson_perception.tracing.recorder import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.node import Node

NAME = 'trace'
"""The service is `<node>/trace`."""

EVENTS_AT_ONCE = 8192
"""The most events of one response: 0.4 MB, so that callbacks wait no longer than a millisecond."""

_CLOCK_FILES = (Path('/proc/sys/kernel/random/boot_id'), Path('/proc/self/timens_offsets'))


class TraceService:
    """Offers the service of a node, whose process has one recorder for all its nodes.

    Anybody on the graph may call it, so it records for a limited time, in memory of limited size,
    and writes nothing.

    Parameters
    ----------
    node : rclpy Node
        Which offers it.
    wants_past : callable
        Whether to record all the time, so that the past can be asked for; the parameter
        `keep_trace`, which is looked at once a second.
    """

    def __init__(self, node: Node, wants_past: Callable[[], bool]) -> None:
        self._node = node
        self._wants_past = wants_past
        self._keeps = False
        node.create_service(Trace, f'~/{NAME}', self._on_request)
        steady_timer(node, 1.0, self._follow)
        node.context.on_shutdown(self.close)
        self._follow()

    def close(self) -> None:
        """Ask for no recording any more: the recorder, and what it refers to, outlive the node."""
        RECORDER.keep(self, keeps=False)

    def _follow(self) -> None:
        keeps = self._wants_past()
        if keeps != self._keeps:
            self._keeps = keeps
            RECORDER.keep(self, keeps=keeps)

    def _on_request(self, request: Any, response: Any) -> Any:
        response.clock, response.host = _clock(), socket.gethostname()
        response.pid = os.getpid()
        response.keeps = RECORDER.keeps
        if not 0 <= request.seconds <= LONGEST_S:
            response.problem = _refusal(request.seconds)
        elif request.seconds:
            response.next = RECORDER.record(request.seconds)
            self._node.get_logger().info(f'recording a trace for {request.seconds:g} s, as asked')
        else:
            RECORDER.end_if_over(time.monotonic_ns())
            _fill(response, request.first)
        response.now_ns = time.monotonic_ns()
        response.until_ns = RECORDER.until_ns
        return response


def _fill(response: Any, first: int) -> None:
    part = RECORDER.fetch(first, EVENTS_AT_ONCE)
    response.next, response.is_last, response.is_whole = part.next, part.is_last, part.is_whole
    response.names = part.names
    for field in ('begun_ns', 'ended_ns', 'frame'):
        setattr(response, f'span_{field}', _array('q', part.spans[field]))
    for field in ('track', 'stage'):
        setattr(response, f'span_{field}', _array('H', part.spans[field]))
    for field in ('at_ns', 'ran_ns', 'waited_ns', 'faults', 'preempted'):
        setattr(response, f'sample_{field}', _array('q', part.samples[field]))
    response.sample_track = _array('H', part.samples['track'])


def _array(code: str, values: NDArray[Any]) -> array.array[int]:
    return array.array(code, values.tobytes())


def _refusal(seconds: float) -> str:
    found = f'{seconds:g} s' if math.isfinite(seconds) else 'no number'
    return f'the length of the recording is {found}; expected 0 to {LONGEST_S:g} s'


@functools.lru_cache(maxsize=1)
def _clock() -> str:
    """What is equal where the monotonic clock is the same: one boot, one namespace of time."""
    digest = hashlib.sha256()
    for file in _CLOCK_FILES:
        try:
            digest.update(file.read_bytes())
        except OSError:  # the kernel has no such namespaces
            digest.update(socket.gethostname().encode())
    return digest.hexdigest()[:16]
