"""What the UDP sockets of this process hold, and what the kernel dropped for want of room."""

from __future__ import annotations

import os
import re
import socket
from typing import NamedTuple

from jetson_perception.dds.proc import PROC, read

_TABLES = (PROC / 'net/udp', PROC / 'net/udp6')
_DESCRIPTORS = PROC / 'self/fd'
_SOCKET = re.compile(r'socket:\[(\d+)\]')
#: 'sl local_address … inode ref pointer drops': the columns that count.
_INODE, _DROPS = 9, 12


class OwnSockets(NamedTuple):
    """The UDP sockets of this process.

    Attributes
    ----------
    nbytes : int or None
        What the largest of them holds; None where there is none.
    drops : int or None
        Datagrams that the kernel dropped since they were opened; None where it does not tell.
    """

    nbytes: int | None = None
    drops: int | None = None


def own_sockets() -> OwnSockets:
    """The UDP sockets of this process, as they are now."""
    inodes, sizes = set(), []
    for descriptor in _own_descriptors():
        try:
            target = _SOCKET.fullmatch(os.readlink(_DESCRIPTORS / str(descriptor)))
        except OSError:
            continue  # it has just been closed
        if target is None:
            continue
        inodes.add(target[1])
        sizes.append(_receive_bytes(descriptor))
    return OwnSockets(max(filter(None, sizes), default=None), _drops(inodes))


def _own_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_DESCRIPTORS)]
    except OSError:
        return []


def _receive_bytes(descriptor: int) -> int:
    """What a socket may hold, as whoever made it asked; 0 where it is not one of UDP."""
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return 0
    with copy:
        if copy.type != socket.SOCK_DGRAM or copy.family not in (socket.AF_INET, socket.AF_INET6):
            return 0
        # The kernel doubles what is asked for, for its own use.
        return copy.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def _drops(inodes: set[str]) -> int | None:
    total, found = 0, False
    for table in _TABLES:
        for columns in map(str.split, read(table).splitlines()[1:]):
            if len(columns) > _DROPS and columns[_INODE] in inodes:
                found = True
                total += int(columns[_DROPS])
    return total if found else None
