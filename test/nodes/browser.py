"""A browser's side of the live view, with aiohttp's client in a loop of its own thread."""

import asyncio
import threading

import aiohttp

DEADLINE_S = 20.0


class Browser:
    """Sends requests to one server; close it."""

    def __init__(self, url, **headers):
        self.url = url.rstrip('/')
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.session = self.run(self._opened(headers))
        self._streams = []

    async def _opened(self, headers):
        jar = aiohttp.CookieJar(unsafe=True)  # of addresses too
        return aiohttp.ClientSession(headers=headers, cookie_jar=jar)

    def run(self, coroutine):
        """What a coroutine returns."""
        made = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return made.result(DEADLINE_S)

    def close(self):
        """Close all connections."""
        for stream in self._streams:
            self.end(stream)
        self.run(self.session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def ask(self, path, method='GET', **options):
        """Status, headers and text of an answer."""

        async def asked():
            async with self.session.request(
                method, self.url + path, allow_redirects=False, **options
            ) as response:
                return response.status, response.headers, await response.text()

        return self.run(asked())

    def set_parameter(self, node, name, value):
        """Status and text of the answer to a parameter that the page sets."""
        asked = {'node': node, 'name': name, 'value': value}
        headers = {'Origin': self.url}
        status, _, text = self.ask('/parameters', 'POST', json=asked, headers=headers)
        return status, text

    def record(self, topics):
        """Status and text of the answer to a recording that the page begins, or ends if none."""
        headers = {'Origin': self.url}
        status, _, text = self.ask('/recording', 'POST', json={'streams': topics}, headers=headers)
        return status, text

    def mjpeg(self, topic):
        """Open a stream; the parts are read with `part`."""

        async def opened():
            response = await self.session.get(f'{self.url}/mjpeg', params={'topic': topic})
            assert response.status == 200, await response.text()
            return response

        self._streams.append(self.run(opened()))
        return self._streams[-1]

    def end(self, stream):
        """Leave a stream."""
        self._loop.call_soon_threadsafe(stream.close)

    def part(self, response):
        """Headers and bytes of the next part of a stream."""

        async def read():
            assert (await response.content.readline()).strip() == b'--picture'
            head = {}
            while line := (await response.content.readline()).strip():
                name, _, value = line.decode().partition(': ')
                head[name] = value
            data = await response.content.readexactly(int(head['Content-Length']))
            await response.content.readline()
            return head, data

        return self.run(read())

    def socket(self, path, **options):
        """Open a WebSocket."""
        options = {'headers': {'Origin': self.url}} | options
        return self.run(self.session.ws_connect(self.url + path, max_msg_size=0, **options))

    def state_where(self, socket, predicate):
        """The first state for which a predicate holds."""

        async def read():
            while not predicate(state := await socket.receive_json()):
                pass
            return state

        return self.run(read())
