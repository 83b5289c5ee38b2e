"""Files that the user asks for, written whole: a full disk costs no old file, and is told."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk, a quota or a file's largest size is used up."""


def write_output(
    path: str | Path, content: bytes | str, *, parameter: str = '', durable: bool = False
) -> None:
    """Write a file; whoever looks sees the old one or the whole new one.

    What is no regular file, as /dev/stdout or a pipe, is written to as it is.

    Parameters
    ----------
    path : str or Path
        In a folder that exists.
    content : bytes or str
        A text is written as UTF-8; halves of surrogate pairs as escapes.
    parameter : str
        Name of the setting that says where to write, for the error.
    durable : bool
        Wait until it is on the disk, for what takes minutes to make, or has to outlive a crash of
        the machine.

    Raises
    ------
    ParameterError
        When it cannot be written; says why.
    """
    file = Path(path)
    data = content.encode('utf-8', 'backslashreplace') if isinstance(content, str) else content
    try:
        # Behind /dev/stdout may be a file, to which others write as well.
        if file.is_relative_to('/dev') or (file.exists() and not file.is_file()):
            file.write_bytes(data)
        else:
            _replace(file.resolve(), data, durable)
    except (OSError, ValueError) as err:  # ValueError for a NUL in the name
        raise unwritable(file, err, parameter) from err


def unwritable(path: str | Path, err: Exception, parameter: str = '') -> ParameterError:
    """The error that says that and why a file cannot be written."""
    reason = err.strerror if isinstance(err, OSError) else None
    full = isinstance(err, OSError) and err.errno in NO_ROOM
    way_out = 'make room, or write elsewhere' if full else 'write elsewhere'
    return ParameterError(
        f'{printable(path)} cannot be written: {reason or err}; {way_out}', parameter
    )


def _replace(file: Path, data: bytes, durable: bool) -> None:
    # Short, as the file's own name may be as long as names can be.
    temporary = file.parent / f'.{secrets.token_hex(8)}.part'
    try:
        with temporary.open('xb') as opened:
            if file.exists():
                os.fchmod(opened.fileno(), stat.S_IMODE(file.stat().st_mode))
            opened.write(data)
            if durable:
                opened.flush()
                os.fsync(opened.fileno())
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
