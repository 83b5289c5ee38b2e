"""What systemd hears of the live view, through a socket as its own."""

import asyncio
import threading
from contextlib import suppress

import pytest

from jetson_perception.ros.viewing.notifying import keep_notifying

DEADLINE_S = 30
WELL = b'READY=1\nSTATUS=the page is there\nWATCHDOG=1\n'


def test_a_view_whose_node_hangs_says_nothing(thread, systemd):
    goes_on, hangs = threading.Event(), threading.Event()

    def hang():
        hangs.set()
        assert goes_on.wait(DEADLINE_S)

    async def listen():
        loop = asyncio.get_running_loop()
        thread.soon(hang)
        assert await loop.run_in_executor(None, hangs.wait, DEADLINE_S)
        notifying = asyncio.create_task(keep_notifying(thread, 'the page is there'))
        for _ in range(100):  # the loop goes on
            await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            systemd.recv(1000)
        goes_on.set()
        for _ in range(2):
            assert await asyncio.wait_for(loop.sock_recv(systemd, 1000), DEADLINE_S) == WELL
        notifying.cancel()
        with suppress(asyncio.CancelledError):
            await notifying

    asyncio.run(listen())
