"""Asks one node for its trace, and believes nothing of the answers that cannot be."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable
from jetson_perception.ros.trace_service import NAME
from jetson_perception.srv import Trace
from jetson_perception.tracing.recorder import CAPACITY, SAMPLE_TYPE, SPAN_TYPE, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.node import Node

#: A request is sent again after so long, so many times: a node answers requests before it has
#: discovered who listens, and may be in a long callback.
_ANSWER_S, _TRIES = 2.0, 3
#: How long a node may not be there; it takes a moment until both ends of a service are discovered.
_ABSENT_S = 4.0
#: More than a node keeps.
_MOST_EVENTS = 4 * CAPACITY
_MOST_NAME_CHARACTERS = 300


class Unanswered(PerceptionError):  # noqa: N818 - no fault of ours
    """A node did not answer, or refused."""


class Answer(NamedTuple):
    """The answer to a request to record; see Trace.srv."""

    now_ns: int
    until_ns: int
    clock: str
    host: str
    pid: int
    keeps: bool
    next: int


class TraceClient:
    """Asks one node, which another thread spins for.

    Parameters
    ----------
    node : Node
        Which asks.
    node_name : str
        Full name of the node that is asked.
    """

    def __init__(self, node: Node, node_name: str) -> None:
        self.node_name = node_name
        self._client: Any = node.create_client(Trace, f'{node_name}/{NAME}')

    def ask(self, seconds: float) -> Callable[[], Answer]:
        """Have the node record for so long; 0 only asks how it is.

        What is returned waits for the answer, or raises Unanswered.
        """
        # So that all nodes begin together.
        answer = self._call(Trace.Request(seconds=float(seconds), first=(1 << 64) - 1))

        def wait() -> Answer:
            response = answer()
            return Answer(
                response.now_ns,
                response.until_ns,
                printable(response.clock, 40),
                printable(response.host, 100),
                response.pid,
                response.keeps,
                response.next,
            )

        return wait

    def fetch(self, first: int) -> list[Recorded]:
        """All that the node has from an event on.

        Raises
        ------
        Unanswered
            When it does not answer, or answers nonsense.
        """
        parts: list[Recorded] = []
        events = 0
        while True:
            part = self._part(self._call(Trace.Request(first=first))())
            parts.append(part)
            events += len(part.spans) + len(part.samples)
            if part.is_last:
                return parts
            if part.next <= first or events > _MOST_EVENTS:
                raise self._nonsense('parts without end')
            first = part.next

    def _call(self, request: Any) -> Callable[[], Any]:
        """Send a request; returns what waits for the response."""
        first = self._send(request)

        def wait() -> Any:
            asked = first
            for _ in range(_TRIES):
                if asked is None:
                    break
                future, done = asked
                if done.wait(_ANSWER_S):
                    response = future.result()
                    if response.problem:
                        problem = printable(response.problem, 300)
                        raise Unanswered(f'{self.node_name} records nothing: {problem}')
                    return response
                self._client.remove_pending_request(future)
                asked = self._send(request)
            raise Unanswered(
                f'{self.node_name} does not answer: it has ended, or its callbacks hang'
            )

        return wait

    def _send(self, request: Any) -> tuple[Any, threading.Event] | None:
        """The response to come, and what tells of it; None if there is no such service."""
        deadline_s = time.monotonic() + _ABSENT_S
        while not self._client.service_is_ready():
            if time.monotonic() > deadline_s:
                return None
            time.sleep(0.02)
        done = threading.Event()
        future = self._client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        return future, done

    def _part(self, response: Any) -> Recorded:
        spans = _table(response, 'span', SPAN_TYPE)
        samples = _table(response, 'sample', SAMPLE_TYPE)
        names = [printable(name, _MOST_NAME_CHARACTERS) for name in response.names]
        if spans is None or samples is None:
            raise self._nonsense('columns of different lengths')
        for table, column in ((spans, 'track'), (spans, 'stage'), (samples, 'track')):
            if len(table) and int(table[column].max()) >= len(names):
                raise self._nonsense(f'a {column} without a name')
        return Recorded(spans, samples, names, response.next, response.is_last, response.is_whole)

    def _nonsense(self, what: str) -> Unanswered:
        return Unanswered(
            f'{self.node_name} gives {what}, so it is of another version; trace it with its own'
        )


def _table(response: Any, prefix: str, table_type: np.dtype[Any]) -> NDArray[Any] | None:
    """The columns of a response as one array; None if they do not fit together."""
    columns = {
        name: getattr(response, f'{prefix}_{name}')
        for name in table_type.names or ()
        if name != 'number'
    }
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        return None
    table = np.zeros(lengths.pop(), table_type)
    for name, column in columns.items():
        table[name] = column
    return table
