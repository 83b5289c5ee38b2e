"""What a process made and later ones can use: files with a checksum, in a folder of limited size.

Nothing here raises an error: what cannot be read is made again, and what cannot be kept is used
all the same.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from jetson_perception.errors import PerceptionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jetson_perception.files.private_files import PrivateFolder

_log = logging.getLogger('jetson_perception')

# A file is the SHA-256 of its content, then the content.
_DIGEST_BYTES = hashlib.sha256().digest_size

#: Folders of which this process has said that nothing can be kept there.
_told: set[Path] = set()


class KeptFiles:
    """Files that are kept for later processes; any thread and process may use them.

    Parameters
    ----------
    folder : PrivateFolder
        Made when something is kept.
    what : str
        What they are, for the log, in the plural: 'compiled kernels'.
    made : str
        What is done to make one, for the log: 'compiled'.
    max_bytes : int
        Size limit of the folder; beyond it, what was used longest ago is removed.
    max_file_bytes : int
        What is larger is neither kept nor read.
    """

    def __init__(
        self, folder: PrivateFolder, *, what: str, made: str, max_bytes: int, max_file_bytes: int
    ) -> None:
        self._folder = folder
        self._what = what
        self._made = made
        self._max_bytes = max_bytes
        self._max_file_bytes = max_file_bytes

    def read(self, name: str) -> bytes | None:
        """What was kept under a name; None if that is nothing, damaged, or not surely our own."""
        try:
            self._folder.check()
            content = self._folder.read(name, limit_bytes=self._max_file_bytes + _DIGEST_BYTES)
        except FileNotFoundError:
            return None
        except (PerceptionError, OSError) as err:
            _log.debug('%s: %s is %s again: %s', self._what, name, self._made, err)
            return None
        if content is None:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            _log.debug('%s: %s is %s again: it is damaged', self._what, name, self._made)
            return None
        with suppress(OSError):
            os.utime(self._folder.path / name)
        return content

    def write(self, name: str, content: bytes) -> bool:
        """Keep something under a name, in place of what was there.

        Returns
        -------
        bool
            False if it is not kept: it is too large, or cannot be written, which is logged.
        """
        if len(content) > self._max_file_bytes:
            return False
        try:
            self._folder.make()
            digest = hashlib.sha256(content).digest()
            self._folder.write(name, digest + content, durable=False)  # the checksum is enough
        except (PerceptionError, OSError) as err:
            self._tell(err)
            return False
        self._prune(keep=name)
        return True

    def remove(self, name: str) -> None:
        """Remove what was kept under a name, if there is something."""
        with suppress(OSError):
            (self._folder.path / name).unlink()

    def clear(self) -> tuple[int, int]:
        """Remove all that is kept; how many files that was, and their bytes."""
        files = list(self._files())
        for name, _ in files:
            self.remove(name)
        return len(files), sum(status.st_size for _, status in files)

    def _tell(self, err: Exception) -> None:
        if self._folder.path in _told:
            return
        _told.add(self._folder.path)
        _log.warning(
            '%s are not kept in %s, and will be %s at every start: %s',
            self._what,
            self._folder.path,
            self._made,
            err,
        )

    def _prune(self, keep: str) -> None:
        files = sorted(self._files(), key=lambda each: each[1].st_mtime)
        total = sum(status.st_size for _, status in files)
        for name, status in files:
            if total <= self._max_bytes:
                return
            if name != keep:
                self.remove(name)
                total -= status.st_size

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        with suppress(OSError), os.scandir(self._folder.path) as entries:
            for entry in entries:
                with suppress(OSError):  # removed meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield entry.name, status
