"""A node from which the graph is seen, apart from the process's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from jetson_perception.ros.spinning import Spinner

if TYPE_CHECKING:
    from rclpy.node import Node
    from typing_extensions import Self


class GraphListener:
    """A node of its own in a context of its own, spun by a thread; a context manager.

    Ctrl-C stays with the main thread, which waits for senders meanwhile.

    Parameters
    ----------
    name : str
        Of the node.
    """

    def __init__(self, name: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node: Node = rclpy.create_node(
            name, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._spinner = Spinner()
        self._thread = threading.Thread(target=self._spin, name='listener', daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph."""
        self._spinner.stop()
        self._thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        self._spinner.spin(self.node)
