"""A lock between processes: a file, of which the kernel knows who holds it.

The kernel drops it when its holder ends, in whatever way (flock).
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jetson_perception.errors import BuildCanceled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from threading import Event

_log = logging.getLogger('jetson_perception')

_POLL_SECONDS = 0.1

_without_locks: set[Path] = set()
"""Folders of which this process has said that nothing in them can be locked."""


@contextmanager
def locked(
    path: Path,
    *,
    wait: bool = True,
    cancel: Event | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[bool]:
    """Hold a lock within the block; yields False if the lock could not be taken.

    Parameters
    ----------
    path : Path
        The lock file, made and removed here.
    wait : bool
        Wait until the lock is free.
    cancel : threading.Event, optional
        Once set, waiting ends.
    on_wait : callable, optional
        Called once before it waits.

    Yields
    ------
    bool
        Whether it is held: not where another holds it and `wait` is false, nor where the file
        system has no locks, as some network file systems. That is logged once a folder.

    Raises
    ------
    BuildCanceled
        When `cancel` was set while waiting.
    """
    descriptor = None
    try:
        while descriptor is None:
            descriptor = try_lock(path)
            if descriptor is None:
                if not wait:
                    break
                if on_wait:
                    on_wait()
                    on_wait = None
                _pause(cancel, path)
    except OSError as err:
        _say_once(path, err)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            # Removed while it is held: whoever opened it before sees that and opens a new one.
            path.unlink(missing_ok=True)
            os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or None while another holds it."""
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


def _say_once(path: Path, err: OSError) -> None:
    if path.parent not in _without_locks:
        _without_locks.add(path.parent)
        _log.warning(
            '%s cannot be locked: %s; what two processes do there at a time is done twice',
            path,
            err.strerror,
        )


def _pause(cancel: Event | None, path: Path) -> None:
    if cancel is None:
        time.sleep(_POLL_SECONDS)
    elif cancel.wait(_POLL_SECONDS):
        raise BuildCanceled(f'canceled while another process was building {path.stem}')
