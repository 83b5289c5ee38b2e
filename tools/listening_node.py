"""A node of this process that hears what nodes under measurement publish."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class ListeningNode(NamedTuple):
    """A node, and the executor that calls back for it."""

    node: Any
    executor: Any

    def spin(self, seconds: float) -> None:
        """Handle what comes for so long."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)


@contextmanager
def listening_node(name: str, namespace: str) -> Iterator[ListeningNode]:
    """Join the graph, and leave it with the block."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    node = rclpy.create_node(name, namespace=namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        yield ListeningNode(node, executor)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
