"""Writing a file so that it is there wholly or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Network file systems and FAT, and folders that may be written and not be listed.
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES})


def replace_file(
    path: Path,
    content: bytes | memoryview,
    *,
    temporary: Path | None = None,
    mode: int | None = None,
    durable: bool = False,
) -> None:
    """Write a file; readers see the old one or the whole new one.

    Parameters
    ----------
    path : Path
        Not a link: that would be replaced itself.
    content : bytes or memoryview
        All of the file.
    temporary : Path, optional
        Where the content is written first, in the same folder; what a killed process left there is
        removed. Only for callers that hold a lock. Default: a new name each time.
    mode : int, optional
        Permissions, whatever the umask. Default: those of the file that is replaced, else what the
        umask leaves.
    durable : bool
        Wait until file and name are on the disk, for what has to outlive a power cut.

    Raises
    ------
    OSError
        When it cannot be written. The old file is as it was then, and the temporary one is gone.
    """
    if temporary is None:
        # Short, as the file's own name may be as long as names can be.
        temporary = path.parent / f'.{os.urandom(8).hex()}.part'
    else:
        temporary.unlink(missing_ok=True)  # never opened: it may be a link
    # Nobody else may read what is private before its mode is set.
    descriptor = os.open(
        temporary,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
        0o666 if mode is None else 0o600,
    )
    try:
        with open(descriptor, 'wb') as file:
            if mode is None and path.exists():
                mode = stat.S_IMODE(path.stat().st_mode)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as err:
        if err.errno not in _CANNOT_SYNC:
            raise
