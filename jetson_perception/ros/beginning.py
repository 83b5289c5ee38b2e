"""Begins ROS in a process: at once, or before the modules of its node are imported.

A participant hears of a camera that runs already when that announces itself, every 3 s by default:
what is answered to its own announcement comes before it listens. So a node's participants are
made as early as can be, and its modules are imported, and models loaded, while they wait.

Imports little beside rclpy.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from jetson_perception.dds import transports
from jetson_perception.printable import printable_line
from jetson_perception.process.start_times import START_TIMES
from jetson_perception.ros.arguments import require_utf8
from jetson_perception.ros.bare_arguments import HELP, require_ros_arguments
from jetson_perception.ros.log_folder import require_log_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SEGMENT_BYTES = 16 * transports.MEBIBYTE
"""Shared memory for what a node of ours sends: pictures of a camera's size, and small messages."""


def require_arguments(args: Sequence[str] | None, does: str) -> None:
    """End the process, with a line that says why, where ROS could not begin with a command line.

    Parameters
    ----------
    args : sequence of str or None
        The command line with the program; None for the process's own.
    does : str
        What the node does, for its help.
    """
    require_utf8(args)
    require_ros_arguments(args, does)
    require_log_folder()


def begin(args: Sequence[str] | None, segment_bytes: int) -> transports.Transports:
    """Begin ROS with a command line and the transports of our choice, which are returned.

    Raises
    ------
    SystemExit
        Where ROS refuses the command line; with a line that says so.
    """
    taken = transports.take(segment_bytes)
    # rclpy's own handlers take the context down at once: then results under way cannot be
    # published, nor a service call be answered, and each says so with a traceback.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # noqa: BLE001 - RCLError and others, by the release of ROS
        said = printable_line(' '.join(str(error).split()), 600)
        raise SystemExit(
            f'ROS refuses the command line or its params file: {said}. Values are YAML, in which '
            'texts with = or : need quotes: -p "sources:=[\'front=csi://0\']"'
        ) from None
    return taken


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def udp_context(node: Node) -> Context:
    """A context beside that of a node, whose first node is to be made with other transports.

    In the same domain and, where ROS's security is on, the same enclave; see `environment`.
    """
    context = Context()
    rclpy.init(
        args=['--ros-args', '--enclave', _enclave(node)],
        context=context,
        domain_id=node.context.get_domain_id(),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    return context


class EarlyParticipants:
    """The participants of a process whose node is still to be made; for the main thread.

    Attributes
    ----------
    taken : Transports or None
        What the process has taken; None where ROS was not begun early.
    """

    def __init__(self) -> None:
        self.taken: transports.Transports | None = None
        # rmw_fastrtps makes a participant with the first node of a context. These stand for the
        # nodes to come, without topics; `ros2 node list` does not show such names.
        self._own: Node | None = None
        self._udp: tuple[Context, Node] | None = None

    def begin(self) -> None:
        """Begin ROS with the process's command line, and make both participants.

        Does nothing where help is asked for, which the node knows. Raises SystemExit as `begin`.
        """
        if set(sys.argv) & HELP:
            return
        START_TIMES.done('Python and rclpy')
        require_arguments(None, '')
        self.taken = begin(None, SEGMENT_BYTES)
        atexit.register(self.end)  # where the node's modules cannot be imported
        # Without them, the node makes its own, and says what is wrong.
        with suppress(Exception):
            self._own = _placeholder(rclpy.get_default_context())
            if transports.udp_alone():
                with environment(transports.udp_alone()):
                    context = udp_context(self._own)
                    self._udp = context, _placeholder(context)
        START_TIMES.done('ROS')

    def take_udp(self) -> tuple[Context, Node] | None:
        """The context that offers UDP alone, and what is to be destroyed once it has a node."""
        udp, self._udp = self._udp, None
        return udp

    def node_is_made(self) -> None:
        """Let go of what stood for the node."""
        own, self._own = self._own, None
        if own is not None:
            own.destroy_node()

    def close(self) -> None:
        """Leave the graph with what nobody has taken."""
        self.node_is_made()
        udp = self.take_udp()
        if udp is not None:
            context, node = udp
            node.destroy_node()
            rclpy.try_shutdown(context=context)

    def end(self) -> None:
        """Leave the graph altogether: the process is told to end before it has a node."""
        with suppress(Exception):
            self.close()
            transports.forget_profile()
            rclpy.try_shutdown()


EARLY = EarlyParticipants()
"""Those of this process."""


def _placeholder(context: Context) -> Node:
    return Node(
        f'_starting_{os.getpid()}',
        context=context,
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )


def _enclave(node: Node) -> str:
    """The enclave whose keys a node's participant has, where ROS's security is on; else '/'."""
    own = (node.get_name(), node.get_namespace())
    for *name, enclave in node.get_node_names_and_namespaces_with_enclaves():
        if tuple(name) == own:
            return str(enclave)
    return '/'
