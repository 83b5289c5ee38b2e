"""Built engines kept on disk, so that a model is built once a machine and not at every start.

A folder holds for each engine `<digest>.plan`, what TensorRT serialized, and `<digest>.json`:
what it is, and the plan's SHA-256. The digest is that of the `EngineKey`, so an engine of another
model, version, GPU or with other options is never found. The JSON is written last: without it, or
with one that does not fit, the plan does not count and is built again.

A plan can execute code when it is loaded. Hence nobody but the user may write here: the folder and
its files are made so, and refused when they are not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.engines.tensorrt.engine_folder import CacheEntry, EngineFolder
from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.files.private_files import user_cache
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.engines.tensorrt.engine_key import EngineKey

_log = logging.getLogger('jetson_perception')

MAX_BYTES = 2 << 30
"""Size limit of the folder, unless the environment says another: some fifty engines of YOLO's size
in FP16, and little beside the system on the smallest Jetson's 16 GB."""

MAX_BYTES_VARIABLE = 'JETSON_PERCEPTION_CACHE_MB'

_POLL_SECONDS = 0.1

# Plans that could not be stored, by folder and digest; for this process only.
_in_memory: dict[tuple[Path, str], bytes] = {}
_building_in_memory = threading.Lock()


def cache_folder() -> Path:
    """Where engines are kept: jetson_perception/engines in $XDG_CACHE_HOME, else in ~/.cache."""
    return user_cache('engines')


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
        Default: `cache_folder`. It is made when something is to be stored.
    max_bytes : int, optional
        Size limit; past it the engines not used for the longest time go. Default: the environment
        variable JETSON_PERCEPTION_CACHE_MB, else `MAX_BYTES`.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int | None = None) -> None:
        self._engines = EngineFolder(folder or cache_folder())
        self.folder = self._engines.path
        self.max_bytes = _limit_of_environment() if max_bytes is None else max_bytes

    def get_or_build(
        self,
        key: EngineKey,
        build: Callable[[], bytes],
        *,
        cancel: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> CachedPlan:
        """The engine of a key: from the folder, else built, by one process of all that ask.

        Parameters
        ----------
        key : EngineKey
        build : callable
            Gives the serialized engine. What it raises goes to the caller, and nothing is stored.
        cancel : threading.Event, optional
            Once set, waiting for another process's build ends.
        on_wait : callable, optional
            Called once when another process builds this engine already.

        Returns
        -------
        CachedPlan
            Also when it could not be stored (disk full, or read-only): it is kept in memory then,
            for as long as the process lives, which is logged.

        Raises
        ------
        ModelError
            When others may write the folder or a file in it; says what to do.
        BuildCanceled
            When `cancel` was set while waiting.
        """
        kept = _in_memory.get((self.folder, key.digest))
        if kept is not None:
            return CachedPlan(kept, built=False)
        try:
            self._engines.prepare()
        except OSError as err:
            return self._build_in_memory(key, build, f'{self.folder} cannot be made: {err}')
        plan, _ = self._engines.load(key)
        if plan is not None:
            return CachedPlan(plan, built=False)
        pause = _Pause(cancel, on_wait, key.digest)
        with self._engines.lock(key.digest, pause) as locked:
            if not locked:
                return self._build_in_memory(key, build, f'{self.folder} cannot be locked')
            plan, reason = self._engines.load(key)  # another process may have built it meanwhile
            if plan is not None:
                return CachedPlan(plan, built=False)
            _log.info('%s: building an engine: %s', key.name, reason)
            start = time.monotonic()
            plan = bytes(build())
            self._store(key, plan, time.monotonic() - start)
        self._evict(keep=key.digest)
        return CachedPlan(plan, built=True)

    def replace(self, key: EngineKey, build: Callable[[], bytes], reason: str) -> CachedPlan:
        """Build an engine again although it is there undamaged, and keep the new one in memory.

        For one that TensorRT built and cannot load: stored again, it would be refused again.

        Parameters
        ----------
        key, build
            As `get_or_build` has them.
        reason : str
            Why the stored one cannot be used.
        """
        with self._engines.lock(key.digest, _Pause(None, None, key.digest)):
            self._engines.remove(key.digest)
        return self._build_in_memory(key, build, reason)

    def entries(self) -> list[CacheEntry]:
        """Every engine of the folder, the one used last first; damaged ones too.

        Raises
        ------
        ModelError
            When others may write the folder.
        """
        if not self._engines.check():
            return []
        found = [self._engines.entry(digest) for digest in self._engines.digests()]
        return sorted(found, key=lambda entry: -entry.last_used)

    def clear(self, model: str = '') -> tuple[list[CacheEntry], int]:
        """Remove engines.

        Parameters
        ----------
        model : str
            Only those of the model of this file name or path; default: all.

        Returns
        -------
        removed : list of CacheEntry
        busy : int
            How many stay, as a process builds them right now.
        """
        removed: list[CacheEntry] = []
        busy = 0
        for entry in self.entries():
            if model and model not in (entry.model, Path(entry.model).name):
                continue
            with self._engines.lock(entry.digest) as locked:
                if locked:
                    self._engines.remove(entry.digest)
                    removed.append(entry)
                else:
                    busy += 1
        self._sweep()
        return removed, busy

    def _build_in_memory(
        self, key: EngineKey, build: Callable[[], bytes], reason: str
    ) -> CachedPlan:
        with _building_in_memory:  # of several threads that ask, one builds
            kept = _in_memory.get((self.folder, key.digest))
            if kept is not None:
                return CachedPlan(kept, built=False)
            plan = bytes(build())
            self._keep_in_memory(key, plan, reason)
        return CachedPlan(plan, built=True)

    def _keep_in_memory(self, key: EngineKey, plan: bytes, reason: str) -> None:
        _in_memory[self.folder, key.digest] = plan
        _log.warning(
            '%s: its engine is kept in memory and is built again at the next start: %s',
            key.name,
            reason,
        )

    def _evict(self, keep: str) -> None:
        """Remove the engines not used for the longest time until the rest fits."""
        self._sweep()
        by_age = sorted(self._engines.digests(), key=self._engines.last_used)
        total = sum(map(self._engines.size, by_age))
        for digest in by_age:
            if total <= self.max_bytes:
                return
            if digest == keep:
                continue
            with self._engines.lock(digest) as locked:
                if locked:
                    total -= self._engines.size(digest)
                    self._engines.remove(digest)
                    _log.info(
                        'engine cache %s: removed %s, unused for the longest time',
                        self.folder,
                        digest,
                    )
        if total > self.max_bytes:
            _log.warning(
                'the engine cache %s holds %d MB, more than its limit of %d MB; %s raises it',
                self.folder,
                total >> 20,
                self.max_bytes >> 20,
                MAX_BYTES_VARIABLE,
            )

    def _sweep(self) -> None:
        """Remove what killed processes left: half-written files and locks that nobody holds."""
        for digest in self._engines.left_over():
            with self._engines.lock(digest) as locked:
                if locked:
                    self._engines.remove_unfinished(digest)

    def _store(self, key: EngineKey, plan: bytes, seconds: float) -> None:
        try:
            self._engines.store(key, plan, seconds)
        except OSError as err:
            self._keep_in_memory(key, plan, f'{self.folder} cannot be written: {err.strerror}')


class _Pause:
    """What a process does again and again while another builds the engine that it wants."""

    def __init__(
        self, cancel: threading.Event | None, on_wait: Callable[[], None] | None, digest: str
    ) -> None:
        self._cancel = cancel or threading.Event()
        self._on_wait = on_wait
        self._digest = digest

    def __call__(self) -> None:
        on_wait, self._on_wait = self._on_wait, None
        if on_wait is not None:
            on_wait()
        if self._cancel.wait(_POLL_SECONDS):
            raise BuildCanceled(f'canceled while another process was building {self._digest}')


def _limit_of_environment() -> int:
    text = os.environ.get(MAX_BYTES_VARIABLE, '')
    if not text:
        return MAX_BYTES
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(
            f'the environment variable {MAX_BYTES_VARIABLE} is {quoted(text)}; expected '
            f'megabytes, as {MAX_BYTES >> 20}'
        )
    return int(text) << 20
