"""Which processes of this host are behind the publishers of a topic."""

from __future__ import annotations

from pathlib import Path

#: Of the id of an endpoint: Fast DDS begins it with the vendor, then has what is the same for all
#: processes of a host, then the lower half of the process's number.
_FAST_DDS = bytes((0x01, 0x0F))
_HOST = slice(2, 4)
_PID = slice(4, 6)
_LIBRARIES = ('libfastrtps', 'libfastdds')
_PROC = Path('/proc')


def is_fast_dds(gid: bytes) -> bool:
    """Whether an endpoint is one of Fast DDS, whose id tells more."""
    return gid.startswith(_FAST_DDS)


def same_host(gid: bytes, other: bytes) -> bool | None:
    """Whether two endpoints are on one host; None where their ids do not tell."""
    if not (is_fast_dds(gid) and is_fast_dds(other)):
        return None
    return gid[_HOST] == other[_HOST]


def pids_of(gid: bytes) -> list[int]:
    """Processes of this host that an endpoint's id may be of; one, but for rare chances.

    None where it is of another middleware, or its process is in a container of its own. What
    another user's process has loaded cannot be looked at, so there its number alone counts.
    """
    if not is_fast_dds(gid):
        return []
    low = int.from_bytes(gid[_PID], 'little')
    candidates = sorted(
        int(folder.name)
        for folder in _PROC.iterdir()
        if folder.name.isdecimal() and int(folder.name) & 0xFFFF == low
    )
    return [pid for pid in candidates if _uses_fast_dds(pid) is not False]


def _uses_fast_dds(pid: int) -> bool | None:
    """Whether a process has Fast DDS loaded; None where that may not be seen."""
    try:
        maps = (_PROC / str(pid) / 'maps').read_text(encoding='utf-8', errors='replace')
    except OSError:
        return None
    return any(library in maps for library in _LIBRARIES) if maps else None
