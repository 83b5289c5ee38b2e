"""Streams of pictures, each received once however many watch it, and not at all if nobody does."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from jetson_perception.view.newest_slot import NewestSlot
from jetson_perception.view.reducing import Reducing
from jetson_perception.view.viewer import Viewer
from jetson_perception.view.viewer_video import Places, ViewerVideo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetson_perception.view.robot import Picture, Robot


class _Feed:
    """Hands the pictures of one topic to those who watch it; made in the loop that they are in.

    Pictures come in another thread. If the loop is late, the newest one replaces those before it,
    so that what waits for the loop never grows.
    """

    def __init__(self) -> None:
        self.slots: list[NewestSlot[Picture]] = []
        self.reducing = Reducing()
        self.close: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._newest: Picture | None = None

    def give(self, picture: Picture) -> None:
        """Take a picture over; any thread may call this."""
        with self._lock:
            is_called = self._newest is not None
            self._newest = picture
        if not is_called:
            try:
                self._loop.call_soon_threadsafe(self._hand_out)
            except RuntimeError:  # the loop has ended, and nobody watches any more
                return

    def _hand_out(self) -> None:
        with self._lock:
            picture, self._newest = self._newest, None
        if picture is not None:
            for slot in self.slots:
                slot.put(picture)


class PictureFeeds:
    """All streams that somebody watches.

    Parameters
    ----------
    robot : Robot
        Which gives the pictures.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._feeds: dict[str, _Feed] = {}
        self._places = Places()

    @contextmanager
    def watching(self, topic: str, video: str = '') -> Iterator[Viewer]:
        """A viewer who gets the pictures of a topic within the block.

        As H.264 if `video` is one of `viewer_video.WISHES`, where that can be.
        """
        with self._joined(topic) as (feed, slot), self._encoding(video) as encoding:
            yield Viewer(feed.reducing, slot, encoding)

    @contextmanager
    def receiving(self, topic: str) -> Iterator[NewestSlot[Picture]]:
        """A slot that gets the pictures of a topic within the block, as they are."""
        with self._joined(topic) as (_, slot):
            yield slot

    @contextmanager
    def _encoding(self, wish: str) -> Iterator[ViewerVideo]:
        video = ViewerVideo(wish, self._places)
        try:
            yield video
        finally:
            self._places.leave(video)

    @contextmanager
    def _joined(self, topic: str) -> Iterator[tuple[_Feed, NewestSlot[Picture]]]:
        feed = self._feeds.get(topic)
        if feed is None:
            feed = self._feeds[topic] = _Feed()
            feed.close = self._robot.open_pictures(topic, feed.give)
        slot: NewestSlot[Picture] = NewestSlot()
        feed.slots.append(slot)
        try:
            yield feed, slot
        finally:
            feed.slots.remove(slot)
            if not feed.slots:
                del self._feeds[topic]
                feed.close()
