"""One who looks at a stream: gets the newest pictures, as large as their link carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.view.pace import Pace
from jetson_perception.view.reducing import LEVELS

if TYPE_CHECKING:
    from jetson_perception.view.newest_slot import NewestSlot
    from jetson_perception.view.reducing import Reducing
    from jetson_perception.view.robot import Picture


class Viewer:
    """Used in one asyncio loop.

    Parameters
    ----------
    reducing : Reducing
        Of the stream.
    slot : NewestSlot of Picture
        Where the stream leaves its pictures.
    """

    def __init__(self, reducing: Reducing, slot: NewestSlot[Picture]) -> None:
        self._slot = slot
        self._reducing = reducing
        self._pace = Pace([level.share for level in LEVELS])
        self._sent = 0

    async def next(self) -> Picture:
        """The picture to send now; once the viewer has it, `has_taken` is to be called."""
        while True:
            original = await self._slot.take()
            picture = await self._reducing.reduced(original, self._pace.level)
            if picture is not None:
                self._pace.sent(len(picture.data), len(original.data))
                self._sent += 1
                return picture

    def has_taken(self) -> None:
        """Note that the viewer has one more of the pictures that were sent."""
        self._pace.taken()

    def figures(self) -> dict[str, Any]:
        """What the viewer is told: pictures sent and skipped for newer ones, and how reduced."""
        return {
            'sent': self._sent,
            'skipped': self._slot.skipped,
            'reduced': LEVELS[self._pace.level].name,
        }
