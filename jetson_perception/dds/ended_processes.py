"""Which publishers are those of processes that have ended.

Discovery lists the publishers of a killed process for some 20 s more, and what it left in shared
memory looks like that of another container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds.guids import PID_MODULUS
from jetson_perception.dds.proc import PROC, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jetson_perception.dds.guids import Guid

#: Of what /proc/PID/stat says of the state: it has ended, but its parent has not asked how.
_ENDED = ('Z', 'X')


def processes_of(pid_modulo: int) -> list[int]:
    """Processes that can be seen here whose id is this, modulo `PID_MODULUS`."""
    most = int(read(PROC / 'sys/kernel/pid_max') or PID_MODULUS)
    return [pid for pid in range(pid_modulo, most, PID_MODULUS) if (PROC / str(pid)).exists()]


class EndedProcesses:
    """Remembers the processes of publishers, so as to say which have ended.

    One that was never seen here, as on another host or in another container, counts as alive.
    """

    def __init__(self) -> None:
        self._pids: dict[bytes, list[int]] = {}

    def of(self, publishers: Iterable[Guid], own: Guid) -> set[Guid]:
        """Those of the publishers whose process was seen here before, and has ended.

        Parameters
        ----------
        publishers : iterable of Guid
            All that discovery lists now; others are forgotten.
        own : Guid
            Of an endpoint of this process.
        """
        known, self._pids = self._pids, {}
        ended = set()
        for guid in publishers:
            if not guid.on_host_of(own) or guid.in_process_of(own):
                continue
            pids = known.get(guid.participant)
            if pids is None:
                pids = [pid for pid in processes_of(guid.pid_modulo) if _is_alive(pid)]
            self._pids[guid.participant] = pids
            if pids and not any(map(_is_alive, pids)):
                ended.add(guid)
        return ended


def _is_alive(pid: int) -> bool:
    # '979 (any name) S 1 …'; empty once it is gone
    state = read(PROC / str(pid) / 'stat').rpartition(')')[2].strip()
    return state != '' and not state.startswith(_ENDED)
