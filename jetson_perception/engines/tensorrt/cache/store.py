"""The files of kept engines, in a folder that is private to its user.

Each engine has two files: `<digest>.plan` has what TensorRT serialized, and `<digest>.json` has
its key and the plan's size and SHA-256. The JSON is written last: if it is missing or does not
match, the plan does not count and is built again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.cache.key import difference, is_digest
from jetson_perception.engines.tensorrt.cache.record import (
    BadRecordError,
    describe_plan,
    parse_record,
)
from jetson_perception.errors import ModelError
from jetson_perception.files.lock import locked
from jetson_perception.files.private_files import PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from threading import Event

    from jetson_perception.engines.tensorrt.cache.key import EngineKey
    from jetson_perception.engines.tensorrt.cache.record import PlanRecord

# The JSON is removed first, so what an interruption leaves does not count.
_SUFFIXES = ('json', 'plan', 'json.tmp', 'plan.tmp')


@dataclass(frozen=True)
class CacheEntry:
    """What `cache ls` shows about an engine.

    Attributes
    ----------
    digest : str
        The digest of its key, and the name of its files.
    model, runtime, gpu : str
        From the JSON; empty if it cannot be read.
    options : mapping
        How it was built.
    size_bytes : int
        The size of plan and JSON.
    last_used : float
        Seconds since 1970.
    problem : str
        Why it would be built again; empty if it would not.
    """

    digest: str
    model: str
    runtime: str
    gpu: str
    options: Mapping[str, Any]
    size_bytes: int
    last_used: float
    problem: str


class EngineStore:
    """Reads, checks and writes the files of engines; the caller locks what it writes or removes.

    Every call raises ModelError if others may have written what it reads.

    Parameters
    ----------
    folder : Path
        Where the files are; created when something is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = PrivateFolder(folder, holds='engines', error=ModelError)

    def make(self) -> None:
        """Create the folder; raises OSError if that fails."""
        self._files.make()

    def digests(self) -> list[str]:
        """Digests of the engines in the folder, complete or not."""
        paths = [*self.folder.glob('*.json'), *self.folder.glob('*.plan')]
        return sorted({path.stem for path in paths if is_digest(path.stem)})

    def unfinished(self) -> set[str]:
        """Digests of engines that have a half-written file or a lock."""
        left = [*self.folder.glob('*.lock'), *self.folder.glob('*.tmp')]
        return set(filter(is_digest, (path.name.partition('.')[0] for path in left)))

    def lock(
        self,
        digest: str,
        cancel: Event | None = None,
        on_wait: Callable[[], None] | None = None,
        *,
        wait: bool = True,
    ) -> AbstractContextManager[bool]:
        """Hold an engine's lock within the block; see `lock.locked`."""
        return locked(self._path(digest, 'lock'), wait=wait, cancel=cancel, on_wait=on_wait)

    # --- One engine -----------------------------------------------------------------------------

    def load(self, key: EngineKey) -> tuple[bytes | None, str]:
        """The plan and '', or None and the reason; a plan that is returned counts as used now."""
        try:
            record = self._read_record(key.digest)
            if record is None:
                return None, self._why_missing(key)
            differs = difference(record.key, key.content())
            if differs:
                path = self._path(key.digest, 'json')
                return None, f'{path} describes another engine: {differs}'
            plan = self._read_plan(key.digest, record)
        except BadRecordError as err:
            return None, str(err)
        self._touch(key.digest)
        return plan, ''

    def save(self, key: EngineKey, plan: bytes, build_seconds: float) -> None:
        """Write an engine; if that fails, raises OSError and leaves nothing behind."""
        record = describe_plan(key, plan, build_seconds)
        try:
            for suffix, content in (('plan', plan), ('json', record)):
                name = self._path(key.digest, suffix).name
                self._files.write(name, content, temporary=f'{name}.tmp')
        except OSError:
            self.remove(key.digest)
            raise

    def remove(self, digest: str) -> None:
        """Remove an engine's files."""
        self._unlink(digest, _SUFFIXES)

    def remove_unfinished(self, digest: str) -> None:
        """Remove the half-written files of an engine."""
        self._unlink(digest, _SUFFIXES[2:])

    def size(self, digest: str) -> int:
        """Size of plan and JSON in bytes."""
        return sum(status.st_size for status in self._statuses(digest))

    def last_used(self, digest: str) -> float:
        """When the engine was last used, in seconds since 1970."""
        return max((status.st_mtime for status in self._statuses(digest)), default=0.0)

    def entry(self, digest: str) -> CacheEntry:
        """What is known about an engine, damaged or not."""
        record, problem = None, ''
        try:
            record = self._read_record(digest)
            if record is not None:
                self._read_plan(digest, record)
        except (ModelError, BadRecordError) as err:
            problem = str(err)
        key = {} if record is None else record.key
        options = key.get('options')
        return CacheEntry(
            digest=digest,
            model='' if record is None else record.model,
            runtime=str(key.get('runtime', '')),
            gpu=f'{key.get("gpu", "")} {key.get("compute_capability", "")}'.strip(),
            options=options if isinstance(options, dict) else {},
            size_bytes=self.size(digest),
            last_used=self.last_used(digest),
            problem=problem,
        )

    def check(self) -> None:
        """Require that the folder, which must exist, is private."""
        self._files.check()

    # --- Files ----------------------------------------------------------------------------------

    def _path(self, digest: str, suffix: str) -> Path:
        return self.folder / f'{digest}.{suffix}'

    def _read_record(self, digest: str) -> PlanRecord | None:
        """The record of an engine; None if there is no engine."""
        path, plan = self._path(digest, 'json'), self._path(digest, 'plan')
        content = self._files.read(path.name)
        if content is not None:
            return parse_record(content, path)
        if plan.exists():
            raise BadRecordError(f'{path}, which describes {plan.name}, is missing')
        return None

    def _read_plan(self, digest: str, record: PlanRecord) -> bytes:
        path = self._path(digest, 'plan')
        plan = self._files.read(path.name)
        if plan is None:
            raise BadRecordError(f'{path} is missing')
        damage = record.damage(plan)
        if damage:
            raise BadRecordError(f'{path} is damaged: {damage}')
        return plan

    def _why_missing(self, key: EngineKey) -> str:
        """How the wanted engine differs from the most similar one of its model."""
        nearest: tuple[int, float, str] | None = None
        for digest in self.digests():
            try:
                record = self._read_record(digest)
            except (ModelError, BadRecordError):  # another engine's problem
                continue
            if record is None:
                continue
            if record.key.get('model_sha256') != key.model_sha256 and record.model != key.model:
                continue
            differs = difference(record.key, key.content())
            candidate = (differs.count(';'), -self.last_used(digest), differs)
            nearest = min(nearest, candidate) if nearest else candidate
        if nearest is None:
            return f'there is none in {self.folder} yet'
        return f'the one in {self.folder} differs: {nearest[2]}'

    def _statuses(self, digest: str) -> list[os.stat_result]:
        found = []
        for suffix in ('json', 'plan'):
            try:
                found.append(self._path(digest, suffix).stat())
            except FileNotFoundError:
                continue
        return found

    def _touch(self, digest: str) -> None:
        try:
            os.utime(self._path(digest, 'json'))
        except OSError:  # removed meanwhile, or read-only: then it counts as used longer ago
            return

    def _unlink(self, digest: str, suffixes: tuple[str, ...]) -> None:
        for suffix in suffixes:
            self._path(digest, suffix).unlink(missing_ok=True)
