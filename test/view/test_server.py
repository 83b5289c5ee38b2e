"""The web server in front of a stand-in for a robot, attacked as the network can."""

import asyncio
import json
import socket
import threading
import time
from contextlib import ExitStack, closing

import pytest

from jetson_perception.view.access import Access

aiohttp = pytest.importorskip('aiohttp')

from nodes.browser import Browser  # noqa: E402 - which needs aiohttp

from jetson_perception.view import streaming  # noqa: E402 - as well
from jetson_perception.view.robot import Picture  # noqa: E402 - as well
from jetson_perception.view.server import Server  # noqa: E402 - as well

TOKEN = 'a token of enough characters'
PATIENCE_S = GUESS_S = 0.2
DEADLINE_S = 10.0


class StandInRobot:
    """A `view.robot.Robot` without ROS."""

    def __init__(self):
        self.asked = 0
        self.answered = asyncio.Event()

    async def picture_topics(self):
        return ['/annotated']

    def open_pictures(self, topic, give):
        return lambda: None

    def open_state(self):
        return lambda: None

    def state(self):
        return 1, {'streams': ['/annotated']}

    async def parameters(self):
        self.asked += 1
        await self.answered.wait()
        return []

    async def set_parameter(self, node, name, value):
        pass


class Site:
    """A server that runs in a thread; close it."""

    def __init__(self, access, port=0, **limits):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        listening = socket.create_server(('127.0.0.1', port))
        self.port = listening.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        self.robot, self.server = self.run(self.made(access, limits))
        self.run(self.server.start(listening))

    @staticmethod
    def made_robot():
        return StandInRobot()

    async def made(self, access, limits):
        robot = self.made_robot()
        return robot, Server(robot, access, **limits)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE_S)

    def close(self):
        self.run(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def connection(self, said=b''):
        made = socket.create_connection(('127.0.0.1', self.port), timeout=DEADLINE_S)
        made.sendall(said)
        return made


@pytest.fixture
def site():
    """A server of few connections, where a token is needed."""
    limits = {'most_connections': 8, 'patience_s': PATIENCE_S, 'guess_s': GUESS_S}
    with closing(Site(Access(TOKEN), **limits)) as made:
        yield made


def answer_of(connection):
    """All that comes until the other side ends."""
    got = b''
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


HEAD = b'POST /login HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n'


class TestSlow:
    @pytest.mark.parametrize(
        'said',
        [
            pytest.param(b'', id='nothing'),
            pytest.param(b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ', id='half_a_head'),
            pytest.param(b'GET /login HTTP/1.1\r\n\r\nGET / HT', id='a_second_half'),
        ],
    )
    def test_a_request_that_does_not_come_ends_its_connection(self, site, said):
        with site.connection(said) as connection:
            answer_of(connection)  # else it would wait until the deadline

    def test_a_body_that_does_not_come(self, site):
        head = HEAD % (site.port, site.port) + b'Content-Length: 100\r\n\r\ntoken='
        with site.connection(head) as connection:
            assert connection.recv(20).startswith(b'HTTP/1.1 408')

    def test_silent_connections_keep_nobody_out(self):
        """Nor those that asked, and stay: only the silent ones make room."""
        limits = {'most_connections': 8, 'patience_s': 60.0}
        with closing(Site(Access(), **limits)) as site, closing(Browser(site.url)) as browser:
            state = browser.socket('/state')
            browser.state_where(state, lambda _: True)
            with ExitStack() as stack:
                silent = [stack.enter_context(site.connection()) for _ in range(20)]
                assert browser.ask('/')[0] == 200
                assert answer_of(silent[0]) == b''
            assert not state.closed
            browser.run(state.close())


class TestToken:
    def test_who_has_none_gets_one_answer_a_connection(self, site):
        """However many requests wait behind it."""
        request = b'GET /files/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
        with site.connection(request * 5) as connection:
            assert answer_of(connection).count(b'HTTP/1.1 200') == 1

    @pytest.mark.parametrize('way', ['form', 'header'])
    def test_a_wrong_one_has_to_wait(self, site, way):
        """From its address alone, however it is given; a session is never held up."""
        with closing(Browser(site.url)) as browser, closing(Browser(site.url)) as other:
            own = {'headers': {'Origin': site.url}}
            assert browser.ask('/login', 'POST', data={'token': TOKEN}, **own)[0] == 303
            guess = {
                'form': ('/login', 'POST', {'data': {'token': 'wrong'}, **own}),
                'header': ('/parameters', 'GET', {'headers': {'Authorization': 'Bearer wrong'}}),
            }[way]

            async def ask(path, method, options):
                async with other.session.request(method, site.url + path, **options) as response:
                    return response.status

            async def guesses():
                return await asyncio.gather(*(ask(*guess) for _ in range(5)))

            begun = time.monotonic()
            statuses = sorted(other.run(guesses()))
            assert statuses == [401 if way == 'header' else 403, 429, 429, 429, 429]
            assert time.monotonic() - begun >= GUESS_S
            assert browser.ask('/')[0] == 200

    @pytest.mark.parametrize(
        'form',
        [
            pytest.param(b'', id='empty'),
            pytest.param(b'&'.join(b'token=%d' % i for i in range(100)), id='many_fields'),
            pytest.param(b'token=%ff%fe', id='not_utf8'),
            pytest.param(b'\xff\xfe', id='binary'),
        ],
    )
    def test_forms_without_one(self, site, form):
        with closing(Browser(site.url)) as browser:
            headers = {
                'Origin': site.url,
                'Content-Type': 'application/x-www-form-urlencoded; charset=no-such',
            }
            assert browser.ask('/login', 'POST', data=form, headers=headers)[0] == 403

    @pytest.mark.parametrize(('scheme', 'is_secure'), [('http', False), ('https', True)])
    def test_behind_tls_the_session_stays_there(self, site, scheme, is_secure):
        with closing(Browser(site.url)) as browser:
            own = {'Origin': f'{scheme}://127.0.0.1:{site.port}'}
            _, headers, _ = browser.ask('/login', 'POST', data={'token': TOKEN}, headers=own)
            assert ('Secure' in headers['Set-Cookie']) is is_secure


@pytest.mark.parametrize(
    'path', ['/mjpeg?topic=/annotated', '/state', '/pictures?topic=/annotated']
)
def test_a_stream_has_no_head(path):
    """Which would never end, and hold a seat."""
    with closing(Site(Access())) as site, closing(Browser(site.url)) as browser:
        assert browser.ask(f'{path}?topic=/annotated', 'HEAD')[0] == 405


@pytest.mark.parametrize('site_of', ['cross-site', 'same-site'])
def test_another_port_of_this_machine_is_another_page(site_of):
    with closing(Site(Access())) as site, closing(Browser(site.url)) as browser:
        asked = {'headers': {'Sec-Fetch-Site': site_of}}
        assert browser.ask('/parameters', **asked)[0] == 403
        assert browser.ask('/', **asked)[0] == 200


def test_many_pages_read_the_parameters_together():
    """Nodes are asked once; who leaves meanwhile keeps the answer from nobody."""
    with closing(Site(Access())) as site, closing(Browser(site.url)) as browser:

        async def ask():
            async with browser.session.get(f'{site.url}/parameters') as response:
                return await response.text()

        async def all_of_them():
            asking = [asyncio.ensure_future(ask()) for _ in range(50)]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(asking[0]), 0.2)
            asking[0].cancel()
            site.loop.call_soon_threadsafe(site.robot.answered.set)
            return await asyncio.gather(*asking[1:])

        assert [json.loads(text) for text in browser.run(all_of_them())] == [[]] * 49
        assert site.robot.asked < 25


HANDSHAKE = (
    'GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: http://127.0.0.1:{}\r\n'
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
    'Sec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n'
)


class Busy(StandInRobot):
    """One that has more to say than sockets hold."""

    def __init__(self):
        super().__init__()
        self.viewers = []
        self.states = 0
        self.number = 0

    def open_pictures(self, topic, give):
        self.viewers.append(give)
        return lambda: self.viewers.remove(give)

    def open_state(self):
        self.states += 1

        def close():
            self.states -= 1

        return close

    def state(self):
        self.number += 1
        return self.number, {'streams': [' ' * 1_000_000]}


class BusySite(Site):
    @staticmethod
    def made_robot():
        return Busy()


def test_a_picture_of_mjpeg_is_sent_once_more_where_none_follows():
    """Chromium shows one when the head of the next one comes."""
    with closing(BusySite(Access())) as site, closing(Browser(site.url)) as browser:
        stream = browser.mjpeg('/annotated')
        deadline_s = time.monotonic() + DEADLINE_S
        while not site.robot.viewers:
            assert time.monotonic() < deadline_s
        for data in (b'one', b'two'):
            for give in list(site.robot.viewers):
                give(Picture(data, 'image/jpeg'))
            assert [browser.part(stream)[1] for _ in range(2)] == [data, data]


@pytest.mark.parametrize('path', ['/pictures?topic=/annotated', '/state'])
def test_who_takes_nothing_is_let_go(path, monkeypatch):
    """By the server itself: not each aiohttp sees it by its heartbeat."""
    monkeypatch.setattr(streaming, '_PATIENCE_S', 0.3)
    monkeypatch.setattr(streaming, '_HEARTBEAT_S', None)
    with closing(BusySite(Access())) as site:
        robot = site.robot
        said = HANDSHAKE.format(path, site.port, site.port).encode()
        with site.connection(said):
            deadline_s = time.monotonic() + DEADLINE_S
            while not (robot.viewers or robot.states):
                assert time.monotonic() < deadline_s
            for give in list(robot.viewers):
                give(Picture(bytes(20_000_000), 'image/jpeg'))
            while robot.viewers or robot.states:
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
