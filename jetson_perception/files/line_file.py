"""A file that grows line by line, each of which is whole or not there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jetson_perception.files.output_files import unwritable

if TYPE_CHECKING:
    from pathlib import Path


class LineFile:
    """A file of lines that is being written; close it.

    Parameters
    ----------
    path : Path
        The file, in a folder that exists.
    parameter : str
        The setting that names the file, for errors.
    is_new : bool
        Whether a file that is there is an error; else it is replaced.

    Raises
    ------
    ParameterError
        When it cannot be written.
    """

    def __init__(self, path: Path, *, parameter: str = '', is_new: bool = False) -> None:
        self.path = path
        self._parameter = parameter
        try:
            # Without a buffer, whose rest would be lost, or fail when the file is closed.
            self._file = path.open('xb' if is_new else 'wb', buffering=0)
        except OSError as err:
            raise unwritable(path, err, parameter) from err

    def append(self, line: str) -> None:
        """Write a line whole, so that those before it can be read, come what may.

        Raises
        ------
        ParameterError
            When that is not possible.
        """
        end = self._file.tell()
        rest = memoryview(f'{line}\n'.encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as err:
            with suppress(OSError):
                self._file.seek(end)
                self._file.truncate()
            raise unwritable(self.path, err, self._parameter) from err

    def close(self) -> None:
        """Write no more; calling it twice is harmless."""
        self._file.close()
