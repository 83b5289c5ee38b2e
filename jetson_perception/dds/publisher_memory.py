"""What this process sees of the shared memory that a publisher of this host writes to."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.dds.ended_processes import processes_of
from jetson_perception.dds.input_facts import Memory
from jetson_perception.dds.ports import domain_of_port
from jetson_perception.dds.proc import PROC, mapped_files, read
from jetson_perception.dds.segments import SHARED_MEMORY, segments_of_process, stale_files

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.dds.guids import Guid
    from jetson_perception.dds.segments import Segment

#: '28 1 0:27 / /dev/shm rw,…': which file system lies at a place.
_MOUNT = re.compile(r'^\d+ \d+ (\d+:\d+) (\S+) (\S+) ', re.MULTILINE)
_PORT = re.compile(r'(?:sem\.)?fast(?:rtps|dds)_port(\d+)\w*')


class PublisherMemory(NamedTuple):
    """What is seen of a publisher's shared memory, and its size; 0 where that is not known."""

    memory: Memory
    nbytes: int = 0


class Stale(NamedTuple):
    """Files that dead processes left in shared memory.

    Attributes
    ----------
    nbytes : int
        What they take.
    refused : bool
        Whether files of another user keep this process from making its own.
    """

    nbytes: int = 0
    refused: bool = False


def memory_of(publisher: Guid, own: Guid, known: list[Segment]) -> PublisherMemory:
    """What is seen of a publisher's shared memory.

    Parameters
    ----------
    publisher, own : Guid
        Its id, and that of an endpoint of this process.
    known : list of Segment
        What lies in /dev/shm.
    """
    if not publisher.on_host_of(own):
        return PublisherMemory(Memory.UNKNOWN)
    theirs = segments_of_process(publisher.pid_modulo, known)
    if theirs:
        memory = Memory.OPEN if any(map(_is_open, theirs)) else Memory.REFUSED
        return PublisherMemory(memory, max(each.nbytes for each in theirs))
    # A process of another container may have the same id as this one.
    here = publisher.in_process_of(own)
    pids = [pid for pid in processes_of(publisher.pid_modulo) if here or pid != os.getpid()]
    if not pids:
        return _of_hidden_process(known)
    shared = any(_shared_memory_of(pid) == _shared_memory_of(os.getpid()) for pid in pids)
    return PublisherMemory(Memory.NONE if shared else Memory.ELSEWHERE)


def shared_memory_size(folder: Path = SHARED_MEMORY) -> int:
    """How much shared memory may hold; 0 where there is none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_blocks * status.f_frsize


def stale(domain: int, folder: Path = SHARED_MEMORY) -> Stale:
    """What dead processes left, and whether it keeps a process in this domain from its own."""
    nbytes = 0
    for path in stale_files(folder):
        try:
            nbytes += path.lstat().st_size
        except OSError:
            continue  # it has just been removed
    return Stale(nbytes, _ports_refused(domain, folder))


def _of_hidden_process(known: list[Segment]) -> PublisherMemory:
    """Of a process of another container; with the /dev/shm shared, its segments have no owner."""
    unowned = [each for each in known if each.pid is None]
    # Each look at what is stale takes every lock of the folder, so one has to do for all.
    folders = {each.path.parent for each in unowned}
    left = {path for folder in folders for path in stale_files(folder)}
    hidden = [each for each in unowned if each.path not in left]
    if not hidden:
        return PublisherMemory(Memory.ELSEWHERE)
    return PublisherMemory(Memory.OPEN, max(each.nbytes for each in hidden))


def _is_open(segment: Segment) -> bool:
    """Whether this process can read what a publisher writes, and the publisher can tell it."""
    if not segment.readable:
        return False
    if segment.uid == os.geteuid() or segment.uid == 0:
        return True
    try:  # root reads all; that others may write says that they keep files open on both sides
        return bool(segment.path.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


def _shared_memory_of(pid: int) -> str:
    """The file system that a process has at /dev/shm; '' where that is not known."""
    found = ''
    longest = 0
    for device, _, place in _MOUNT.findall(read(PROC / str(pid) / 'mountinfo')):
        above = place == '/' or f'{SHARED_MEMORY}/'.startswith(f'{place}/')
        if above and len(place) >= longest:
            found, longest = device, len(place)
    return found


def _ports_refused(domain: int, folder: Path) -> bool:
    mapped = (os.path.split(path) for path in mapped_files())
    if any(parent == str(folder) and _is_of(domain, name) for parent, name in mapped):
        return False  # it listens in shared memory, whatever lies beside it
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(
        _is_of(domain, name) and not os.access(folder / name, os.R_OK | os.W_OK) for name in names
    )


def _is_of(domain: int, name: str) -> bool:
    """Whether a file is the queue of a participant's port in a domain."""
    port = _PORT.fullmatch(name)
    return port is not None and domain_of_port(int(port[1])) == domain
