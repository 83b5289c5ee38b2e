"""Folders that are named by the time, one for each recording."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def dated_folders(parent: Path, now_s: float | None = None) -> Iterator[Path]:
    """Paths in a folder, named by the time; those after the first have a number. None is made.

    Parameters
    ----------
    parent : Path
        The folder that they are in.
    now_s : float, optional
        The time, seconds since the epoch; now by default.
    """
    name = time.strftime('%Y-%m-%d_%H-%M-%S', time.localtime(now_s))
    yield parent / name
    for number in itertools.count(2):
        yield parent / f'{name}_{number}'
