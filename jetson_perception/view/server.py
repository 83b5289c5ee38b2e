"""The web server: which address gives what."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import web

from jetson_perception.errors import ParameterError
from jetson_perception.view.connections import (
    MOST_CONNECTIONS,
    PATIENCE_S,
    Connections,
)
from jetson_perception.view.guard import add_headers, cookie_name, guard, require_patience
from jetson_perception.view.guesses import GUESS_S, Guesses
from jetson_perception.view.page_files import page_files
from jetson_perception.view.picture_feeds import PictureFeeds
from jetson_perception.view.recorder import Recorder
from jetson_perception.view.seats import Seats
from jetson_perception.view.shared_call import SharedCall
from jetson_perception.view.state_feed import StateFeed
from jetson_perception.view.streaming import (
    open_socket,
    send_mjpeg,
    send_pictures,
    send_states,
)

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from jetson_perception.view.access import Access
    from jetson_perception.view.robot import Robot

_MOST_REQUEST_BYTES = 64 * 1024
_MOST_FIELDS = 8
_SESSION_S = 30 * 24 * 3600
_CLOSING_S = 1.0
#: What the end of videos may take: less than a process has to end, all in all.
_RECORDED_S = 1.5
#: Parameters that are being set at once; more wait.
_MOST_SETTING = 8


class Server:
    """Serves the page of a robot; made in the loop that it runs in.

    Parameters
    ----------
    robot : Robot
        What the page shows.
    access : Access
        Who may see it.
    recordings : Path or None
        The folder that recordings go to; None if nothing may be recorded.
    most_connections : int
        Connections that are open at once.
    patience_s : float
        How long a request may take to come.
    guess_s : float
        How long an address has to wait after a wrong token.
    """

    def __init__(
        self,
        robot: Robot,
        access: Access,
        recordings: Path | None = None,
        *,
        most_connections: int = MOST_CONNECTIONS,
        patience_s: float = PATIENCE_S,
        guess_s: float = GUESS_S,
    ) -> None:
        self._robot = robot
        self._access = access
        self._files = page_files()
        self._pictures = PictureFeeds(robot)
        self._recorder = Recorder(recordings, self._pictures, robot)
        self._states = StateFeed(robot, self._recorder)
        self._seats = Seats()
        self._guesses = Guesses(guess_s)
        self._reading = SharedCall(robot.parameters)
        self._setting = asyncio.Semaphore(_MOST_SETTING)
        self._connections = Connections(most_connections, patience_s)
        middlewares = [
            self._connections.hearing(),
            guard(access, self._guesses),
            self._connections.reading(),
        ]
        app = web.Application(middlewares=middlewares, client_max_size=_MOST_REQUEST_BYTES)
        app.on_response_prepare.append(add_headers)
        app.add_routes(
            [
                web.get('/', self._index),
                web.get('/files/{name}', self._file),
                web.get('/login', self._ask_for_token),
                web.post('/login', self._log_in),
                web.get('/mjpeg', self._mjpeg, allow_head=False),
                web.get('/pictures', self._picture_socket, allow_head=False),
                web.get('/state', self._state_socket, allow_head=False),
                web.get('/parameters', self._parameters),
                web.post('/parameters', self._set_parameter),
                web.post('/recording', self._record),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=patience_s
        )

    async def start(self, listening: socket.socket) -> None:
        """Begin to serve on a socket that is bound."""
        await self._runner.setup()
        await self._connections.open(self._runner.server, listening)

    async def close(self) -> None:
        """Complete what is recorded, end all streams and the server, within about two seconds."""
        self._connections.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._recorder.stop(), _RECORDED_S)
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
        require_patience(self._guesses, request)
        if not self._access.is_token(_token_in(await request.read())):
            await self._guesses.was_wrong(request.remote)
            raise web.HTTPForbidden(text='this is not the token\n')
        response = web.Response(status=303, headers={'Location': '/'})
        response.set_cookie(
            cookie_name(request),
            self._access.session,
            max_age=_SESSION_S,
            httponly=True,
            samesite='Strict',
            secure=request.headers.get('Origin', '').lower().startswith('https:'),
        )
        return response

    async def _mjpeg(self, request: web.Request) -> Any:
        topic = await self._topic(request)
        with self._seats.taken(), self._pictures.watching(topic) as viewer:
            return await send_mjpeg(request, viewer)

    async def _picture_socket(self, request: web.Request) -> Any:
        topic = await self._topic(request)
        with self._seats.taken():
            opened = await open_socket(request)
            with self._pictures.watching(topic, request.query.get('video', '')) as viewer:
                await send_pictures(request, opened, viewer)
        return opened

    async def _state_socket(self, request: web.Request) -> Any:
        with self._seats.taken():
            opened = await open_socket(request)
            with self._states.looking() as slot:
                await send_states(request, opened, slot)
        return opened

    async def _topic(self, request: web.Request) -> str:
        topic = request.query.get('topic', '')
        if topic not in await self._robot.picture_topics():
            raise web.HTTPNotFound(text='there is no such stream of pictures\n')
        return topic

    async def _parameters(self, _: web.Request) -> Any:
        return web.json_response(await self._reading.answer())

    async def _set_parameter(self, request: web.Request) -> Any:
        node, name, value = await _asked(request, 'node', 'name', 'value')
        if not (isinstance(node, str) and isinstance(name, str)):
            raise web.HTTPBadRequest(text='node and name have to be texts\n')
        try:
            async with self._setting:
                await self._robot.set_parameter(node, name, value)
        except ParameterError as error:
            return web.json_response({'error': str(error)}, status=422)
        return web.json_response({})

    async def _record(self, request: web.Request) -> Any:
        """Record some streams; none ends the recording."""
        (topics,) = await _asked(request, 'streams')
        if not (isinstance(topics, list) and all(isinstance(each, str) for each in topics)):
            raise web.HTTPBadRequest(text='streams have to be a list of texts\n')
        try:
            await (self._recorder.start(topics) if topics else self._recorder.stop())
        except ParameterError as error:
            return web.json_response({'error': str(error)}, status=422)
        return web.json_response(self._recorder.state())


async def _asked(request: web.Request, *names: str) -> list[Any]:
    """The values of a request's JSON; HTTP 400 if they are not there."""
    try:
        asked = json.loads(await request.text())
        return [asked[name] for name in names]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise web.HTTPBadRequest(text=f'expected JSON with {", ".join(names)}\n') from None


def _token_in(form: bytes) -> str:
    """The token of a form; empty if it has none."""
    try:
        fields = parse_qs(form.decode(errors='replace'), max_num_fields=_MOST_FIELDS)
    except ValueError:  # too many fields
        return ''
    return fields.get('token', [''])[0].strip()
