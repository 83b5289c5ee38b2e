"""A question that many ask at once, asked once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar('T')


class SharedCall(Generic[T]):
    """Gives what a coroutine returns to all who ask before it begins; for one asyncio loop.

    One runs at a time. Who asks while it runs shares the next one: what has changed since the one
    before began is in the answer.

    Parameters
    ----------
    call : callable
        Makes the coroutine.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """What it returns or raises; who leaves while waiting ends it for nobody else."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._after(self._running))
            self._next.add_done_callback(_forget)
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[T] | None) -> T:
        """Call it once what runs has ended."""
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        return await self._call()


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # nobody may be left to whom it matters
