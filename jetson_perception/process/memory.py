"""How much memory a process may still take, and whether an error means that there was none left.

A process that takes more than its control group allows, or than the machine has, is killed without
a word. One whose allocation is refused gets an error, which each library words in its own way.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = (
    'run fewer or smaller models, take smaller images, end other programs, or give it more memory '
    '(docs/small_boards.md)'
)
"""What to do where memory ran out."""

#: What C++, ONNX Runtime, OpenCV, NumPy and glibc say of memory that they did not get.
_WORDS = re.compile(
    r'bad_alloc|bad allocation|insufficient memory|out of memory|'
    r'(failed|unable|cannot|could not) (to )?(be )?allocated?\b',
    re.IGNORECASE,
)
_KIB = 1 << 10
#: A limit of a process, what counts against it, and the option of `ulimit`.
_LIMITS = (('Max data size', 'VmData', '-d'), ('Max address space', 'VmSize', '-v'))
_UNLIMITED = 1 << 60
"""Limits from here on are none: version 1 of control groups has no word for 'max'."""


@dataclass(frozen=True, slots=True)
class _Version:
    """Names that a version of control groups has in the folder of a group.

    Attributes
    ----------
    limit, usage : str
        Files with the most memory that the group may have, and with what it has, bytes.
    swap_limit, swap_usage : str
        Those of swap; in version 1, of memory and swap together.
    reclaimable : tuple of str
        Lines of memory.stat: part of the usage that the kernel frees before it refuses memory,
        files that it has read and its own caches, as in a machine's MemAvailable.
    """

    limit: str
    usage: str
    swap_limit: str
    swap_usage: str
    reclaimable: tuple[str, ...]


_VERSION_2 = _Version(
    'memory.max',
    'memory.current',
    'memory.swap.max',
    'memory.swap.current',
    ('inactive_file', 'active_file', 'slab_reclaimable'),
)
_VERSION_1 = _Version(
    'memory.limit_in_bytes',
    'memory.usage_in_bytes',
    'memory.memsw.limit_in_bytes',
    'memory.memsw.usage_in_bytes',
    ('total_inactive_file', 'total_active_file'),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of whoever has the least left: the machine, this process, or a control group of it.

    Attributes
    ----------
    total_bytes : int
        What it has altogether, without swap.
    available_bytes : int
        What can still be taken: with swap, and with what the kernel holds of files.
    owner : str
        'this machine', 'this process (ulimit -d)' or 'the control group /…', for people.
    """

    total_bytes: int
    available_bytes: int
    owner: str = 'this machine'

    def __str__(self) -> str:
        available, total = self.available_bytes / 1e6, self.total_bytes / 1e6
        return f'{max(available, 0):.0f} of {total:.0f} MB are available to {self.owner}'


def memory_bytes(root: str | Path = '/') -> int:
    """Memory that this process may use: the machine's, or what a limit allows if that is less."""
    return min((each.total_bytes for each in _all(Path(root))), default=_of_sysconf())


def memory_left(root: str | Path = '/') -> Memory | None:
    """The memory that ends first; None where the system does not tell, as in a test's folder."""
    return min(_all(Path(root)), key=lambda each: each.available_bytes, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error itself, apart from those that it was raised from, says that memory ran out.

    `shortages.shortage` looks at those too, and puts it into words.
    """
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, MemoryError) or _WORDS.search(str(error)) is not None


def why_out_of_memory() -> str:
    """The state of memory and what to do, to follow after what failed."""
    left = memory_left()
    return f'memory ran out ({left}); {ADVICE}' if left else f'memory ran out; {ADVICE}'


def _all(root: Path) -> Iterator[Memory]:
    """The machine's memory, and that of every control group above this process with a limit."""
    machine = _of_machine(root)
    if machine is not None:
        yield machine
    yield from _of_process(root)
    for line in _text(root / 'proc/self/cgroup').splitlines():
        _, _, rest = line.partition(':')
        controllers, _, path = rest.partition(':')
        if controllers == '':
            yield from _of_groups(root, 'sys/fs/cgroup', path, _VERSION_2)
        elif 'memory' in controllers.split(','):
            yield from _of_groups(root, 'sys/fs/cgroup/memory', path, _VERSION_1)


def _of_machine(root: Path) -> Memory | None:
    sizes = _meminfo(root)
    if 'MemTotal' not in sizes:
        return None
    available = sizes.get('MemAvailable', sizes.get('MemFree', 0))
    return Memory(sizes['MemTotal'], available + sizes.get('SwapFree', 0))


def _of_process(root: Path) -> Iterator[Memory]:
    """What the limits of this process leave it, as `ulimit` sets them."""
    limits, status = _text(root / 'proc/self/limits'), _text(root / 'proc/self/status')
    for limit, usage, option in _LIMITS:
        most = re.search(rf'^{limit} +(\d+) ', limits, re.MULTILINE)
        used = re.search(rf'^{usage}:\s+(\d+) kB', status, re.MULTILINE)
        if most and used:
            total = int(most[1])
            yield Memory(total, total - int(used[1]) * _KIB, f'this process (ulimit {option})')


def _of_groups(root: Path, hierarchy: str, path: str, version: _Version) -> Iterator[Memory]:
    """Groups from the root down to this process's own; a container sees its own as the root."""
    below = path.strip('/').split('/') if path.strip('/') else []
    if '..' in below:  # of a process that is seen from another namespace
        below = []
    free_swap = _meminfo(root).get('SwapFree', 0)
    allowed_swap: int | None = None
    for depth in range(len(below) + 1):
        folder = root.joinpath(hierarchy, *below[:depth])
        limit, used = (_size(folder / name) for name in (version.limit, version.usage))
        if limit is None or used is None:  # the root of a machine has neither
            continue
        swap = _swap_of_group(folder, version, limit - used)
        if swap is not None:  # no group has more than those above it
            allowed_swap = min(swap, free_swap if allowed_swap is None else allowed_swap)
        if limit >= _UNLIMITED:
            continue
        left = limit - used + _reclaimable(folder, version) + (allowed_swap or 0)
        yield Memory(limit, left, f'the control group /{"/".join(below[:depth])}')


def _swap_of_group(folder: Path, version: _Version, left_without_swap: int) -> int | None:
    """Bytes of swap that a group itself may still take; None where that is not told."""
    limit, used = (_size(folder / name) for name in (version.swap_limit, version.swap_usage))
    if limit is None or used is None:
        return None
    if limit >= _UNLIMITED:
        return _UNLIMITED
    left = limit - used
    return max(left - left_without_swap if version is _VERSION_1 else left, 0)


def _reclaimable(folder: Path, version: _Version) -> int:
    lines = re.findall(r'^(\w+) (\d+)$', _text(folder / 'memory.stat'), re.MULTILINE)
    return sum(int(size) for name, size in lines if name in version.reclaimable)


def _meminfo(root: Path) -> dict[str, int]:
    """Sizes of the machine's memory, bytes."""
    lines = re.findall(r'^(\w+):\s+(\d+) kB', _text(root / 'proc/meminfo'), re.MULTILINE)
    return {name: int(size) * _KIB for name, size in lines}


def _size(path: Path) -> int | None:
    """The number in a file of a control group; None where it is not there, or none."""
    text = _text(path)
    if text == 'max':
        return _UNLIMITED
    return int(text) if text.isdecimal() else None


def _of_sysconf() -> int:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='ascii', errors='replace').strip()
    except OSError:
        return ''
