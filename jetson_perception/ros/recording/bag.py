"""A bag that is being written: MCAP, whole whenever it is closed, also on a disk that is full."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable
from jetson_perception.ros.recording.message_types import MessageTypes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RESERVE_BYTES = 64 << 20
"""What is left of the disk: the end of the file needs some, and so does the rest of the robot."""

_CHECK_BYTES = 4 << 20


class BagFullError(PerceptionError):
    """No more can be written."""


class Bag:
    """A bag in a new folder; `close` makes it readable.

    Parameters
    ----------
    folder : Path
        Does not exist yet.
    reserve_bytes : int
        Writing ends when the disk has no more left than this.

    Raises
    ------
    BagFullError
        When the disk has no more left than that.
    PerceptionError
        When the folder is there, or cannot be made.
    """

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.folder = folder
        self._reserve_bytes = reserve_bytes
        self._types = MessageTypes()
        self._connections: dict[str, Any] = {}
        self._unchecked_bytes = 0
        self._is_open = False
        self.messages = 0
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._check_room(folder.parent)
            self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
            # Masks become far smaller. ros2 bag and Foxglove read it.
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except PerceptionError:
            raise
        except Exception as error:
            raise PerceptionError(f'cannot record into {printable(folder)}: {error}') from error
        self._is_open = True

    @property
    def topics(self) -> int:
        """Topics that are recorded."""
        return len(self._connections)

    def add_topic(self, topic: str, type_name: str, offered: Sequence[Any] = ()) -> None:
        """Describe a topic that messages will come of.

        Parameters
        ----------
        offered : sequence of rosbags' Qos
            How its publishers send it, so that it is played back so.

        Raises
        ------
        PerceptionError
            When the type is not known here.
        """
        self._types.add(type_name)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._types.store, offered_qos_profiles=offered
        )

    def write(self, topic: str, received_ns: int, data: bytes) -> None:
        """Write a message, as CDR.

        Raises
        ------
        BagFullError
            When the disk is full; what was written before is kept.
        """
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes >= _CHECK_BYTES:
            self._unchecked_bytes = 0
            self._check_room(self.folder)
        try:
            self._writer.write(self._connections[topic], received_ns, data)
        except OSError as error:  # a quota, for which nobody can look
            raise BagFullError(f'cannot write to {printable(self.folder)}: {error}') from error
        self.messages += 1

    def check_room(self) -> None:
        """See that there is room, also for others that write.

        Raises
        ------
        BagFullError
            When the disk has no more left than the reserve.
        """
        self._check_room(self.folder)

    def close(self) -> None:
        """Write the end of the file and the metadata; twice is harmless.

        Raises
        ------
        PerceptionError
            When that fails; what is there can be repaired, as the text says.
        """
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._writer.close()
        except Exception as error:
            with suppress(Exception):
                self._writer.abort()  # closes the file
            raise PerceptionError(
                f'the recording in {printable(self.folder)} has no end: {error}; make room, then '
                f'`mcap recover` its file'
            ) from error

    def _check_room(self, folder: Path) -> None:
        left = shutil.disk_usage(folder).free
        if left <= self._reserve_bytes:
            raise BagFullError(
                f'the disk of {printable(self.folder)} has {left / 2**20:.0f} MB left, and '
                f'{self._reserve_bytes / 2**20:.0f} MB are left free'
            )
