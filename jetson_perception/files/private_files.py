"""A folder in the user's cache that nobody else can write, and its files.

What is kept there is executed when it is loaded: on the CPU, as TensorRT's engines, or on the GPU,
as compiled kernels. So the folder and its files are made for their user alone, and refused when
somebody else may have written them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.files.replacing import replace_file

if TYPE_CHECKING:
    from jetson_perception.files.foreign_files import MakeError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder(name: str) -> Path:
    """Where this package keeps a kind of file: jetson_perception/NAME in the user's cache.

    That is $XDG_CACHE_HOME, else ~/.cache.
    """
    base = Path(os.environ.get('XDG_CACHE_HOME', ''))
    if not base.is_absolute():  # the specification says to ignore such a value
        base = Path('~/.cache').expanduser()
    return base / 'jetson_perception' / name


class PrivateFolder:
    """A folder that only its user can write; made when it is first needed.

    Parameters
    ----------
    path : Path
        The folder.
    holds : str
        What is kept in it, for errors, in the plural: 'engines'.
    error : callable
        Makes the error from its text.
    """

    def __init__(self, path: Path, *, holds: str, error: MakeError) -> None:
        self.path = path
        self._holds = holds
        self._error = error

    def make(self) -> None:
        """Make the folder, unless it is there, and `check` it.

        Raises
        ------
        PerceptionError
            By `error`, as `check`.
        OSError
            When it cannot be made.
        """
        _make_private(self.path)
        self.check()

    def check(self) -> None:
        """Require that nobody else can write the folder, or put another one in its place.

        Raises
        ------
        PerceptionError
            By `error`: it belongs to another user, others may write it, or all may write one of
            the folders above it; says what to do.
        OSError
            When it is not there, or cannot be looked at.
        """
        folder = Path(os.path.realpath(self.path, strict=True))
        self._require_private(folder, folder.stat())
        for parent in folder.parents:
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise self._error(
                    f'any user of this machine can replace {folder}, as all may write {parent}, '
                    f'and {self._holds} are executed; run `chmod o-w {parent}`, or set '
                    'XDG_CACHE_HOME to a folder of your own'
                )

    def read(self, name: str, *, limit_bytes: int | None = None) -> bytes | None:
        """The content of a file; None if there is none. `check` the folder before.

        Parameters
        ----------
        name : str
            The file's.
        limit_bytes : int, optional
            A larger file is refused.

        Raises
        ------
        PerceptionError
            By `error`: it is a link or a folder, cannot be read, is too large, or somebody else
            may have written it.
        """
        path = self.path / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise self._error(f'{path} cannot be read: {err.strerror}; remove it') from err
        try:
            # The status of the open file, not of the path, which could be exchanged in between.
            status = os.fstat(descriptor)
            self._require_private(path, status)
            if not stat.S_ISREG(status.st_mode):
                raise self._error(f'{path} is not a file; remove it')
            if limit_bytes is not None and status.st_size > limit_bytes:
                raise self._error(
                    f'{path} has {status.st_size} bytes, more than {limit_bytes}; remove it'
                )
            with open(descriptor, 'rb', closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def write(
        self, name: str, content: bytes, *, temporary: str = '', durable: bool = True
    ) -> None:
        """Write a file for its user alone, wholly or not at all.

        Parameters
        ----------
        name : str
            The file's. `make` the folder before.
        content : bytes
            All of it.
        temporary : str
            Name that it has until it is complete; default: a new one each time. Only for callers
            that hold a lock.
        durable : bool
            Wait until it is on the disk, so that it outlives a power cut.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        replace_file(
            self.path / name,
            content,
            temporary=self.path / temporary if temporary else None,
            mode=0o600,
            durable=durable,
        )

    def _require_private(self, path: Path, status: os.stat_result) -> None:
        user = os.geteuid()
        if status.st_uid != user:
            raise self._error(
                f'{path} belongs to user {status.st_uid}, and this process runs as {user}; '
                f'{self._holds} are executed, so only your own are loaded. Run as that user, give '
                f'it to yours (`sudo chown -R {user} {path}`), or set XDG_CACHE_HOME to a folder '
                'of your own'
            )
        if status.st_mode & _OTHERS_WRITE:
            raise self._error(
                f'{path} may be written by others (mode {stat.S_IMODE(status.st_mode):03o}), and '
                f'{self._holds} are executed. If you trust what is in it, run '
                f'`chmod go-w {path}`; otherwise remove it'
            )


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for its user alone."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
