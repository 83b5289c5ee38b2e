"""Pictures and states to one viewer, as fast as it takes them: what it is too slow for is skipped.

The kernel would take megabytes for a slow viewer, and show it what was seconds ago. So the page
asks for each picture over a WebSocket, and where nobody asks (MJPEG), little may wait in the
socket. (Browsers open six connections to a server at most, but many WebSockets.)
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jetson_perception.view.newest_slot import NewestSlot
    from jetson_perception.view.robot import Picture
    from jetson_perception.view.viewer import Viewer

#: Pictures on their way to the page at once: one is shown while the next one travels.
_UNDER_WAY = 2
_BOUNDARY = 'picture'
#: How often it is seen whether a viewer for whom there are no pictures is still there.
_LOOK_S = 1.0
#: How long a picture of MJPEG waits for the next one, before it is sent again.
_AGAIN_S = 0.2
#: A viewer that takes nothing for so long is gone.
_PATIENCE_S = 30.0
#: Bytes that wait in a socket of MJPEG beyond those that the network has under way.
_MOST_WAITING = 64 * 1024
_MOST_MESSAGE_BYTES = 1024
_HEARTBEAT_S = 15.0


async def open_socket(request: web.Request) -> Any:
    """The WebSocket of a request."""
    opened = web.WebSocketResponse(
        heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_MESSAGE_BYTES, compress=False, timeout=0.5
    )
    _keep_little(request.transport)
    await opened.prepare(request)
    return opened


async def send_pictures(request: web.Request, opened: Any, viewer: Viewer) -> None:
    """Send pictures over a WebSocket, each once the page says `next`, until it closes.

    Where the page says `figures`, it is told what it gets and what not, as JSON.
    """
    wanted = asyncio.Semaphore(_UNDER_WAY)
    under_way = 0

    async def send() -> None:
        nonlocal under_way
        while True:
            await wanted.acquire()
            picture = await viewer.next()
            under_way += 1
            await _sent(request, opened.send_bytes(picture.data))

    sending = asyncio.ensure_future(send())
    try:
        async for message in opened:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == 'next' and under_way:
                under_way -= 1
                viewer.has_taken()
                wanted.release()
            elif message.data == 'figures':
                await _sent(request, opened.send_str(json.dumps(viewer.figures())))
    finally:
        await _ended(sending)


async def send_states(request: web.Request, opened: Any, slot: NewestSlot[str]) -> None:
    """Send states over a WebSocket until it closes."""

    async def send() -> None:
        while True:
            state = await slot.take()
            await _sent(request, opened.send_str(state))

    sending = asyncio.ensure_future(send())
    try:
        async for _ in opened:
            pass
    finally:
        await _ended(sending)


async def send_mjpeg(request: web.Request, viewer: Viewer) -> Any:
    """Answer with one picture after the other, until the viewer is gone.

    Chromium shows a picture once it has the head of the next one, whose length nobody knows yet.
    So the last one is sent again where none follows soon.
    """
    response = web.StreamResponse(
        headers={'Content-Type': f'multipart/x-mixed-replace; boundary={_BOUNDARY}'}
    )
    _keep_little(request.transport)
    await response.prepare(request)
    asked = asyncio.ensure_future(viewer.next())
    part = None
    try:
        while not _is_gone(request):
            done, _ = await asyncio.wait({asked}, timeout=_LOOK_S if part is None else _AGAIN_S)
            if done:
                part = _part(asked.result())
                await _sent(request, response.write(part))
                viewer.has_taken()
                asked = asyncio.ensure_future(viewer.next())
            elif part is not None:
                await _sent(request, response.write(part))
                part = None
    except ConnectionError:
        pass  # the viewer is gone, or takes nothing
    finally:
        asked.cancel()
    return response


async def _sent(request: web.Request, sending: Awaitable[None]) -> None:
    """Wait until the network has taken something, or end the connection.

    aiohttp before 3.10 does not see by its heartbeat that a viewer is gone for whom it waits.
    """
    try:
        await asyncio.wait_for(sending, _PATIENCE_S)
    except asyncio.TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError('the viewer takes nothing') from None


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await task


def _part(picture: Picture) -> bytes:
    head = (
        f'--{_BOUNDARY}\r\nContent-Type: {picture.content_type}\r\n'
        f'Content-Length: {len(picture.data)}\r\n\r\n'
    )
    return b''.join((head.encode(), picture.data, b'\r\n'))


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _keep_little(transport: Any) -> None:
    """Have writes wait until the network is about to take what is written."""
    if transport is None:
        return
    transport.set_write_buffer_limits(high=0)
    option = getattr(socket, 'TCP_NOTSENT_LOWAT', 25)  # Linux's number, which Python may not name
    with suppress(OSError):
        transport.get_extra_info('socket').setsockopt(socket.IPPROTO_TCP, option, _MOST_WAITING)
