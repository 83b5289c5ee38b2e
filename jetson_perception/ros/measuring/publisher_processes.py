"""Which processes of this host are behind the publishers of a topic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jetson_perception.dds.guids import PID_MODULUS
from jetson_perception.dds.proc import PROC, mapped_files

if TYPE_CHECKING:
    from jetson_perception.dds.guids import Guid

_LIBRARIES = ('libfastrtps', 'libfastdds')


def pids_of(guid: Guid) -> list[int]:
    """Processes of this host that an endpoint's id may be of; one, but for rare chances.

    Empty where it is of another middleware, or its process is in a container of its own. What
    another user's process has loaded cannot be looked at, so there its number alone counts.
    """
    if not guid.of_fast_dds:
        return []
    candidates = sorted(
        int(folder.name)
        for folder in PROC.iterdir()
        if folder.name.isdecimal() and int(folder.name) % PID_MODULUS == guid.pid_modulo
    )
    return [pid for pid in candidates if _uses_fast_dds(pid) is not False]


def _uses_fast_dds(pid: int) -> bool | None:
    """Whether a process has Fast DDS loaded; None where that may not be seen."""
    mapped = mapped_files(pid)
    if not mapped:
        return None
    return any(os.path.basename(path).startswith(_LIBRARIES) for path in mapped)
