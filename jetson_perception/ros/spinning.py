"""Running a node's callbacks until somebody says stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rclpy.executors import SingleThreadedExecutor

if TYPE_CHECKING:
    from rclpy.guard_condition import GuardCondition
    from rclpy.node import Node


class Spinner:
    """Runs a node's callbacks in the thread that calls `spin`, until `stop`.

    `rclpy.spin_until_future_complete` adds a callback to its future with every event, and keeps
    them all: 270 bytes an event. This keeps nothing.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        #: Wakes the executor, while there is one.
        self._wake: GuardCondition | None = None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End `spin` after the callback under way, or before it begins; from any thread."""
        self._stopped.set()
        with self._lock:
            if self._wake is not None:
                self._wake.trigger()

    def spin(self, node: Node) -> None:
        """Run the node's callbacks until `stop`, or until the node's context is shut down.

        Raises
        ------
        ExternalShutdownException
            When the context was shut down meanwhile.
        """
        executor = SingleThreadedExecutor(context=node.context)
        # One of the node's, as `spin_once` returns after a callback, not when it is woken.
        wake = node.create_guard_condition(_nothing)
        with self._lock:
            self._wake = wake
        try:
            executor.add_node(node)
            while node.context.ok() and not self.stopped:
                executor.spin_once()
        finally:
            with self._lock:
                self._wake = None
            executor.shutdown()
            node.destroy_guard_condition(wake)


def _nothing() -> None:
    """Do nothing; being called ends `spin_once`."""
