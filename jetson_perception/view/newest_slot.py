"""Where what is for one viewer waits: the newest, or nothing."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar('T')


class NewestSlot(Generic[T]):
    """Holds the newest value until it is taken; for one asyncio loop.

    Attributes
    ----------
    skipped : int
        Values that a newer one replaced before they were taken.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._value: T | None = None
        self._came = asyncio.Event()

    def put(self, value: T) -> None:
        """Replace what waits."""
        self.skipped += self._value is not None
        self._value = value
        self._came.set()

    async def take(self) -> T:
        """Wait for a value, and take it out."""
        while (value := self._value) is None:
            self._came.clear()
            await self._came.wait()
        self._value = None
        return value
