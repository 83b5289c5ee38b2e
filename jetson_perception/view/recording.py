"""One recording: streams as videos and results as lines of JSON, in a folder of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.files.dated_folders import dated_folders
from jetson_perception.files.output_files import unwritable
from jetson_perception.printable import printable
from jetson_perception.view.result_lines import ResultLines
from jetson_perception.view.stream_video import StreamVideo, video_names

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.view.newest_slot import NewestSlot
    from jetson_perception.view.picture_feeds import PictureFeeds
    from jetson_perception.view.robot import Picture, Robot

log = logging.getLogger(__name__)

LEAST_FREE_BYTES = 64 << 20
"""What a recording leaves of a disk: other programs of a robot write to it too."""

#: How often it is seen how large the recording is, and how much room is left.
_LOOK_S = 0.5
_MOST_NAMES = 1000


class Recording:
    """Records until it is ended, or until something fails; used in one asyncio loop.

    Parameters
    ----------
    parent : Path
        Where its folder is made, whose name is the time; what is there is never written to.
    topics : list of str
        Streams of pictures to record.
    pictures : PictureFeeds
        Which have them.
    robot : Robot
        Which gives the results.

    Raises
    ------
    ParameterError
        When the folder cannot be made, or the disk is full.

    Attributes
    ----------
    folder : Path
        Its own.
    topics : list of str
        As given.
    bytes : int
        How large it was a moment ago.
    problem : str
        Why it ended by itself; empty otherwise.
    """

    def __init__(
        self, parent: Path, topics: list[str], pictures: PictureFeeds, robot: Robot
    ) -> None:
        self.topics = topics
        self.bytes = 0
        self.problem = ''
        self._pictures = pictures
        self._robot = robot
        self._begun_s = time.monotonic()
        self._ended_s: float | None = None
        self._slots: list[NewestSlot[Picture]] = []
        self._end = asyncio.Event()
        _require_room(parent)
        self.folder = _new_folder(parent)
        self._lines = ResultLines(self.folder / 'results.jsonl', self._begun_s)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return (self._ended_s or time.monotonic()) - self._begun_s

    @property
    def skipped(self) -> int:
        """Pictures that came faster than they were encoded."""
        return sum(slot.skipped for slot in self._slots)

    @property
    def lost(self) -> int:
        """Results that came faster than they were written."""
        return self._lines.lost

    def end(self) -> None:
        """Have `run` complete the files and return."""
        self._end.set()

    async def run(self) -> None:
        """Record until `end` is called, or something fails; that is then `problem`."""
        close_results = self._robot.open_results(self._lines.put)
        names = video_names(self.topics)
        streams = [asyncio.ensure_future(self._record(topic, names[topic])) for topic in names]
        ended = asyncio.ensure_future(self._end.wait())
        try:
            while not self.problem:
                done, _ = await asyncio.wait(
                    [ended, *streams], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    break
                await self._look()
        finally:
            close_results()
            for task in (ended, *streams):
                task.cancel()
            outcomes = await asyncio.gather(*streams, return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(None, self._lines.close)
            await self._look()
            for outcome in outcomes:
                if isinstance(outcome, PerceptionError):
                    self.problem = str(outcome)
                elif isinstance(outcome, Exception):
                    log.error('a recording failed', exc_info=outcome)
                    self.problem = f'a fault of the recording itself: {printable(outcome)}'
            self._ended_s = time.monotonic()

    async def _record(self, topic: str, name: str) -> None:
        """Write the newest pictures of a stream, until it is cancelled."""
        loop = asyncio.get_running_loop()
        video = StreamVideo(self.folder, name, self._lines.note)
        thread = ThreadPoolExecutor(1, f'recording {topic}')
        with self._pictures.receiving(topic) as slot:
            self._slots.append(slot)
            try:
                while True:
                    picture = await slot.take()
                    await loop.run_in_executor(thread, video.add, picture, time.monotonic())
            finally:
                # In the same thread, so after what is being written.
                await loop.run_in_executor(thread, video.close)
                thread.shutdown(wait=False)

    async def _look(self) -> None:
        """See how large the recording is, and whether it may go on."""
        look = asyncio.get_running_loop().run_in_executor(None, self._size_and_room)
        self.bytes, problem = await look
        self.problem = self.problem or self._lines.problem or problem

    def _size_and_room(self) -> tuple[int, str]:
        size = 0
        with suppress(OSError):
            size = sum(
                each.stat(follow_symlinks=False).st_size for each in os.scandir(self.folder)
            )
        try:
            _require_room(self.folder)
        except ParameterError as error:
            return size, f'{error}; what was recorded is kept'
        return size, ''


def _require_room(folder: Path) -> None:
    """Refuse to fill a disk to the last."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as err:
        raise unwritable(folder, err) from err
    if free < LEAST_FREE_BYTES:
        raise ParameterError(
            f'the disk of {printable(folder)} is full: it has {free >> 20} MB left, of which '
            f'recordings leave {LEAST_FREE_BYTES >> 20} MB to others'
        )


def _new_folder(parent: Path) -> Path:
    """A folder of its own, whose name is the time."""
    for number, folder in enumerate(dated_folders(parent), 1):
        try:
            folder.mkdir()
        except FileExistsError as err:
            if number == _MOST_NAMES:
                raise unwritable(folder, err) from err
        except OSError as err:
            raise unwritable(folder, err) from err
        else:
            return folder
    raise AssertionError  # they do not end
