"""An MCAP file that was cut off, as by a loss of power: read up to its last whole record.

A recorder writes the index and the end of a file when it ends. Without them, rosbags reads
nothing. Here it gets the whole records that there are, and an end behind them that says that there
is no index; so it looks through them by itself. The file stays as it is.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import stat_result
    from pathlib import Path

MAGIC = b'\x89MCAP0\r\n'
_RECORD = struct.Struct('<BQ')  # what it is, and how many bytes follow
_HEADER, _FOOTER, _CHUNK, _DATA_END = 0x01, 0x02, 0x06, 0x0F
#: The end of the data, a footer without an index, and the magic again.
_END = _RECORD.pack(_DATA_END, 4) + bytes(4) + _RECORD.pack(_FOOTER, 20) + bytes(20) + MAGIC


class CutOffFile:
    """A file as rosbags wants a path, with an end instead of what was cut off.

    Parameters
    ----------
    path : Path
        An .mcap file.
    whole_bytes : int
        How many bytes of it are read.
    """

    def __init__(self, path: Path, whole_bytes: int) -> None:
        self.path = path
        self.whole_bytes = whole_bytes
        self.stem, self.suffix = path.stem, path.suffix

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether it is there."""
        return self.path.exists()

    def is_dir(self) -> bool:
        """No."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> stat_result:
        """As of the file."""
        return os.stat(self.path, follow_symlinks=follow_symlinks)

    def open(self, *_: object, **__: object) -> BinaryIO:
        """Open it for reading bytes."""
        return io.BufferedReader(_Ended(self.path, self.whole_bytes))


class _Ended(io.RawIOBase):
    """The first bytes of a file, then an end."""

    def __init__(self, path: Path, whole_bytes: int) -> None:
        self._file = path.open('rb', buffering=0)
        self._whole_bytes = whole_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = self._whole_bytes - self._at
        if left > 0:
            self._file.seek(self._at)
            count = self._file.readinto(memoryview(buffer)[:left]) or 0
        else:
            rest = _END[-left : -left + len(buffer)]
            count = len(rest)
            buffer[:count] = rest
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        from_byte = (0, self._at, self._whole_bytes + len(_END))[whence]
        if from_byte + offset < 0:
            raise OSError('a place before the file begins')
        self._at = from_byte + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()


def cut_off_files(path: Path) -> Iterator[CutOffFile]:
    """What can be read of an .mcap file that has no end: most of it first; nothing of others.

    A disk may have got the length of what was written last, and not its content. So it comes
    without its last chunk, too.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with path.open('rb') as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(MAGIC), 0))
        has_end = file.read() == MAGIC and size > len(MAGIC)
        file.seek(0)
        if has_end or file.read(len(MAGIC)) != MAGIC:
            return
        begins, whole_bytes = _records(file, size)
    if whole_bytes:
        yield CutOffFile(path, whole_bytes)
        if begins:
            yield CutOffFile(path, begins)


def _records(file: BinaryIO, size: int) -> tuple[int, int]:
    """Where the last whole chunk begins, and where the last whole record ends; 0 without any."""
    begins = ends = 0
    at = len(MAGIC)
    while size - at >= _RECORD.size:
        file.seek(at)
        kind, length = _RECORD.unpack(file.read(_RECORD.size))
        after = at + _RECORD.size + length
        is_first = at == len(MAGIC)
        if kind in (0, _FOOTER, _DATA_END) or after > size or is_first != (kind == _HEADER):
            break
        if kind == _CHUNK:
            begins = at
        at = ends = after
    return begins, ends
