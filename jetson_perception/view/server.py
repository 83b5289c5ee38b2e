"""The web server: which address gives what."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from jetson_perception.errors import ParameterError
from jetson_perception.view.guard import COOKIE, add_headers, guard
from jetson_perception.view.page_files import page_files
from jetson_perception.view.picture_feeds import PictureFeeds
from jetson_perception.view.seats import Seats
from jetson_perception.view.state_feed import StateFeed
from jetson_perception.view.streaming import (
    open_socket,
    send_mjpeg,
    send_pictures,
    send_states,
)

if TYPE_CHECKING:
    import socket

    from jetson_perception.view.access import Access
    from jetson_perception.view.robot import Robot

_MOST_REQUEST_BYTES = 64 * 1024
#: How long a guess at the token takes at least.
_GUESS_S = 1.0
_SESSION_S = 30 * 24 * 3600
_CLOSING_S = 1.0


class Server:
    """Serves the page of a robot; made in the loop that it runs in.

    Parameters
    ----------
    robot : Robot
        What the page shows.
    access : Access
        Who may see it.
    """

    def __init__(self, robot: Robot, access: Access) -> None:
        self._robot = robot
        self._access = access
        self._files = page_files()
        self._pictures = PictureFeeds(robot)
        self._states = StateFeed(robot)
        self._seats = Seats()
        #: One guess at the token at a time.
        self._guessing = asyncio.Lock()
        app = web.Application(middlewares=[guard(access)], client_max_size=_MOST_REQUEST_BYTES)
        app.on_response_prepare.append(add_headers)
        app.add_routes(
            [
                web.get('/', self._index),
                web.get('/files/{name}', self._file),
                web.get('/login', self._ask_for_token),
                web.post('/login', self._log_in),
                web.get('/mjpeg', self._mjpeg),
                web.get('/pictures', self._picture_socket),
                web.get('/state', self._state_socket),
                web.get('/parameters', self._parameters),
                web.post('/parameters', self._set_parameter),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, listening: socket.socket) -> None:
        """Begin to serve on a socket that is bound."""
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        """End all streams and the server, within about a second."""
        self._seats.end()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._runner.cleanup(), _CLOSING_S)

    async def _index(self, _: web.Request) -> Any:
        return self._answer('index.html')

    async def _file(self, request: web.Request) -> Any:
        return self._answer(request.match_info['name'])

    def _answer(self, name: str) -> Any:
        file = self._files.get(name)
        if file is None:
            raise web.HTTPNotFound(text='there is no such file\n')
        return web.Response(body=file.data, content_type=file.content_type, charset='utf-8')

    async def _ask_for_token(self, _: web.Request) -> Any:
        return self._answer('login.html')

    async def _log_in(self, request: web.Request) -> Any:
        form = await request.post()
        given = form.get('token', '')
        async with self._guessing:
            if not (isinstance(given, str) and self._access.is_token(given.strip())):
                await asyncio.sleep(_GUESS_S)
                raise web.HTTPForbidden(text='this is not the token\n')
        response = web.Response(status=303, headers={'Location': '/'})
        response.set_cookie(
            COOKIE, self._access.session, max_age=_SESSION_S, httponly=True, samesite='Strict'
        )
        return response

    async def _mjpeg(self, request: web.Request) -> Any:
        topic = await self._topic(request)
        with self._seats.taken(), self._pictures.watching(topic) as slot:
            return await send_mjpeg(request, slot)

    async def _picture_socket(self, request: web.Request) -> Any:
        topic = await self._topic(request)
        with self._seats.taken():
            opened = await open_socket(request)
            with self._pictures.watching(topic) as slot:
                await send_pictures(opened, slot)
        return opened

    async def _state_socket(self, request: web.Request) -> Any:
        with self._seats.taken():
            opened = await open_socket(request)
            with self._states.looking() as slot:
                await send_states(opened, slot)
        return opened

    async def _topic(self, request: web.Request) -> str:
        topic = request.query.get('topic', '')
        if topic not in await self._robot.picture_topics():
            raise web.HTTPNotFound(text='there is no such stream of pictures\n')
        return topic

    async def _parameters(self, _: web.Request) -> Any:
        return web.json_response(await self._robot.parameters())

    async def _set_parameter(self, request: web.Request) -> Any:
        try:
            asked = json.loads(await request.text())
            node, name, value = asked['node'], asked['name'], asked['value']
        except (ValueError, KeyError, TypeError, LookupError, RecursionError):
            raise web.HTTPBadRequest(text='expected JSON with node, name and value\n') from None
        if not (isinstance(node, str) and isinstance(name, str)):
            raise web.HTTPBadRequest(text='node and name have to be texts\n')
        try:
            await self._robot.set_parameter(node, name, value)
        except ParameterError as error:
            return web.json_response({'error': str(error)}, status=422)
        return web.json_response({})
