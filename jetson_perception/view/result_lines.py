"""The results of a recording, as lines of JSON: written in a thread, for which nobody waits."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.files.line_file import LineFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jetson_perception.view.robot import MakeRecord

#: Some seconds of several engines.
_MOST_WAITING = 1000
_PATIENCE_S = 1.0


class ResultLines:
    """Writes records as they come, with `time_s`, seconds since the recording began; close it.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    begun_s : float
        When the recording began, by `time.monotonic`.

    Raises
    ------
    ParameterError
        When it cannot be written.

    Attributes
    ----------
    lost : int
        Records that came faster than they were written.
    problem : str
        Why no more is written; empty while all is well.
    """

    def __init__(self, path: Path, begun_s: float) -> None:
        self.lost = 0
        self.problem = ''
        self._begun_s = begun_s
        self._file = LineFile(path, is_new=True)
        self._waiting: queue.Queue[tuple[MakeRecord, float] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name='results', daemon=True)
        self._thread.start()

    def put(self, make: MakeRecord) -> None:
        """Have a record made and written; never waits. Any thread may call this."""
        self._put(make, time.monotonic())

    def note(self, record: dict[str, Any], at_s: float) -> None:
        """Have a record written that belongs to a time; never waits. Any thread may call this."""
        self._put(lambda: record, at_s)

    def close(self) -> None:
        """Write what waits, and end."""
        try:
            self._waiting.put(None, timeout=_PATIENCE_S)
        except queue.Full:
            self.problem = self.problem or 'the disk takes nothing any more'
            return  # the thread is stuck in the disk, and keeps the file
        self._thread.join(_PATIENCE_S)

    def _put(self, make: Callable[[], dict[str, Any] | None], at_s: float) -> None:
        try:
            self._waiting.put_nowait((make, at_s))
        except queue.Full:
            self.lost += 1

    def _write_all(self) -> None:
        try:
            while (item := self._waiting.get()) is not None:
                make, at_s = item
                record = None if self.problem else make()
                if record is not None:
                    self._write({'time_s': round(at_s - self._begun_s, 4)} | record)
        finally:
            self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self._file.append(json.dumps(record, allow_nan=False))
        except ParameterError as error:
            self.problem = str(error)
