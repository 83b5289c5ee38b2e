"""How an executable runs its node."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import ExternalShutdownException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.ros.managed_node import ManagedNode


class _ToRosLog(logging.Handler):
    """Hands the library's log on to the node's, so that both stand in one place."""

    def __init__(self, node: ManagedNode) -> None:
        super().__init__()
        self._log = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._log.error(text)
        elif record.levelno >= logging.WARNING:
            self._log.warning(text)
        elif record.levelno >= logging.INFO:
            self._log.info(text)
        else:
            self._log.debug(text)


def run_node(make: Callable[[], ManagedNode], args: Sequence[str] | None = None) -> None:
    """Make a node, bring it up and spin it until it is told to end by a signal.

    Parameters
    ----------
    make : callable
        Gives the node.
    args : sequence of str, optional
        Command line with ROS arguments; the process's own by default.
    """
    rclpy.init(args=args)
    node = None
    try:
        node = make()
        library = logging.getLogger('jetson_perception')
        library.setLevel(logging.INFO)
        library.propagate = False
        library.addHandler(_ToRosLog(node))
        node.bring_up()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # Ctrl-C reaches a launched node twice, from the terminal and from launch.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
