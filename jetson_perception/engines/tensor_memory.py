"""Checks that a model's inputs and outputs fit into memory, before any are allocated."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError
from jetson_perception.printable import printable, quoted
from jetson_perception.process.memory import ADVICE, memory_bytes, memory_left

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jetson_perception.engines.base import TensorSpec

LARGEST_SHARE = 0.25
"""Largest share of the machine's memory for the inputs and outputs of one model.

Decoding the outputs takes as much again, and cameras, images and other models need some too.
Segmentation of 150 classes at 3840×2160 in FP32 takes 5 GB, so it needs a machine with 20 GB.
"""

LOADING_FACTOR = 2
"""How many times a file's size ONNX Runtime takes at least while it loads the model.

226 MB of weights took 575 MB at the peak, and 236 MB from then on (ONNX Runtime 1.31.1, CPU).
"""


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


def check_room_for(path: Path) -> None:
    """Refuse a model that cannot be loaded in the memory that is left.

    Linux would kill the process, with every model that runs in it.

    Raises
    ------
    ModelError
        When loading the file takes more than is available.
    """
    left = memory_left()
    size = os.path.getsize(path)
    if left is not None and LOADING_FACTOR * size > left.available_bytes:
        raise ModelError(
            f'{printable(path)} has {size / 1e6:.0f} MB, so that loading it takes '
            f'{LOADING_FACTOR * size / 1e6:.0f} MB or more, and {left}; {ADVICE}'
        )
