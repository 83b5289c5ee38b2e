"""The kernel's files below /proc, each read up to a limit; what cannot be read is empty."""

from __future__ import annotations

import re
from pathlib import Path

PROC = Path('/proc')

_MOST_BYTES = 1 << 20
_PART = 1 << 16
#: A process with a GPU and models has thousands of mappings, at some 100 bytes a line.
_MOST_MAPS_BYTES = 64 << 20
#: '7f10a0000000-7f10a0200000 rw-s 00000000 00:1b 2242738   /dev/shm/fastrtps_0123456789abcdef'
_MAPPED = re.compile(r'^\S+ \S+ \S+ \S+ \d+ +(/.*?)(?: \(deleted\))?$', re.MULTILINE)


def read(path: Path, most_bytes: int = _MOST_BYTES) -> str:
    """The beginning of a file; '' where it is gone, or another user's."""
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            # Python takes memory for all that it is asked for, before it reads.
            parts: list[str] = []
            left = most_bytes
            while part := file.read(min(left, _PART)):
                parts.append(part)
                left -= len(part)
            return ''.join(parts)
    except OSError:
        return ''


def mapped_files(pid: int | str = 'self', proc: Path = PROC) -> set[str]:
    """Paths of the files that a process has mapped; empty where that may not be seen."""
    return set(_MAPPED.findall(read(proc / str(pid) / 'maps', _MOST_MAPS_BYTES)))
