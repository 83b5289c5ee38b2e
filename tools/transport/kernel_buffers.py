"""The kernel's limits for socket buffers, changed for a while."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: As a stock Ubuntu has them, and as documentation of ROS 2 and DDS advises, in bytes.
SIZES = {'stock': 212992, 'large': 4194304}
SETTINGS = Path('/proc/sys/net/core')
NAMES = ('rmem_max', 'wmem_max')
LOCK = Path('/tmp/jetson_perception_rmem.lock')


@contextmanager
def kernel_buffers(size: int, settings: Path = SETTINGS, lock: Path = LOCK) -> Iterator[None]:
    """Socket buffers of at most `size` bytes, for the whole machine, until the block ends.

    Others who use the lock wait meanwhile. The lock's file says what is to be put back, so that
    after a process that was killed the next one does it.
    """
    with _opened(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _put_back(settings, file)
        before = {name: int((settings / name).read_text()) for name in NAMES}
        if set(before.values()) == {size}:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield
            return
        _write(file, json.dumps(before))
        try:
            _set(settings, dict.fromkeys(NAMES, size))
            yield
        finally:
            _put_back(settings, file)


def _opened(lock: Path) -> IO[str]:
    """The lock's file; never somebody else's, nor one that it links to."""
    file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), 'r+')
    if os.fstat(file.fileno()).st_uid != os.geteuid():
        file.close()
        raise PermissionError(f'{lock} belongs to another user; remove it')
    return file


def _put_back(settings: Path, file: IO[str]) -> None:
    file.seek(0)
    content = file.read()
    if content:
        _set(settings, json.loads(content))
        _write(file, '')


def _set(settings: Path, values: dict[str, int]) -> None:
    for name in NAMES:
        (settings / name).write_text(f'{int(values[name])}\n')


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
