"""Limits the size of the folder of kept engines, and removes old ones."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from jetson_perception.errors import ModelError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from jetson_perception.engines.tensorrt.cache.store import EngineStore

_log = logging.getLogger('jetson_perception')

MAX_BYTES = 2 << 30
"""Size limit of the folder, unless the environment sets another: room for some fifty YOLO engines
in FP16, and little beside the system on the smallest Jetson's 16 GB."""

MAX_BYTES_VARIABLE = 'JETSON_PERCEPTION_CACHE_MB'


def limit_of_environment() -> int:
    """The size limit in bytes: from the environment variable, else `MAX_BYTES`.

    Raises
    ------
    ModelError
        When the variable is not a number of megabytes.
    """
    text = os.environ.get(MAX_BYTES_VARIABLE, '')
    if not text:
        return MAX_BYTES
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(
            f'the environment variable {MAX_BYTES_VARIABLE} is {quoted(text)}; expected '
            f'megabytes, such as {MAX_BYTES >> 20}'
        )
    return int(text) << 20


def prune(store: EngineStore, max_bytes: int, *, keep: str) -> None:
    """Remove the least recently used engines until the rest fits.

    Parameters
    ----------
    store : EngineStore
        Where the engines are.
    max_bytes : int
        Size limit; if it cannot be met, that is logged.
    keep : str
        Digest of an engine that stays.
    """
    sweep(store)
    by_age = sorted(store.digests(), key=store.last_used)
    total = sum(map(store.size, by_age))
    for digest in by_age:
        if total <= max_bytes:
            return
        if digest == keep:
            continue
        with store.lock(digest, wait=False) as locked:
            if locked:
                total -= store.size(digest)
                store.remove(digest)
                _log.info(
                    'engine cache %s: removed %s, the least recently used engine',
                    store.folder,
                    digest,
                )
    if total > max_bytes:
        _log.warning(
            'the engine cache %s holds %d MB, more than its limit of %d MB; raise it with %s',
            store.folder,
            total >> 20,
            max_bytes >> 20,
            MAX_BYTES_VARIABLE,
        )


def sweep(store: EngineStore) -> None:
    """Remove what killed processes left behind: half-written files, and locks nobody holds."""
    for digest in store.unfinished():
        with store.lock(digest, wait=False) as locked:
            if locked:
                store.remove_unfinished(digest)
