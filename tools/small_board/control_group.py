"""A control group whose processes may have so much memory and no more."""

from __future__ import annotations

import os
import re
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CGROUPS = Path('/sys/fs/cgroup')


@dataclass(frozen=True)
class ControlGroup:
    """A group below the one of this process.

    Attributes
    ----------
    folder, home : Path
        Where the kernel has it, and the group that this process comes back to.
    version : int
        Of the kernel's interface, 1 or 2.
    """

    folder: Path
    home: Path
    version: int

    def limit(self, most_bytes: int) -> None:
        """Let the group have so much, and no swap."""
        if self.version == 2:
            self._write('memory.max', most_bytes)
            self._write('memory.swap.max', 0)
        else:
            self._write('memory.limit_in_bytes', most_bytes)
            self._write('memory.swappiness', 0)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """What is started in the block is in the group; this process is until the block ends."""
        self._write('cgroup.procs', os.getpid())
        try:
            yield
        finally:
            (self.home / 'cgroup.procs').write_text(str(os.getpid()))

    def peak_bytes(self) -> int:
        """The most that the group has ever held, the kernel's cache of files included."""
        return self._number('memory.peak' if self.version == 2 else 'memory.max_usage_in_bytes')

    def held_bytes(self) -> int:
        """What the group holds and the kernel cannot drop: its heaps, stacks and shared memory."""
        stat = (self.folder / 'memory.stat').read_text()
        names = ('anon', 'shmem') if self.version == 2 else ('rss', 'shmem')
        found = dict(re.findall(r'^(\w+) (\d+)$', stat, re.MULTILINE))
        anonymous, shared = (int(found.get(name, 0)) for name in names)
        return anonymous + shared

    def killed(self) -> int:
        """How many of its processes the kernel has ended for want of memory."""
        name = 'memory.events' if self.version == 2 else 'memory.oom_control'
        found = re.search(r'^oom_kill (\d+)$', (self.folder / name).read_text(), re.MULTILINE)
        return int(found[1]) if found else 0

    def _number(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def _write(self, name: str, value: int) -> None:
        (self.folder / name).write_text(str(value))


@contextmanager
def control_group(most_bytes: int) -> Iterator[ControlGroup]:
    """A new group; it is removed with the block, when its processes have ended.

    Raises
    ------
    SystemExit
        Where none can be made, with the reason.
    """
    parent, home, version = _own_group()
    folder = parent / f'small_board_{uuid.uuid4().hex[:8]}'
    group = ControlGroup(folder, home, version)
    try:
        folder.mkdir()
        group.limit(most_bytes)
    except OSError as err:
        if folder.is_dir():
            folder.rmdir()
        raise SystemExit(
            f'no control group with a limit of memory can be made in {parent}: {err.strerror}; '
            'run this as root'
        ) from err
    try:
        yield group
    finally:
        folder.rmdir()


def _own_group() -> tuple[Path, Path, int]:
    """Where a group can be made, where this process is, and the version of the interface."""
    lines = Path('/proc/self/cgroup').read_text().splitlines()
    groups = {tuple(line.split(':')[1].split(',')): line.split(':', 2)[2] for line in lines}
    for controllers, path in groups.items():
        if 'memory' in controllers:
            folder = _CGROUPS / 'memory' / path.strip('/')
            return folder, folder, 1
    if ('',) not in groups:
        raise SystemExit('this kernel has no control groups')
    folder = _CGROUPS / groups['',].strip('/')
    return folder, _delegated(folder), 2


def _delegated(folder: Path) -> Path:
    """Where this process is once groups below `folder` can have limits: in one of them itself.

    Version 2 gives no limits to groups beside processes; so those of this one move down.
    """
    control = folder / 'cgroup.subtree_control'
    inner = folder / 'measuring'
    try:
        inner.mkdir(exist_ok=True)
        for pid in (folder / 'cgroup.procs').read_text().split():
            (inner / 'cgroup.procs').write_text(pid)
        control.write_text('+memory')
    except OSError as err:
        raise SystemExit(
            f'{folder} cannot have groups with limits of memory below it: {err.strerror}. Run it '
            'as root; where systemd runs, put `systemd-run --scope -p Delegate=yes` before it'
        ) from err
    return inner
