"""What programs note: a line for each message sent or heard, with when and its stamp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Note:
    """A message.

    Attributes
    ----------
    at_ns : int
        When it was sent or heard, by the machine's clock.
    stamp_ns : int
        Of its header.
    """

    at_ns: int
    stamp_ns: int


class Notes:
    """The file that a program writes, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._notes: dict[str, list[Note]] = {}

    def of(self, topic: str) -> list[Note]:
        """All notes of a topic until now."""
        self._read_on()
        return self._notes.get(topic, [])

    def _read_on(self) -> None:
        if not self._path.exists():
            return
        with self._path.open('rb') as file:
            file.seek(self._read)
            content = file.read()
        whole = content[: content.rfind(b'\n') + 1]  # the last line may still be written
        self._read += len(whole)
        for line in whole.decode().splitlines():
            topic, at_ns, stamp_ns = line.split()
            self._notes.setdefault(topic, []).append(Note(int(at_ns), int(stamp_ns)))
