"""The shared-memory segments of Fast DDS: whose they are, how large, and whether we can open them.

A participant puts what it sends into a segment of its own, the file /dev/shm/fastrtps_<id>
(fastdds_<id> from Fast DDS 3 on), whose readers map it. Beside it lies <name>_el, which the owner
keeps locked (flock) while it lives; /proc/locks says which process that is.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from jetson_perception.dds.guids import PID_MODULUS
from jetson_perception.dds.proc import PROC, read

SHARED_MEMORY = Path('/dev/shm')
_LOCKS = PROC / 'locks'
_SEGMENT = re.compile(r'fast(?:rtps|dds)_[0-9a-f]{16}')
#: Any file of Fast DDS: segments, ports, and the semaphores of ports.
_FILE = re.compile(r'(?:sem\.)?fast(?:rtps|dds)_\w+')
#: '1: FLOCK  ADVISORY  WRITE 979 00:1b:2242738 0 EOF': who holds a lock, and on what.
_LOCK = re.compile(r'^\d+: FLOCK +\S+ +WRITE +(\d+) +([0-9a-f]+:[0-9a-f]+):(\d+) ', re.MULTILINE)
_MOST_FILES = 10_000


class Segment(NamedTuple):
    """The shared memory into which one participant writes what it sends.

    Attributes
    ----------
    path : Path
        Its file.
    nbytes : int
        Its size.
    uid : int
        The user whose file it is.
    pid : int or None
        The process that owns it; None when nobody does, or a process of another container.
    readable : bool
        Whether this process can map it, which takes the right to write too.
    """

    path: Path
    nbytes: int
    uid: int
    pid: int | None
    readable: bool


def segments(folder: Path = SHARED_MEMORY, locks: Path = _LOCKS) -> list[Segment]:
    """The segments in a folder, of living processes and of dead ones; [] without the folder."""
    owners = _owners(locks)
    found = []
    for path in _files(folder):
        if not _SEGMENT.fullmatch(path.name):
            continue
        try:
            # Anybody may put links here, to what is not theirs or to where asking takes forever.
            status = path.lstat()
            pid = owners.get(_identity(_lock_path(path).lstat()))
        except OSError:
            continue  # it has just been removed
        if not stat.S_ISREG(status.st_mode):
            continue
        readable = os.access(path, os.R_OK | os.W_OK)
        found.append(Segment(path, status.st_size, status.st_uid, pid, readable))
    return found


def segments_of_process(pid_modulo: int, known: list[Segment]) -> list[Segment]:
    """Those whose owner has this process id modulo `PID_MODULUS`, as GUIDs hold it."""
    return [
        each for each in known if each.pid is not None and each.pid % PID_MODULUS == pid_modulo
    ]


def stale_files(folder: Path = SHARED_MEMORY) -> list[Path]:
    """Files of segments whose owner is gone; they take memory until somebody removes them."""
    found = []
    for path in _files(folder):
        if _SEGMENT.fullmatch(path.name) and not _is_locked(_lock_path(path)):
            found.append(path)
    return found


def free_bytes(folder: Path = SHARED_MEMORY) -> int:
    """How much more fits into shared memory; 0 where there is none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def _files(folder: Path) -> list[Path]:
    """Files of Fast DDS in a folder, up to a number that no honest process reaches."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each, _ in zip(entries, range(_MOST_FILES), strict=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if _FILE.fullmatch(name)]


def _lock_path(segment: Path) -> Path:
    return segment.with_name(f'{segment.name}_el')


def _identity(status: os.stat_result) -> tuple[str, int]:
    """What /proc/locks calls a file: the /dev/shm of each container numbers its own from 1 on."""
    return f'{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}', status.st_ino


def _owners(locks: Path) -> dict[tuple[str, int], int]:
    """Process ids by the file that they keep locked."""
    # Where a process of another container holds a lock, its id is 0 here.
    found = _LOCK.findall(read(locks))
    return {(device, int(inode)): int(pid) for pid, device, inode in found if int(pid)}


def _is_locked(path: Path) -> bool:
    """Whether a living process, in whichever container, keeps a file locked."""
    try:
        # To open a FIFO would wait for who writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # of another user; unknown is not stale
    try:
        # Shared, for a moment: the owner does not ask again for what it has.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
