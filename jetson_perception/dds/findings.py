"""Why frames of a topic are lost, or none comes: causes, and what mends them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(str, Enum):
    """What keeps frames from arriving, as a word for programs."""

    NO_PUBLISHER = 'no publisher'
    DISCOVERY = 'other domain or discovery range'
    MISMATCH = 'QoS or type does not match'
    SILENT = 'the publisher is silent'
    SEGMENT_SMALL = "the publisher's shared memory is too small"
    NO_SPACE = '/dev/shm is too small'
    NOT_SHARED = '/dev/shm is not shared'
    OTHER_USER = 'shared memory of another user'
    STALE_FILES = 'stale shared-memory files'
    SOCKET_BUFFERS = 'kernel socket buffers are too small'
    NETWORK = 'the network cannot carry the rate'
    SLOW_TAKING = 'this process takes images too slowly'
    LOAD = 'the machine has no time for them'


@dataclass(frozen=True)
class Finding:
    """One cause: what was found, and the one line that mends it."""

    cause: Cause
    found: str
    cure: str

    def __str__(self) -> str:
        return f'{self.found}: {self.cure}'


def shown_size(nbytes: int) -> str:
    """A number of bytes, for people."""
    if nbytes < 1_000_000:
        return f'{max(nbytes, 0) / 1000:.0f} kB'
    return f'{nbytes / 1e6:.1f} MB' if nbytes < 10_000_000 else f'{nbytes / 1e6:.0f} MB'
