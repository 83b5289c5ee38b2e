"""Checks that a model's inputs and outputs fit into memory, before any are allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jetson_perception.engines.base import TensorSpec

LARGEST_SHARE = 0.25
"""Largest share of the machine's memory for the inputs and outputs of one model.

Decoding the outputs takes as much again, and cameras, images and other models need some too.
Segmentation of 150 classes at 3840×2160 in FP32 takes 5 GB, so it needs a machine with 20 GB.
"""

# Memory limits of this process's container, from control groups version 2 and version 1.
_CONTAINER_LIMITS = (
    '/sys/fs/cgroup/memory.max',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes',
)


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or its container's if that is less."""
    found = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    for name in _CONTAINER_LIMITS:
        try:
            found = min(found, int(Path(name).read_text(encoding='ascii')))
        except (OSError, ValueError):  # not there, or 'max'
            continue
    return found


def tensor_bytes(specs: Iterable[TensorSpec]) -> int:
    """Bytes of tensors; open dimensions count as 1."""
    return sum(
        math.prod(max(size, 1) for size in spec.shape) * spec.dtype.itemsize for spec in specs
    )


def check_tensor_memory(path: str | Path, specs: Iterable[TensorSpec]) -> None:
    """Refuse a model whose inputs and outputs take too much memory.

    Parameters
    ----------
    path : str or Path
        The model, for the error.
    specs : iterable of TensorSpec
        All inputs and outputs, with the sizes in use; -1 for unknown ones.

    Raises
    ------
    ModelError
        When they take more than `LARGEST_SHARE` of memory; the message names the largest.
    """
    specs = list(specs)
    needed, limit = tensor_bytes(specs), int(LARGEST_SHARE * memory_bytes())
    if needed <= limit:
        return
    largest = max(specs, key=lambda spec: tensor_bytes([spec]))
    shape = ' × '.join('?' if size < 0 else str(size) for size in largest.shape)
    raise ModelError(
        f'{path}: inputs and outputs take {needed / 1e9:.1f} GB, most of it '
        f'{quoted(largest.name)}, {largest.dtype} {shape}; expected at most {limit / 1e9:.1f} GB, '
        'a quarter of the memory. Run it at a smaller size (input_size), or export it with '
        'smaller outputs'
    )
