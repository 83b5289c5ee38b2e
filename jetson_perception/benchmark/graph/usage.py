"""What processes take: time on a core, memory, memory of the GPU."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.camera.shown import shown_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PROC = Path('/proc')
_TICKS_A_SECOND = os.sysconf('SC_CLK_TCK')
_NVIDIA_SMI = (
    'nvidia-smi',
    '--query-compute-apps=pid,used_memory',
    '--format=csv,noheader,nounits',
)
_NVIDIA_SMI_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Usage:
    """What some processes took together over a time.

    Attributes
    ----------
    cpu_percent : float
        Of one core; 150 is a core and a half.
    rss_mb : float
        Resident memory, shared pages counted in every process; MB of 10⁶ bytes.
    pss_mb : float or None
        The same with each shared page divided among all who share it; None where the system does
        not tell it, as of another user's processes.
    gpu_mb : float or None
        Memory of the GPU, as nvidia-smi counts it for these processes; None where it does not.
    """

    cpu_percent: float
    rss_mb: float
    pss_mb: float | None
    gpu_mb: float | None


class UsageMeter:
    """Measures processes, with those that they started, from now to `usage`.

    Parameters
    ----------
    pids : iterable of int
        Those that have ended count for nothing.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = with_children(pids)
        self._begun_s = time.monotonic()
        self._cpu_s = {pid: cpu_s(pid) for pid in self._pids}

    def cpu_percent(self) -> float:
        """Time on cores since the start, as percent of one core."""
        elapsed_s = max(time.monotonic() - self._begun_s, 1e-9)
        used_s = sum(max(cpu_s(pid) - begun_s, 0.0) for pid, begun_s in self._cpu_s.items())
        return 100 * used_s / elapsed_s

    def usage(self, cpu_percent: float) -> Usage | None:
        """The memory taken now, with CPU time measured before; None without a process."""
        alive = [pid for pid in self._pids if exists(pid)]
        if not alive:
            return None
        shares = [pss_mb(pid) for pid in alive]
        known = [each for each in shares if each is not None]
        return Usage(
            cpu_percent,
            sum(map(rss_mb, alive)),
            sum(known) if len(known) == len(shares) else None,
            gpu_mb(alive),
        )


def exists(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it."""
    return _stat(pid)[:1] not in ([], ['Z'], ['X'])


def command_of(pid: int) -> str:
    """What a process is, for people: its command line, without passwords of sources."""
    words = _read(pid, 'cmdline').rstrip('\0').split('\0')
    return shown_words(words)


def cpu_s(pid: int) -> float:
    """Time of a process on cores, user and system; 0 if there is none."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND if len(fields) > 12 else 0.0


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB of 10⁶ bytes; 0 if there is none."""
    return _kilobytes(_read(pid, 'status'), 'VmRSS:') or 0.0


def pss_mb(pid: int) -> float | None:
    """The same with shared pages divided; None where it is not told."""
    return _kilobytes(_read(pid, 'smaps_rollup'), 'Pss:')


def gpu_mb(pids: Iterable[int]) -> float | None:
    """Memory that processes have on GPUs, MB of 10⁶ bytes; None where nvidia-smi tells nothing."""
    try:
        done = subprocess.run(
            _NVIDIA_SMI,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=_NVIDIA_SMI_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    used = gpu_mb_by_pid(done.stdout)
    ours = [used[pid] for pid in pids if pid in used]
    return sum(ours) if ours else None


def gpu_mb_by_pid(table: str) -> Mapping[int, float]:
    """Memory of each process in what nvidia-smi prints: `pid, MiB` a line."""
    found: dict[int, float] = {}
    for line in table.splitlines():
        pid, _, mebibytes = (each.strip() for each in line.partition(','))
        if pid.isdecimal() and mebibytes.isdecimal():
            found[int(pid)] = found.get(int(pid), 0.0) + int(mebibytes) * (1 << 20) / 1e6
    return found


def with_children(pids: Iterable[int]) -> list[int]:
    """Processes with all that they have started: `ros2 run` is only the parent of a node."""
    parents = _parents()
    wanted = [pid for pid in dict.fromkeys(pids) if exists(pid)]
    for pid in wanted:  # grows as it goes
        wanted += [
            each for each, parent in parents.items() if parent == pid and each not in wanted
        ]
    return wanted


def _parents() -> dict[int, int]:
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            fields = _stat(int(folder.name))
            if len(fields) > 1:
                found[int(folder.name)] = int(fields[1])
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/…/stat after the program's name, which may have spaces; [] if none."""
    return _read(pid, 'stat').rpartition(')')[2].split()


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text(encoding='utf-8', errors='replace')
    except OSError:
        return ''


def _kilobytes(text: str, name: str) -> float | None:
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    return None
