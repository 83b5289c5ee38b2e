"""Requests that last: how many there may be, and how they end with the server."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SEATS = 200
"""Streams of pictures and states that are open at once; each takes a picture's memory at most."""


class Seats:
    """Counts the requests that last."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count the request of this task within the block; HTTP 503 if there are too many."""
        task = asyncio.current_task()
        assert task is not None, 'a request has a task'
        if len(self._tasks) >= MOST_SEATS:
            raise web.HTTPServiceUnavailable(text='too many streams are open; close some pages\n')
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def end(self) -> None:
        """End all of them soon."""
        for task in self._tasks:
            task.cancel()
