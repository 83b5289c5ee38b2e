"""One who looks at a stream: gets the newest pictures, as large as their link carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.view.pace import Pace
from jetson_perception.view.reducing import LEVELS

if TYPE_CHECKING:
    from jetson_perception.view.newest_slot import NewestSlot
    from jetson_perception.view.reducing import Reducing
    from jetson_perception.view.robot import Picture
    from jetson_perception.view.viewer_video import ViewerVideo


class Viewer:
    """Used in one asyncio loop.

    Parameters
    ----------
    reducing : Reducing
        Of the stream.
    slot : NewestSlot of Picture
        Where the stream leaves its pictures.
    video : ViewerVideo
        Encodes pictures as H.264, as long as it can and is asked to.
    """

    def __init__(self, reducing: Reducing, slot: NewestSlot[Picture], video: ViewerVideo) -> None:
        self._slot = slot
        self._reducing = reducing
        self._video = video
        self._pace = Pace([level.share for level in LEVELS])
        self._sent = 0

    async def next(self) -> Picture:
        """The picture to send now; once the viewer has it, `has_taken` is to be called."""
        while True:
            original = await self._slot.take()
            level = self._pace.level
            picture = None
            if not self._video.is_over:
                picture = await self._video.encoded(original, level)
            if self._video.is_over:
                picture = await self._reducing.reduced(original, level)
            if picture is not None:
                # H.264 has the bytes that it has: what it would have unreduced is only estimated.
                share = LEVELS[level].share
                is_file = self._video.is_over
                full_bytes = len(original.data) if is_file else round(len(picture.data) / share)
                self._pace.sent(len(picture.data), full_bytes)
                self._sent += 1
                return picture

    def has_taken(self) -> None:
        """Note that the viewer has one more of the pictures that were sent."""
        self._pace.taken()

    def figures(self) -> dict[str, Any]:
        """What the viewer is told of its pictures.

        How many were sent, and skipped for newer ones; how they are reduced; what encodes them as
        H.264, or why nothing does.
        """
        return {
            'sent': self._sent,
            'skipped': self._slot.skipped,
            'reduced': LEVELS[self._pace.level].name,
            'encoder': self._video.encoder,
            'problem': self._video.problem,
        }
