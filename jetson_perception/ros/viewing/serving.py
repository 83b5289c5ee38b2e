"""Runs the node of the live view and its web server, until a signal comes."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

import rclpy
from rclpy.signals import SignalHandlerOptions

from jetson_perception.dds import transports
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.process import ending
from jetson_perception.ros.arguments import require_utf8
from jetson_perception.ros.beginning import SEGMENT_BYTES
from jetson_perception.ros.log_folder import require_log_folder
from jetson_perception.ros.run import END_SIGNALS, log_library_to
from jetson_perception.ros.viewing.live_robot import LiveRobot
from jetson_perception.ros.viewing.node_thread import NodeThread
from jetson_perception.ros.viewing.notifying import keep_notifying
from jetson_perception.view.access import Access
from jetson_perception.view.server import Server
from jetson_perception.view.token_file import read_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rclpy.node import Node

    from jetson_perception.ros.viewing.arguments import Options

log = logging.getLogger('jetson_perception.view')


def serve(options: Options, args: Sequence[str]) -> None:
    """Serve the page of the graph.

    Raises
    ------
    ParameterError
        When the port, the token file or the folder of recordings cannot be used.
    """
    require_utf8(args)
    require_log_folder()
    token = '' if options.token_file is None else read_token(options.token_file)
    if options.recordings is not None:
        _make_folder(options.recordings)
    access = Access(token, (socket.gethostname(), *options.names))
    listening = _listening(options.address, options.port)
    stop = _Stop()
    signals = ending.EndSignals(END_SIGNALS, stop.set)
    transports.take(SEGMENT_BYTES)
    rclpy.init(args=list(args), signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node('view', start_parameter_services=False)
        transports.forget_profile()
        log_library_to(node)
        # What aiohttp tells of requests that it cannot read is none of a robot's warnings.
        logging.getLogger('aiohttp').setLevel(logging.CRITICAL)
        _run(node, options, access, listening, stop)
        rclpy.try_shutdown()
    finally:
        transports.forget_profile()
        listening.close()
        signals.ignore()
    ending.leave()


class _Stop:
    """Ends what waits for it in a loop; set by a signal, even before there is a loop."""

    def __init__(self) -> None:
        self._is_set = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def set(self) -> None:
        """End the wait; any thread may call this."""
        self._is_set = True
        if self._loop is not None and self._event is not None:
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return once it is set."""
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if not self._is_set:
            await self._event.wait()


def _run(
    node: Node, options: Options, access: Access, listening: socket.socket, stop: _Stop
) -> None:
    thread = NodeThread(node)
    robot = LiveRobot(node, thread, options.topics)

    async def serve_until_stopped() -> None:
        server = Server(robot, access, options.recordings)
        await server.start(listening)
        said = _said(options, listening)
        log.info('%s', said)
        notifying = asyncio.create_task(keep_notifying(thread, said))
        await stop.wait()
        notifying.cancel()
        await server.close()

    thread.start()
    try:
        asyncio.run(serve_until_stopped())
    finally:
        if thread.close():
            node.destroy_node()


def _said(options: Options, listening: socket.socket) -> str:
    """Where the page is; never the token."""
    address, port = listening.getsockname()[:2]
    host = f'[{address}]' if ':' in address else address
    if options.token_file is None:
        return f'the live view is at http://{host}:{port}/'
    any_address = address in {'0.0.0.0', '::'}
    host = socket.gethostname() if any_address else host
    return (
        f'the live view is at http://{host}:{port}/, for those who have the token in '
        f'{options.token_file}; what they see and send is not encrypted'
    )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise ParameterError(
            f'recordings cannot go to {printable(path)}: {err.strerror}; give another folder to '
            '--recordings'
        ) from None


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
        made.listen(64)  # Linux lets two bind a port as long as neither listens
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise ParameterError(
                f'port {port} of {address} is in use, perhaps by another live view; give another '
                'one: --port 8081'
            ) from None
        raise ParameterError(
            f'the live view cannot listen on port {port} of {address}: {error.strerror}'
        ) from None
    return made
