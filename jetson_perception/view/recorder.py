"""The button that records: one recording at a time, into the folder given at the start alone."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.view.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.view.picture_feeds import PictureFeeds
    from jetson_perception.view.robot import Robot

log = logging.getLogger(__name__)

OFF = 'recording is off; start the view with --recordings FOLDER'


class Recorder:
    """Begins and ends recordings; used in one asyncio loop.

    Parameters
    ----------
    parent : Path or None
        Where recordings go; None if nothing may be recorded.
    pictures : PictureFeeds
        Streams to record.
    robot : Robot
        Which has the results.
    """

    def __init__(self, parent: Path | None, pictures: PictureFeeds, robot: Robot) -> None:
        self._parent = parent
        self._pictures = pictures
        self._robot = robot
        self._recording: Recording | None = None
        self._running: asyncio.Future[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self, topics: list[str]) -> None:
        """Begin to record streams, and all results.

        Raises
        ------
        ParameterError
            When recording is off, a stream is none, a recording runs, or nothing can be written.
        """
        if self._parent is None:
            raise ParameterError(OFF)
        known = await self._robot.picture_topics()
        unknown = [topic for topic in topics if topic not in known]
        if unknown:
            raise ParameterError(f'there is no stream {printable(unknown[0])} any more')
        async with self._starting:
            if self._running is not None:
                raise ParameterError('a recording runs already')
            loop = asyncio.get_running_loop()
            wanted = list(dict.fromkeys(topics))
            # In a thread: a disk may take its time to make a folder.
            make = partial(Recording, self._parent, wanted, self._pictures, self._robot)
            self._recording = await loop.run_in_executor(None, make)
            self._running = asyncio.ensure_future(self._recording.run())
            self._running.add_done_callback(self._forget)

    async def stop(self) -> None:
        """End the recording, if there is one; returns once its files are complete."""
        async with self._starting:  # one that begins just now is there afterwards
            recording, running = self._recording, self._running
        if recording is not None and running is not None:
            recording.end()
            await asyncio.shield(running)

    def state(self) -> dict[str, Any]:
        """What the page shows, as JSON has it."""
        recording = self._recording
        if self._parent is None:
            return {'is_on': False}
        state: dict[str, Any] = {'is_on': True, 'folder': printable(self._parent)}
        if recording is None:
            return state
        return state | {
            'name': recording.folder.name,
            'is_running': self._running is not None,
            'streams': recording.topics,
            'seconds': int(recording.seconds),
            'bytes': recording.bytes,
            'skipped': recording.skipped,
            'lost': recording.lost,
            'problem': recording.problem,
        }

    def _forget(self, done: asyncio.Future[None]) -> None:
        self._running = None
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error('a recording did not end as it should', exc_info=error)
