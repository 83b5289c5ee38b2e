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


class _EndSignals:
    """Makes SIGINT and SIGTERM end the spinning, with ROS still up so that the node ends in order.

    rclpy's own handlers take the context down at once: then results under way cannot be
    published, nor a service call be answered, and each says so with a traceback. Made in the main
    thread.
    """

    def __init__(self) -> None:
        #: Done when the process is to end.
        self.asked: Future = Future()
        #: Whether the main thread is to be interrupted, as it does not look at `asked` yet.
        self.interrupts = True
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # The main thread waits in the middleware, where no Python handler runs.
        threading.Thread(target=self._listen, args=(reader,), name='signals', daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _listen(self, reader: int) -> None:
        os.read(reader, 1)
        self.asked.set_result(None)

    def _on_signal(self, *_: Any) -> None:
        # Once only: Ctrl-C reaches a launched node twice, from the terminal and from launch.
        if self.interrupts:
            self.interrupts = False
            raise KeyboardInterrupt


def run_node(make: Callable[[], ManagedNode], args: Sequence[str] | None = None) -> None:
    """Make a node, bring it up and spin it until it is told to end by a signal.

    Parameters
    ----------
    make : callable
        Gives the node.
    args : sequence of str, optional
        Command line with ROS arguments; the process's own by default.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    signals = _EndSignals()
    node = None
    try:
        node = make()
        library = logging.getLogger('jetson_perception')
        library.setLevel(logging.INFO)
        library.propagate = False
        library.addHandler(_ToRosLog(node))
        node.bring_up()
        signals.interrupts = False
        rclpy.spin_until_future_complete(node, signals.asked)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signals.interrupts = False
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
