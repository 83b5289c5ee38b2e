"""A lock that processes share, as a file that goes with its holder."""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger('jetson_perception')


@contextmanager
def file_lock(path: Path, pause: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold a lock; gives False if that cannot be, or not without waiting.

    The kernel holds it (flock), and drops it when the process ends in whatever way.

    Parameters
    ----------
    path : Path
        Its file, which is made, and removed at the end.
    pause : callable, optional
        Waits a little while another holds the lock; may raise to give up. Default: give up.
    """
    descriptor = None
    try:
        while descriptor is None:
            descriptor = try_lock(path)
            if descriptor is None:
                if pause is None:
                    break
                pause()
    except OSError as err:
        _log.warning('%s cannot be locked: %s', path, err.strerror)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            # Removed while it is held: whoever opened it before sees that and opens a new one.
            path.unlink(missing_ok=True)
            os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None while another holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor)
            try:
                current = os.stat(path)
            except FileNotFoundError:
                current = None
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if current is not None and (current.st_dev, current.st_ino) == (held.st_dev, held.st_ino):
            return descriptor
        os.close(descriptor)  # its last holder removed it: lock the new one
