"""Files that the user asks for, written whole: an old file survives a full disk."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_files import require_regular
from jetson_perception.files.replacing import replace_file
from jetson_perception.printable import printable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system when a disk is full, a quota is used up, or a file is too large for it."""


def write_output(
    path: str | Path,
    content: bytes | str,
    *,
    parameter: str = '',
    durable: bool = False,
    regular_only: bool = False,
) -> None:
    """Write a file; readers see the old one or the whole new one.

    What is not a regular file, such as /dev/stdout or a pipe, is written to directly.

    Parameters
    ----------
    path : str or Path
        The file, in a folder that exists.
    content : bytes or str
        Text is written as UTF-8, with halves of surrogate pairs as escapes.
    parameter : str
        The setting that names the file, for the error.
    durable : bool
        Wait until it is on the disk: for what takes minutes to make, or has to outlive a crash of
        the machine.
    regular_only : bool
        Refuse what is not a regular file, rather than write to it: a pipe that nobody reads blocks
        for ever.

    Raises
    ------
    ParameterError
        When it cannot be written; says why.
    """
    file = Path(path)
    data = content.encode('utf-8', 'backslashreplace') if isinstance(content, str) else content
    try:
        if regular_only and file.exists():
            # Looks at the name alone: to open a pipe that nobody reads would never return.
            error = partial(ParameterError, parameter=parameter)
            require_regular(file.stat(), printable(file), error)
        if _is_special(file) and not regular_only:
            file.write_bytes(data)
        else:
            replace_file(file.resolve(), data, durable=durable)
    except (OSError, ValueError) as err:  # ValueError for a NUL in the name
        raise unwritable(file, err, parameter) from err


def require_writable(path: str | Path | None, *, parameter: str = '') -> None:
    """Refuse a file that `write_output` could not write: before hours of work rather than after.

    The file is not touched, nor is a folder made. None stands for no file, which is no error.

    Raises
    ------
    ParameterError
        When it cannot be written; says why.
    """
    if path is None:
        return
    file = Path(path)
    try:
        if _is_special(file):
            if file.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return
        real = file.resolve()
        with suppress(FileNotFoundError):
            real.lstat()  # refuses a name that is too long
        # The file system may be read-only, which permissions do not tell.
        with tempfile.TemporaryFile(dir=real.parent):
            pass
    except (OSError, ValueError) as err:
        raise unwritable(file, err, parameter) from err


def _is_special(file: Path) -> bool:
    """Whether a file is written to directly: /dev/stdout may be one that others write to too."""
    return file.is_relative_to('/dev') or (file.exists() and not file.is_file())


def unwritable(path: str | Path, err: Exception, parameter: str = '') -> ParameterError:
    """The error that says why a file cannot be written."""
    reason = err.strerror if isinstance(err, OSError) else None
    full = isinstance(err, OSError) and err.errno in NO_ROOM
    way_out = 'make room, or write elsewhere' if full else 'write elsewhere'
    return ParameterError(
        f'{printable(path)} cannot be written: {reason or err}; {way_out}', parameter
    )
