"""The files of kept engines: each is read with all checks, and stored whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.engine_key import FORMAT, EngineKey, difference
from jetson_perception.errors import ModelError
from jetson_perception.files.foreign_data import parse_json
from jetson_perception.files.locks import file_lock
from jetson_perception.files.private_files import PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

_SUFFIXES = ('json', 'plan')


@dataclass(frozen=True)
class CacheEntry:
    """What `cache ls` shows of an engine.

    Attributes
    ----------
    digest : str
        Of its key; the name of its files.
    model, runtime, gpu : str
        As the JSON says; empty if it cannot be read.
    options : mapping
        As it was built.
    size_bytes : int
        Of plan and JSON.
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


class EngineFolder:
    """Engines in a folder that is private to its user.

    Parameters
    ----------
    path : Path
        It is made by `prepare`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = PrivateFolder(path, holds='engines', error=ModelError)

    def check(self) -> bool:
        """Whether the folder is there; raises ModelError when others may write it."""
        if not self.path.is_dir():
            return False
        self._files.check()
        return True

    def prepare(self) -> None:
        """Make the folder, and see that nobody else can write what is in it.

        Raises
        ------
        ModelError
            When others may write it.
        OSError
            When it cannot be made.
        """
        self._files.prepare()

    def digests(self) -> list[str]:
        """Of every engine that has a file here."""
        paths = [*self.path.glob('*.json'), *self.path.glob('*.plan')]
        return sorted({path.stem for path in paths if _is_digest(path.stem)})

    def load(self, key: EngineKey) -> tuple[bytes | None, str]:
        """The plan and '', or None and why there is none."""
        record, problem = self._read_record(key.digest)
        if record is None:
            return None, problem or self._why_missing(key)
        differing = difference(record['key'], key.content())
        if differing:
            return None, f'{self._file(key.digest, "json")} is of another engine: {differing}'
        plan, problem = self._read_plan(key.digest, record)
        if plan is not None:
            self._touch(key.digest)
        return plan, problem

    def store(self, key: EngineKey, plan: bytes, seconds: float) -> None:
        """Keep an engine, built in so many seconds; the caller holds its lock.

        Raises
        ------
        OSError
            When it cannot be written; nothing is left of it.
        """
        record = {
            'format': FORMAT,
            'key': key.content(),
            'model': key.model,
            'plan': {'size': len(plan), 'sha256': hashlib.sha256(plan).hexdigest()},
            'built': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'build_seconds': round(seconds, 1),
        }
        try:
            self._files.write(f'{key.digest}.plan', plan)
            self._files.write(f'{key.digest}.json', json.dumps(record, indent=1).encode())
        except OSError:
            self.remove(key.digest)
            raise

    def remove(self, digest: str) -> None:
        """Remove an engine; the caller holds its lock."""
        # The JSON first: what an interruption leaves does not count.
        for suffix in _SUFFIXES:
            self._file(digest, suffix).unlink(missing_ok=True)
        self.remove_unfinished(digest)

    def remove_unfinished(self, digest: str) -> None:
        """Remove what killed processes left half-written; the caller holds the lock."""
        for path in self.path.glob(f'{digest}.*.tmp'):
            path.unlink(missing_ok=True)

    def left_over(self) -> set[str]:
        """Digests of which there are locks or half-written files."""
        left = [*self.path.glob('*.lock'), *self.path.glob('*.tmp')]
        return set(filter(_is_digest, (path.name.partition('.')[0] for path in left)))

    def lock(
        self, digest: str, pause: Callable[[], None] | None = None
    ) -> AbstractContextManager[bool]:
        """Hold an engine's lock; see `file_lock`."""
        return file_lock(self._file(digest, 'lock'), pause)

    def _touch(self, digest: str) -> None:
        try:
            os.utime(self._file(digest, 'json'))
        except OSError:  # removed meanwhile, or read-only: it counts as older than it is
            return

    def last_used(self, digest: str) -> float:
        """When an engine was loaded or stored last, seconds since 1970; 0 if it is gone."""
        times = [0.0]
        for suffix in ('json', 'plan'):
            try:
                times.append(self._file(digest, suffix).stat().st_mtime)
            except FileNotFoundError:
                continue
        return max(times)

    def size(self, digest: str) -> int:
        """Bytes of an engine's files; 0 if it is gone."""
        size = 0
        for suffix in ('json', 'plan'):
            try:
                size += self._file(digest, suffix).stat().st_size
            except FileNotFoundError:
                continue
        return size

    def entry(self, digest: str) -> CacheEntry:
        """What can be said of an engine, which is read whole."""
        key: dict[str, Any] = {}
        model = ''
        try:
            record, problem = self._read_record(digest)
            if record is not None:
                key, model = record['key'], str(record.get('model', ''))
                _, problem = self._read_plan(digest, record)
        except ModelError as err:
            problem = str(err)
        options = key.get('options')
        return CacheEntry(
            digest=digest,
            model=model,
            runtime=str(key.get('runtime', '')),
            gpu=f'{key.get("gpu", "")} {key.get("compute_capability", "")}'.strip(),
            options=options if isinstance(options, dict) else {},
            size_bytes=self.size(digest),
            last_used=self.last_used(digest),
            problem=problem,
        )

    def _read_record(self, digest: str) -> tuple[dict[str, Any] | None, str]:
        """What the JSON says, or None and why it cannot be used; '' if there is no engine."""
        path = self._file(digest, 'json')
        content = self._files.read(path.name)
        if content is None:
            plan = self._file(digest, 'plan')
            return None, f'{path}, which describes {plan.name}, is missing' * plan.exists()
        try:
            record = parse_json(content, where=str(path), error=ModelError)
            if record['format'] != FORMAT:
                return None, f'{path} is of another version of this package'
            if not isinstance(record['key'], dict) or not isinstance(record['plan'], dict):
                raise TypeError
            record['plan']['size'], record['plan']['sha256']
        except (ModelError, TypeError, KeyError):
            return None, f'{path} is damaged'
        return record, ''

    def _read_plan(self, digest: str, record: dict[str, Any]) -> tuple[bytes | None, str]:
        path = self._file(digest, 'plan')
        plan = self._files.read(path.name)
        if plan is None:
            return None, f'{path} is missing'
        size = record['plan']['size']
        if len(plan) != size:
            return None, f'{path} is damaged: it has {len(plan)} bytes, and had {size}'
        if hashlib.sha256(plan).hexdigest() != record['plan']['sha256']:
            return None, f'{path} is damaged: its SHA-256 is not the one it had'
        return plan, ''

    def _why_missing(self, key: EngineKey) -> str:
        """What differs from the engine that was built of this model last, if there is one."""
        nearest: tuple[int, float, str] | None = None
        for digest in self.digests():
            try:
                record, _ = self._read_record(digest)
            except ModelError:  # a file of another engine that others may write
                continue
            if record is None:
                continue
            same_content = record['key'].get('model_sha256') == key.model_sha256
            if not same_content and record.get('model') != key.model:
                continue
            differing = difference(record['key'], key.content())
            candidate = (differing.count(';'), -self.last_used(digest), differing)
            nearest = min(nearest, candidate) if nearest else candidate
        if nearest is None:
            return f'there is none in {self.path} yet'
        return f'the one in {self.path} differs: {nearest[2]}'

    def _file(self, digest: str, suffix: str) -> Path:
        return self.path / f'{digest}.{suffix}'


def _is_digest(name: str) -> bool:
    """Whether a file of this name is one of ours."""
    return re.fullmatch('[0-9a-f]{32}', name) is not None
