"""Has glibc's allocator keep the memory of images, instead of returning it after each.

A large block is mapped anew each time by default, and every 4 KiB of it costs a page fault:
"Transport" in docs/performance.md has the measurements. One heap serves all threads: every
activation starts new ones, and each would leave a heap of its own behind, as large as the largest
engine that was ever opened in it.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_VARIABLE, SYSTEM = 'JETSON_PERCEPTION_TRANSPORT', 'system'
"""A variable, and its value where a process leaves allocator and transports as they are."""

#: mallopt's numbers (malloc.h), the variables that set the same, and our values.
_SETTINGS = (
    (-8, 'MALLOC_ARENA_MAX', 1),
    (-3, 'MALLOC_MMAP_THRESHOLD_', 1 << 28),
    (-1, 'MALLOC_TRIM_THRESHOLD_', 1 << 29),
    (-2, 'MALLOC_TOP_PAD_', 1 << 26),
)


def left_to_system(environ: Mapping[str, str]) -> bool:
    """Whether the user wants this process to change neither allocator nor transports."""
    return environ.get(SYSTEM_VARIABLE) == SYSTEM


def keep_memory(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Set glibc's allocator, before threads start, unless the user has; what was set.

    Another C library, such as musl, has no such settings.
    """
    if left_to_system(environ) or 'glibc.malloc' in environ.get('GLIBC_TUNABLES', ''):
        return []
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return []
    return [
        name
        for number, name, value in _SETTINGS
        if name not in environ and mallopt(number, value) == 1
    ]
