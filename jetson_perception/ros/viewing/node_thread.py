"""The thread that spins a node, and how others have it do something."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from rclpy.executors import ExternalShutdownException

from jetson_perception.ros.spinning import Spinner

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

log = logging.getLogger(__name__)
T = TypeVar('T')

_PATIENCE_S = 1.0


class NodeThread:
    """Spins a node, and calls in its thread what others hand over; nobody waits for the other.

    Parameters
    ----------
    node : Node
        Which is spun.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._spinner = Spinner()
        self._calls: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._is_open = True
        self._wake = node.create_guard_condition(self._call)
        self._thread = threading.Thread(target=self._spin, name='ROS', daemon=True)

    def start(self) -> None:
        """Begin to spin."""
        self._thread.start()

    def close(self) -> bool:
        """Spin no more; whether the thread has ended, so that the node may be destroyed."""
        with self._lock:
            self._is_open = False
        self._spinner.stop()
        self._thread.join(_PATIENCE_S)
        return not self._thread.is_alive()

    def soon(self, call: Callable[[], object]) -> None:
        """Have something called in the thread, after what was handed over before."""
        self._calls.append(call)
        with self._lock:
            if self._is_open:
                self._wake.trigger()

    async def ask(self, call: Callable[[], T]) -> T:
        """What a call in the thread gives or raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: Exception | None) -> None:
            if answer.done():
                return  # nobody waits any more
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)  # type: ignore[arg-type]

        def run() -> None:
            value, failure = None, None
            try:
                value = call()
            except Exception as error:  # noqa: BLE001 - who asked gets it
                failure = error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, value, failure)

        self.soon(run)
        return await answer

    def _call(self) -> None:
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:  # those after it wait for nothing else
                log.exception('what the page asked for failed')

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._spinner.spin(self._node)
