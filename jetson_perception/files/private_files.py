"""What is kept in the user's cache and executed later: nobody else may write it.

Engine files and compiled kernels run as they are. A folder or file that others can write is
refused, and what is written is there wholly or not at all.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jetson_perception.errors import PerceptionError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def user_cache(name: str) -> Path:
    """A folder in jetson_perception's part of $XDG_CACHE_HOME, or else of ~/.cache."""
    base = Path(os.environ.get('XDG_CACHE_HOME', ''))
    if not base.is_absolute():  # the specification says to ignore such a value
        base = Path('~/.cache').expanduser()
    return base / 'jetson_perception' / name


class PrivateFolder:
    """A folder that only its user may write.

    Parameters
    ----------
    path : Path
        It is made by `prepare`.
    holds : str
        What is in it, for errors: 'engines'.
    error : type
        What is raised where others may write.
    """

    def __init__(self, path: Path, *, holds: str, error: type[PerceptionError]) -> None:
        self.path = path
        self._holds = holds
        self._error = error

    def prepare(self) -> None:
        """Make the folder, and see that nobody else can write or exchange it.

        Raises
        ------
        PerceptionError
            When somebody can; of the type given, and with what to do.
        OSError
            When it cannot be made.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        resolved = self.path.resolve()
        self._require_private(resolved, resolved.stat())
        for parent in resolved.parents:
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise self._error(
                    f'any user of this machine may replace the cache {resolved}, as all may write '
                    f'{parent}, and {self._holds} execute code; run `chmod o-w {parent}`, or set '
                    'XDG_CACHE_HOME to a folder of your own'
                )

    def check(self) -> None:
        """See that others cannot write the folder, which exists; raises as `prepare` does."""
        self._require_private(self.path, self.path.stat())

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is no such file.

        Raises
        ------
        PerceptionError
            When it is a link or no file, belongs to another user, or others may write it.
        """
        path = self.path / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise self._error(f'{path} cannot be read: {err.strerror}; remove it') from err
        try:
            # The open file is checked, not the path, which could be exchanged in between.
            status = os.fstat(descriptor)
            self._require_private(path, status)
            if not stat.S_ISREG(status.st_mode):
                raise self._error(f'{path} is not a file; remove it')
            with open(descriptor, 'rb', closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Write a file that is there wholly or not at all, also after a power cut.

        What a killed process leaves is called `name`, digits, '.tmp'.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        temporary = self.path / f'{name}.{secrets.token_hex(8)}.tmp'
        replace_file(self.path / name, content, temporary=temporary, mode=0o600, durable=True)

    def _require_private(self, path: Path, status: os.stat_result) -> None:
        user = os.geteuid()
        if status.st_uid != user:
            raise self._error(
                f'{path} belongs to user {status.st_uid}, and this process runs as {user}: '
                f'{self._holds} execute code, so only your own are loaded. Run as that user, give '
                f'it to yours (`sudo chown -R {user} {path}`), or set XDG_CACHE_HOME to a folder '
                'of your own'
            )
        if status.st_mode & _OTHERS_WRITE:
            raise self._error(
                f'{path} may be written by others (mode {stat.S_IMODE(status.st_mode):03o}), and '
                f'{self._holds} execute code. If you trust what is in it, run `chmod go-w '
                f'{path}`; otherwise remove it'
            )


def replace_file(
    file: Path,
    content: bytes | memoryview,
    *,
    temporary: Path | None = None,
    mode: int = 0o666,
    durable: bool = False,
) -> None:
    """Write a file beside its place and rename it: readers see the old one or the whole new one.

    Parameters
    ----------
    file : Path
        In a folder that exists. The permissions of a file that is there stay, where `mode` leaves
        them to others.
    content : bytes or memoryview
    temporary : Path, optional
        Where to write first; in the same folder, and new. Default: a hidden name.
    mode : int
        Permissions of the file, less the umask.
    durable : bool
        Whether to wait until file and name are on the disk.

    Raises
    ------
    OSError
        When it cannot be written; nothing is left beside it.
    """
    # Short, as the file's own name may be as long as names can be.
    temporary = temporary or file.with_name(f'.{secrets.token_hex(8)}.part')
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, 'wb') as opened:
            if mode & _OTHERS_WRITE and file.exists():
                os.fchmod(opened.fileno(), stat.S_IMODE(file.stat().st_mode))
            opened.write(content)
            if durable:
                opened.flush()
                os.fsync(opened.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
