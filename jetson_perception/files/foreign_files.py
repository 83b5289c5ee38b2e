"""Files named by somebody else, opened and read with a limit and without trusting what they are.

A path can name a pipe that nobody writes to, a device without end, or a file larger than the
memory. What is not a regular file is refused before it is opened, and opening never waits. Every
failure is the caller's error, of `jetson_perception.errors`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable

MakeError = Callable[[str], PerceptionError]
"""A class of `jetson_perception.errors`, or a function that makes such an error from a text."""

_CHUNK_BYTES = 1 << 20
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_OTHER_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a pipe (FIFO)'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a block device'),
    (stat.S_ISSOCK, 'a socket'),
)


def foreign_path(path: str | os.PathLike[str], *, what: str, error: MakeError) -> Path:
    """`path` with `~` and `~user` replaced, checked to be one that can name a file.

    Parameters
    ----------
    path : str or path-like
        As somebody wrote it.
    what : str
        What the file is to be, for the error: 'calibration'.
    error : callable
        Makes the error of its text.

    Raises
    ------
    PerceptionError
        By `error`: `~user` names nobody, or the path holds a NUL or half of a surrogate pair.
    """
    shown = printable(os.fspath(path))
    try:
        if b'\0' in os.fsencode(path):
            raise error(f'{what} {shown}: the path holds a NUL character')
        return Path(path).expanduser()
    except RuntimeError as err:
        raise error(
            f'{what} {shown}: this machine has no such user, or the user has no home folder; '
            'write the path in full'
        ) from err
    except UnicodeEncodeError as err:
        raise error(f'{what} {shown}: the path cannot name a file') from err


def absolute_foreign_path(path: str | os.PathLike[str], *, what: str, error: MakeError) -> Path:
    """Like `foreign_path`, but absolute; an error if the working folder was removed."""
    expanded = foreign_path(path, what=what, error=error)
    try:
        return expanded.absolute()
    except OSError as err:
        raise error(
            f'{what} {printable(path)} cannot be resolved: the working folder is gone '
            f'({_reason(err)}); give the whole path'
        ) from err


def check_foreign_file(
    path: str | os.PathLike[str], *, what: str, error: MakeError, hint: str = ''
) -> Path:
    """`path` with `~` replaced, of a regular file that may be read: for what opens by path.

    Parameters
    ----------
    path, what, error
        As `foreign_path`.
    hint : str
        What to do where it is no regular file: 'a pipe comes in by gst://fdsrc'.

    Raises
    ------
    PerceptionError
        By `error`: it is missing, a folder, a pipe, a device or a socket, or may not be read.
    """
    with open_foreign_file(path, what=what, error=error, hint=hint):
        return foreign_path(path, what=what, error=error)


@contextmanager
def open_foreign_file(
    path: str | os.PathLike[str], *, what: str, error: MakeError, hint: str = ''
) -> Iterator[int]:
    """A descriptor of a regular file, for reading, which is closed at the end.

    Parameters and errors are those of `check_foreign_file`. What is read by the descriptor may
    raise OSError.
    """
    file = foreign_path(path, what=what, error=error)
    shown = f'{what} {printable(file)}'
    try:
        # Check the name first: opening a device can move a tape or start a watchdog.
        require_regular(os.stat(file), shown, error, hint)
        descriptor = os.open(file, _FLAGS)
    except OSError as err:
        raise error(f'{shown} cannot be read: {_reason(err)}') from err
    try:
        # Then check the open file, which may be another one by now.
        require_regular(os.fstat(descriptor), shown, error, hint)
        yield descriptor
    finally:
        os.close(descriptor)


def read_foreign_file(
    path: str | os.PathLike[str],
    *,
    what: str,
    error: MakeError,
    limit_bytes: int,
    hint: str = '',
) -> bytes:
    """All bytes of a regular file.

    Parameters
    ----------
    path, what, error, hint
        As `check_foreign_file`.
    limit_bytes : int
        The most that the file may hold. Its size is asked before it is read, and counted while it
        is, as a file grows, and those of /proc have a size of 0.

    Raises
    ------
    PerceptionError
        By `error`: as `check_foreign_file`; it is larger, or reading fails.
    """
    with open_foreign_file(path, what=what, error=error, hint=hint) as descriptor:
        shown = f'{what} {printable(path)}'
        try:
            size = os.fstat(descriptor).st_size
            if size <= limit_bytes:
                content = _read_at_most(descriptor, limit_bytes + 1, size)
                size = len(content)
        except OSError as err:
            raise error(f'{shown} cannot be read: {_reason(err)}') from err
        if size > limit_bytes:
            raise error(f'{shown} has more than {shown_bytes(limit_bytes)}, the limit')
        return content


def read_foreign_head(
    path: str | os.PathLike[str], *, what: str, error: MakeError, count: int, hint: str = ''
) -> bytes:
    """The first `count` bytes of a regular file, or all where it has fewer.

    Parameters and errors are those of `check_foreign_file`; reading may fail, too.
    """
    with open_foreign_file(path, what=what, error=error, hint=hint) as descriptor:
        try:
            return _read_at_most(descriptor, count)
        except OSError as err:
            raise error(f'{what} {printable(path)} cannot be read: {_reason(err)}') from err


def _read_at_most(descriptor: int, most_bytes: int, likely_bytes: int = 0) -> bytes:
    pieces: list[bytes] = []
    while most_bytes > 0:
        # Usually one piece, which is not copied: an engine file can have gigabytes.
        wanted = min(most_bytes, max(likely_bytes, _CHUNK_BYTES))
        piece = os.read(descriptor, wanted)
        if not piece:
            break
        pieces.append(piece)
        most_bytes -= len(piece)
        likely_bytes -= len(piece)
    return b''.join(pieces)


def require_regular(found: os.stat_result, shown: str, error: MakeError, hint: str = '') -> None:
    """Raise `error` where what was found under a name is no regular file."""
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for is_kind, name in _OTHER_KINDS if is_kind(found.st_mode)), 'no file')
    raise error(f'{shown} is {kind}; expected a regular file{"; " * bool(hint)}{hint}')


def _reason(err: OSError) -> str:
    return err.strerror or type(err).__name__


def shown_bytes(count: int) -> str:
    """A number of bytes in words: 1.5 MiB."""
    for unit, size in (('GiB', 1 << 30), ('MiB', 1 << 20), ('KiB', 1 << 10)):
        if count >= size:
            return f'{count / size:.4g} {unit}'
    return f'{count} bytes'
