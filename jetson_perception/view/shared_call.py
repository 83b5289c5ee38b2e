"""A question that many ask at once, asked once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar('T')


class SharedCall(Generic[T]):
    """Gives what a coroutine returns to all who ask while it runs; for one asyncio loop.

    Parameters
    ----------
    call : callable
        Makes the coroutine.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """What it returns or raises; who leaves while waiting ends it for nobody else."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._call())
            self._running.add_done_callback(self._finish)
        return await asyncio.shield(self._running)

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()  # nobody may be left to whom it matters
