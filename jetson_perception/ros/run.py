"""How an executable runs its node."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.logging import LoggingSeverity

from jetson_perception.camera.native_output import quiet_opencv
from jetson_perception.dds import transports
from jetson_perception.printable import printable_lines
from jetson_perception.process import ending
from jetson_perception.process.start_times import START_TIMES
from jetson_perception.ros.beginning import EARLY, SEGMENT_BYTES, begin, require_arguments
from jetson_perception.ros.lifecycle_bond import bond_with_manager
from jetson_perception.ros.process_scheduling import schedule_process
from jetson_perception.ros.spinning import Spinner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

    from jetson_perception.ros.lifecycle_bond import LifecycleBond
    from jetson_perception.ros.managed_node import ManagedNode

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ToRosLog(logging.Handler):
    """Passes the library's log to the node's, so that both are in one place."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._log = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, by its level."""
        text = printable_lines(self.format(record))
        if record.levelno >= logging.ERROR:
            self._log.error(text)
        elif record.levelno >= logging.WARNING:
            self._log.warning(text)
        elif record.levelno >= logging.INFO:
            self._log.info(text)
        else:
            self._log.debug(text)


def log_library_to(node: Node) -> None:
    """Have the library log what it has to say as this node."""
    library = logging.getLogger('jetson_perception')
    at_debug = node.get_logger().is_enabled_for(LoggingSeverity.DEBUG)
    library.setLevel(logging.DEBUG if at_debug else logging.INFO)
    library.propagate = False
    library.addHandler(ToRosLog(node))


def run_node(
    make: Callable[[], ManagedNode],
    args: Sequence[str] | None = None,
    segment_bytes: int = SEGMENT_BYTES,
) -> None:
    """Make a node, bring it up and spin it until it is told to end by a signal.

    Parameters
    ----------
    make : callable
        Gives the node.
    args : sequence of str, optional
        Command line with ROS arguments; the process's own by default.
    segment_bytes : int
        Shared memory for what the node sends, where there is enough.
    """
    START_TIMES.done('imports' if EARLY.taken else 'Python and imports')
    spinner = Spinner()
    # Nothing is raised in the main thread: a node interrupted while it activates would leave
    # threads that nobody ends.
    node: ManagedNode | None = None
    bond: LifecycleBond | None = None

    def end() -> None:
        spinner.stop()
        if node is not None:
            node.end_soon()

    if EARLY.taken is None:
        require_arguments(args, (make.__doc__ or '').partition('\n')[0])
    signals = ending.EndSignals(END_SIGNALS, end)
    taken = EARLY.taken
    if taken is None:
        taken = begin(args, segment_bytes)
        START_TIMES.done('ROS')
    quiet_opencv()
    try:
        node = make()
        EARLY.node_is_made()
        transports.forget_profile()
        bond = bond_with_manager(node)
        log_library_to(node)
        schedule_process(node)
        START_TIMES.done('making the node')
        logging.getLogger('jetson_perception').info('transports: %s', taken.description)
        if not spinner.stopped:
            node.bring_up(sys.argv if args is None else args)
        EARLY.close()  # of what the node has no use for
        spinner.spin(node)
    except ExternalShutdownException:
        pass
    finally:
        transports.forget_profile()  # also of a node that could not be made
        try:
            EARLY.close()
            if bond is not None:
                bond.close()
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
        finally:
            signals.ignore()  # only now: what hangs so far ends by a signal
    ending.leave(ending.ENDED_BY_FORCE if node is not None and node.left_behind.stuck() else 0)
