"""Connections to the server: how many there may be, and how long each may take to ask.

aiohttp waits for a request for as long as a connection is open. Whoever opens many of them and
says little would take all file descriptors of the process, without ever showing a token.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    _Handler = Callable[[web.Request], Awaitable[Any]]

MOST_CONNECTIONS = 400
"""Connections at once: seats for streams, and as many for all else."""

PATIENCE_S = 10.0
"""How long a request may take to come, seconds."""

#: How often it is seen whether one is late; as often as a request may come late, at least.
_LOOK_S = 1.0


class Connections:
    """Makes the protocol of each connection; what `asyncio.loop.create_server` is given.

    Parameters
    ----------
    most : int
        Connections at once. Another one takes the place of the one that has waited longest to ask
        for something; where all have asked, it is refused.
    patience_s : float
        How long a connection may take to bring its first request.
    """

    def __init__(self, most: int, patience_s: float) -> None:
        #: aiohttp's, which speaks HTTP; there before the first connection.
        self._server: Any = None
        self._most = most
        self._patience_s = patience_s
        #: Since when each is silent, by aiohttp's handler; infinite once it has asked.
        self._silent_since: dict[Any, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Server | None = None

    def __call__(self) -> asyncio.BaseProtocol:
        """The protocol of a connection that was accepted."""
        if not self._make_room(for_more=1):
            return _Refused()
        if self._timer is None:
            self._look_later()
        return cast('asyncio.BaseProtocol', self._server())

    async def open(self, server: Any, listening: socket.socket) -> None:
        """Begin to accept connections on a bound socket, for an `aiohttp.web.Server`."""
        self._server = server
        self._listener = await asyncio.get_running_loop().create_server(self, sock=listening)

    def hearing(self) -> Any:
        """A middleware that sees which connections have brought a request, in time."""

        async def heard(request: web.Request, handler: _Handler) -> Any:
            self._silent_since[request.protocol] = math.inf
            return await handler(request)

        return web.middleware(heard)

    def reading(self) -> Any:
        """A middleware that reads what is sent with a request, which may not take longer."""

        async def read(request: web.Request, handler: _Handler) -> Any:
            if request.method not in {'GET', 'HEAD'}:
                try:
                    await asyncio.wait_for(request.read(), self._patience_s)
                except asyncio.TimeoutError:
                    raise web.HTTPRequestTimeout(
                        text='the request took too long to come\n'
                    ) from None
            return await handler(request)

        return web.middleware(read)

    def close(self) -> None:
        """Accept no more."""
        if self._listener is not None:
            self._listener.close()
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(_LOOK_S, self._patience_s / 2), self._look)

    def _look(self) -> None:
        """End what is late, as long as there are connections."""
        self._timer = None
        self._make_room()
        begun_s = self._follow() - self._patience_s
        for handler, since_s in self._silent_since.items():
            if since_s < begun_s:
                _end(handler)
        if self._silent_since:
            self._look_later()

    def _follow(self) -> float:
        """See which connections there are; returns the time."""
        now_s = asyncio.get_running_loop().time()
        known = self._silent_since
        self._silent_since = {each: known.get(each, now_s) for each in self._server.connections}
        return now_s

    def _make_room(self, for_more: int = 0) -> bool:
        """End what is silent for longest, as far as is needed; whether there is room then.

        Several connections may be accepted before one of them is the server's: these come above
        the limit, and are seen by the next look.
        """
        self._follow()
        open_ones = [each for each in self._silent_since if not _is_ending(each)]
        surplus = len(open_ones) + for_more - self._most
        silent = [each for each in open_ones if self._silent_since[each] < math.inf]
        # Of those that were seen together, the first was accepted first.
        for handler in sorted(silent, key=self._silent_since.__getitem__)[: max(surplus, 0)]:
            _end(handler)
        return surplus <= len(silent)


class _Refused(asyncio.Protocol):
    """Ends a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast('asyncio.Transport', transport).abort()


def _is_ending(handler: Any) -> bool:
    return handler.transport is None or handler.transport.is_closing()


def _end(handler: Any) -> None:
    if handler.transport is not None:
        handler.transport.abort()
