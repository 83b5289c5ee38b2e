"""Which code was measured, on what kind of machine, with which settings of the middleware."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.benchmark.machine import load
from jetson_perception.dds import segments, sockets
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = ('ROS_', 'RMW_', 'FASTRTPS_', 'FASTDDS_', 'CYCLONEDDS_', 'ZENOH_', 'MALLOC_')
#: They say where things are, and nothing that a figure depends on.
_NOT_TOLD = ('ROS_LOG_DIR', 'ROS_HOME', 'ROS_PACKAGE_PATH', 'ROS_ETC_DIR')
_TIMEOUT_S = 10.0


def commit() -> str:
    """The commit of the checkout that this package runs from, `+` where files differ from it.

    '' where it runs from no checkout, or there is no git.
    """
    file = Path(__file__).resolve()  # an installed package may be links to a checkout
    folder = file.parent
    revision = _git(folder, 'rev-parse', '--short=12', 'HEAD')
    if not revision or _git(folder, 'ls-files', '--error-unmatch', str(file)) is None:
        return ''
    changed = _git(folder, 'status', '--porcelain', '--untracked-files=no')
    return revision + ('+' if changed else '')


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that ROS and its middleware read."""
    return {
        name: printable(value)
        for name, value in sorted(environ.items())
        if name.startswith(_PREFIXES) and name not in _NOT_TOLD
    }


def surroundings() -> dict[str, Any]:
    """What of this machine else decides on figures: how busy it is, and what the kernel allows.

    Returns
    -------
    dict
        `load`, the processes that want a core, averaged over a minute; `net.core.rmem_max` and
        `net.core.wmem_max`, bytes, None where they are not told; `shared_memory_free_mb`.
    """
    return {
        'load': load(),
        'net.core.rmem_max': sockets.receive_limit(),
        'net.core.wmem_max': sockets.send_limit(),
        'shared_memory_free_mb': round(segments.free_bytes() / 1e6),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        done = subprocess.run(
            ['git', '-C', str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
