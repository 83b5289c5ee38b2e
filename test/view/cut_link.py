"""A link to a server that can be cut, as when a robot drives out of its network."""

import asyncio
from contextlib import closing, suppress


class CutLink:
    """Forwards connections to a port of this machine; used in one asyncio loop."""

    def __init__(self, port):
        self._to = port
        self._is_cut = False
        self._cuts = 0
        self._tasks = set()
        self._server = None
        self.port = 0

    async def open(self):
        self._server = await asyncio.start_server(self._accept, '127.0.0.1', 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self):
        """From now on nothing comes through, and nobody is told; not even after it is mended."""
        self._is_cut = True
        self._cuts += 1

    async def mend(self):
        """Forward new connections again."""
        self._is_cut = False

    async def close(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        # Asyncio takes a connection that was cancelled for one that failed.
        with closing(writer), suppress(asyncio.CancelledError):
            if self._is_cut:
                await asyncio.Event().wait()
            their_reader, their_writer = await asyncio.open_connection('127.0.0.1', self._to)
            cuts = self._cuts
            with closing(their_writer):
                await asyncio.gather(
                    self._forward(reader, their_writer, cuts),
                    self._forward(their_reader, writer, cuts),
                )

    async def _forward(self, reader, writer, cuts):
        while data := await reader.read(65536):
            if cuts != self._cuts:
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        writer.close()
