"""How an executable runs its node."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from jetson_perception.camera.native_output import quiet_opencv
from jetson_perception.printable import printable_lines
from jetson_perception.ros.arguments import require_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.ros.managed_node import ManagedNode


class _ToRosLog(logging.Handler):
    """Hands the library's log on to the node's, so that both stand in one place."""

    def __init__(self, node: ManagedNode) -> None:
        super().__init__()
        self._log = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        text = printable_lines(self.format(record))
        if record.levelno >= logging.ERROR:
            self._log.error(text)
        elif record.levelno >= logging.WARNING:
            self._log.warning(text)
        elif record.levelno >= logging.INFO:
            self._log.info(text)
        else:
            self._log.debug(text)


class _EndSignals:
    """Makes SIGINT and SIGTERM end the spinning, with ROS still up so that the node ends in order.

    rclpy's own handlers take the context down at once: then results under way cannot be
    published, nor a service call be answered, and each says so with a traceback. Made in the main
    thread.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        #: Done when the process is to end.
        self.asked: Future = Future()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # The main thread waits in the middleware, where no Python handler runs. Nor would one that
        # raises do: a node interrupted while it activates leaves threads that nobody ends.
        threading.Thread(target=self._listen, args=(reader,), name='signals', daemon=True).start()
        for number in self.NUMBERS:
            signal.signal(number, _nothing)

    def ignore(self) -> None:
        """Let no further signal do anything, not even while Python takes itself down."""
        for number in self.NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _listen(self, reader: int) -> None:
        os.read(reader, 1)
        self.asked.set_result(None)


def _nothing(*_: Any) -> None:
    """Handle a signal: the byte that Python writes for it does the work."""


def run_node(make: Callable[[], ManagedNode], args: Sequence[str] | None = None) -> None:
    """Make a node, bring it up and spin it until it is told to end by a signal.

    Parameters
    ----------
    make : callable
        Gives the node.
    args : sequence of str, optional
        Command line with ROS arguments; the process's own by default.
    """
    require_utf8(args)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    quiet_opencv()
    signals = _EndSignals()
    node = None
    try:
        node = make()
        library = logging.getLogger('jetson_perception')
        library.setLevel(logging.INFO)
        library.propagate = False
        library.addHandler(_ToRosLog(node))
        node.bring_up()
        rclpy.spin_until_future_complete(node, signals.asked)
    except ExternalShutdownException:
        pass
    finally:
        # Ctrl-C reaches a launched node twice, from the terminal and from launch.
        signals.ignore()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
