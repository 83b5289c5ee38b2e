"""Gets an engine from the folder, or builds it: once per machine, for all processes."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.engines.tensorrt.cache.memory import plans_in_memory
from jetson_perception.engines.tensorrt.cache.pruning import limit_of_environment, prune, sweep
from jetson_perception.engines.tensorrt.cache.store import EngineStore
from jetson_perception.files.private_files import cache_folder

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from jetson_perception.engines.tensorrt.cache.key import EngineKey
    from jetson_perception.engines.tensorrt.cache.store import CacheEntry

_log = logging.getLogger('jetson_perception')


@dataclass(frozen=True)
class CachedPlan:
    """A serialized engine.

    Attributes
    ----------
    data : bytes
        For TensorRT to deserialize.
    built : bool
        Whether this call built it.
    """

    data: bytes
    built: bool


class EngineCache:
    """Engines in a folder that is private to its user; safe for many processes and threads.

    Parameters
    ----------
    folder : Path, optional
        Default: `engines` in this package's cache. It is created when something is stored.
    max_bytes : int, optional
        Size limit; beyond it, the least recently used engines are removed. Default: the
        environment variable JETSON_PERCEPTION_CACHE_MB, else `pruning.MAX_BYTES`.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int | None = None) -> None:
        self.folder = folder or cache_folder('engines')
        self.max_bytes = limit_of_environment() if max_bytes is None else max_bytes
        self._store = EngineStore(self.folder)

    def get_or_build(
        self,
        key: EngineKey,
        build: Callable[[], bytes],
        *,
        cancel: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> CachedPlan:
        """The engine of a key: from the folder, else built by one of the processes that ask.

        Parameters
        ----------
        key : EngineKey
        build : callable
            Returns the serialized engine. If it raises, the caller gets the exception, and nothing
            is stored.
        cancel : threading.Event, optional
            Once set, waiting for another process's build ends.
        on_wait : callable, optional
            Called once if another process is already building this engine.

        Returns
        -------
        CachedPlan
            If it cannot be stored (the disk is full or read-only), it is kept in memory for as
            long as the process lives, which is logged.

        Raises
        ------
        ModelError
            When others may write the folder or a file in it; the message says what to do.
        BuildCanceled
            When `cancel` was set while waiting.
        """
        kept = plans_in_memory.get(self.folder, key)
        if kept is not None:
            return CachedPlan(kept, built=False)
        try:
            self._store.make()
        except OSError as err:
            return self._build_in_memory(key, build, f'{self.folder} cannot be created: {err}')
        plan, _ = self._store.load(key)
        if plan is not None:
            return CachedPlan(plan, built=False)
        with self._store.lock(key.digest, cancel, on_wait) as locked:
            if not locked:
                return self._build_in_memory(key, build, f'{self.folder} cannot be locked')
            plan, reason = self._store.load(key)  # another process may have built it meanwhile
            if plan is not None:
                return CachedPlan(plan, built=False)
            _log.info('%s: building an engine: %s', key.name, reason)
            start = time.monotonic()
            plan = bytes(build())
            self._save(key, plan, time.monotonic() - start)
        prune(self._store, self.max_bytes, keep=key.digest)
        return CachedPlan(plan, built=True)

    def replace(self, key: EngineKey, build: Callable[[], bytes], reason: str) -> CachedPlan:
        """Build an engine again although the stored one is undamaged; keep the new one in memory.

        For an engine that TensorRT built but cannot load: stored again, it would be refused again.

        Parameters
        ----------
        key, build
            See `get_or_build`.
        reason : str
            Why the stored one cannot be used.
        """
        with self._store.lock(key.digest):
            self._store.remove(key.digest)
        return self._build_in_memory(key, build, reason)

    def entries(self) -> list[CacheEntry]:
        """All engines in the folder, the most recently used first; damaged ones, too.

        Raises
        ------
        ModelError
            When others may write the folder.
        """
        if not self.folder.is_dir():
            return []
        self._store.check()
        found = [self._store.entry(digest) for digest in self._store.digests()]
        return sorted(found, key=lambda entry: -entry.last_used)

    def clear(self, model: str = '') -> tuple[list[CacheEntry], int]:
        """Remove engines.

        Parameters
        ----------
        model : str
            Remove only engines of the model with this file name or path; default: all.

        Returns
        -------
        removed : list of CacheEntry
        busy : int
            How many stay because a process is building them right now.
        """
        removed: list[CacheEntry] = []
        busy = 0
        for entry in self.entries():
            if model and model not in (entry.model, Path(entry.model).name):
                continue
            with self._store.lock(entry.digest, wait=False) as locked:
                if locked:
                    self._store.remove(entry.digest)
                    removed.append(entry)
                else:
                    busy += 1
        sweep(self._store)
        return removed, busy

    def _save(self, key: EngineKey, plan: bytes, build_seconds: float) -> None:
        try:
            self._store.save(key, plan, build_seconds)
        except OSError as err:
            reason = f'{self.folder} cannot be written: {err.strerror}'
            plans_in_memory.keep(self.folder, key, plan, reason)

    def _build_in_memory(
        self, key: EngineKey, build: Callable[[], bytes], reason: str
    ) -> CachedPlan:
        plan, built = plans_in_memory.get_or_build(self.folder, key, build, reason)
        return CachedPlan(plan, built=built)
