"""Built engines kept on disk, so that a model is built once a machine and not at every start.

A folder holds for each engine `<digest>.plan`, what TensorRT serialized, and `<digest>.json`:
what it is, and the plan's SHA-256. The digest is that of the `EngineKey`, so an engine of another
model, version, GPU or with other options is never found. The JSON is written last: without it, or
with one that does not fit, the plan does not count and is built again.

A plan can execute code when it is loaded. Hence nobody but the user may write here: the folder and
its files are made so, and refused when they are not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import stat
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.files.foreign_data import parse_json
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_log = logging.getLogger('jetson_perception')

MAX_BYTES = 2 << 30
"""Size limit of the folder, unless the environment says another: some fifty engines of YOLO's size
in FP16, and little beside the system on the smallest Jetson's 16 GB."""

MAX_BYTES_VARIABLE = 'JETSON_PERCEPTION_CACHE_MB'

_FORMAT = 1  # of the JSON; another one is built again
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_POLL_SECONDS = 0.1

# Of an engine's files. The JSON is removed first: what an interruption leaves does not count.
_SUFFIXES = ('json', 'plan', 'json.tmp', 'plan.tmp')

# Plans that could not be stored, by folder and digest; for this process only.
_in_memory: dict[tuple[Path, str], bytes] = {}
_building_in_memory = threading.Lock()


def cache_folder() -> Path:
    """Where engines are kept: jetson_perception/engines in $XDG_CACHE_HOME, else in ~/.cache."""
    base = Path(os.environ.get('XDG_CACHE_HOME', ''))
    if not base.is_absolute():  # the specification says to ignore such a value
        base = Path('~/.cache').expanduser()
    return base / 'jetson_perception' / 'engines'


@dataclass(frozen=True)
class EngineKey:
    """What an engine depends on: a difference in any of these makes another engine.

    Attributes
    ----------
    model_sha256 : str
        Of the ONNX file and the weights beside it, by `onnx_file.header.model_digest`.
    runtime : str
        As 'TensorRT 10.3.0'.
    gpu : str
        As 'Orin'.
    compute_capability : str
        As '8.7'.
    options : mapping
        How it is built: precision, shapes, limits; of values that JSON has.
    model : str
        The model's path, for people; it makes no difference.
    """

    model_sha256: str
    runtime: str
    gpu: str
    compute_capability: str
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = field(default='', compare=False)

    def content(self) -> dict[str, Any]:
        """What makes the difference, as JSON has it: tuples become lists."""
        values = {
            'model_sha256': self.model_sha256,
            'runtime': self.runtime,
            'gpu': self.gpu,
            'compute_capability': self.compute_capability,
            'options': dict(self.options),
        }
        return json.loads(json.dumps(values, sort_keys=True))

    @property
    def digest(self) -> str:
        """32 hexadecimal digits, other ones for another key."""
        text = json.dumps([_FORMAT, self.content()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


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
        self.folder = folder or cache_folder()
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
            self._prepare()
        except OSError as err:
            return self._build_in_memory(key, build, f'{self.folder} cannot be made: {err}')
        plan, _ = self._load(key)
        if plan is not None:
            return CachedPlan(plan, built=False)
        with self._lock(key.digest, cancel, on_wait) as locked:
            if not locked:
                return self._build_in_memory(key, build, f'{self.folder} cannot be locked')
            plan, reason = self._load(key)  # another process may have built it meanwhile
            if plan is not None:
                return CachedPlan(plan, built=False)
            _log.info('%s: building an engine: %s', _name(key), reason)
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
        with self._lock(key.digest):
            self._remove(key.digest)
        return self._build_in_memory(key, build, reason)

    def entries(self) -> list[CacheEntry]:
        """Every engine of the folder, the one used last first; damaged ones too.

        Raises
        ------
        ModelError
            When others may write the folder.
        """
        if not self.folder.is_dir():
            return []
        _require_private(self.folder, self.folder.stat())
        found = [self._entry(digest) for digest in self._digests()]
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
            with self._lock(entry.digest, wait=False) as locked:
                if locked:
                    self._remove(entry.digest)
                    removed.append(entry)
                else:
                    busy += 1
        self._sweep()
        return removed, busy

    # --- Files ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the folder, and see that nobody else can write what is in it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        resolved = self.folder.resolve()
        _require_private(resolved, resolved.stat())
        for parent in resolved.parents:
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise ModelError(
                    f'any user of this machine may replace the engine cache {resolved}, as all '
                    f'may write {parent}, and engines execute code; run `chmod o-w {parent}`, or '
                    'set XDG_CACHE_HOME to a folder of your own'
                )

    def _path(self, digest: str, suffix: str) -> Path:
        return self.folder / f'{digest}.{suffix}'

    def _digests(self) -> list[str]:
        paths = [*self.folder.glob('*.json'), *self.folder.glob('*.plan')]
        return sorted({path.stem for path in paths if _is_digest(path.stem)})

    def _load(self, key: EngineKey) -> tuple[bytes | None, str]:
        """The plan and '', or None and why there is none."""
        record, problem = self._read_record(key.digest)
        if record is None:
            return None, problem or self._why_missing(key)
        difference = _difference(record['key'], key.content())
        if difference:
            return None, f'{self._path(key.digest, "json")} is of another engine: {difference}'
        plan, problem = self._read_plan(key.digest, record)
        if plan is not None:
            self._touch(key.digest)
        return plan, problem

    def _read_record(self, digest: str) -> tuple[dict[str, Any] | None, str]:
        """What the JSON says, or None and why it cannot be used; '' if there is no engine."""
        path = self._path(digest, 'json')
        content = _read_private(path)
        if content is None:
            plan = self._path(digest, 'plan')
            return None, f'{path}, which describes {plan.name}, is missing' * plan.exists()
        try:
            record = parse_json(content, where=str(path), error=ModelError)
            if record['format'] != _FORMAT:
                return None, f'{path} is of another version of this package'
            if not isinstance(record['key'], dict) or not isinstance(record['plan'], dict):
                raise TypeError
            record['plan']['size'], record['plan']['sha256']
        except (ModelError, TypeError, KeyError):
            return None, f'{path} is damaged'
        return record, ''

    def _read_plan(self, digest: str, record: dict[str, Any]) -> tuple[bytes | None, str]:
        path = self._path(digest, 'plan')
        plan = _read_private(path)
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
        for digest in self._digests():
            try:
                record, _ = self._read_record(digest)
            except ModelError:  # a file of another engine that others may write
                continue
            if record is None:
                continue
            same_content = record['key'].get('model_sha256') == key.model_sha256
            if not same_content and record.get('model') != key.model:
                continue
            difference = _difference(record['key'], key.content())
            candidate = (difference.count(';'), -self._last_used(digest), difference)
            nearest = min(nearest, candidate) if nearest else candidate
        if nearest is None:
            return f'there is none in {self.folder} yet'
        return f'the one in {self.folder} differs: {nearest[2]}'

    def _store(self, key: EngineKey, plan: bytes, seconds: float) -> None:
        record = {
            'format': _FORMAT,
            'key': key.content(),
            'model': key.model,
            'plan': {'size': len(plan), 'sha256': hashlib.sha256(plan).hexdigest()},
            'built': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'build_seconds': round(seconds, 1),
        }
        try:
            _write(self._path(key.digest, 'plan'), plan)
            _write(self._path(key.digest, 'json'), json.dumps(record, indent=1).encode())
        except OSError as err:
            self._remove(key.digest)
            self._keep_in_memory(key, plan, f'{self.folder} cannot be written: {err.strerror}')

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
            _name(key),
            reason,
        )

    def _remove(self, digest: str, suffixes: tuple[str, ...] = _SUFFIXES) -> None:
        """Remove an engine's files; the caller holds its lock."""
        for suffix in suffixes:
            self._path(digest, suffix).unlink(missing_ok=True)

    def _touch(self, digest: str) -> None:
        try:
            os.utime(self._path(digest, 'json'))
        except OSError:  # removed meanwhile, or read-only: it counts as older than it is
            return

    def _last_used(self, digest: str) -> float:
        times = [0.0]
        for suffix in ('json', 'plan'):
            try:
                times.append(self._path(digest, suffix).stat().st_mtime)
            except FileNotFoundError:
                continue
        return max(times)

    def _size(self, digest: str) -> int:
        size = 0
        for suffix in ('json', 'plan'):
            try:
                size += self._path(digest, suffix).stat().st_size
            except FileNotFoundError:
                continue
        return size

    def _entry(self, digest: str) -> CacheEntry:
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
            size_bytes=self._size(digest),
            last_used=self._last_used(digest),
            problem=problem,
        )

    # --- Size -----------------------------------------------------------------------------------

    def _evict(self, keep: str) -> None:
        """Remove the engines not used for the longest time until the rest fits."""
        self._sweep()
        by_age = sorted(self._digests(), key=self._last_used)
        total = sum(map(self._size, by_age))
        for digest in by_age:
            if total <= self.max_bytes:
                return
            if digest == keep:
                continue
            with self._lock(digest, wait=False) as locked:
                if locked:
                    total -= self._size(digest)
                    self._remove(digest)
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
        left = [*self.folder.glob('*.lock'), *self.folder.glob('*.tmp')]
        for digest in filter(_is_digest, {path.name.partition('.')[0] for path in left}):
            with self._lock(digest, wait=False) as locked:
                if locked:
                    self._remove(digest, ('json.tmp', 'plan.tmp'))

    # --- Locks ----------------------------------------------------------------------------------

    @contextmanager
    def _lock(
        self,
        digest: str,
        cancel: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
        *,
        wait: bool = True,
    ) -> Iterator[bool]:
        """Hold an engine's lock; gives False if that cannot be, or not without waiting.

        The kernel holds it (flock), and drops it when the process ends in whatever way.
        """
        path = self._path(digest, 'lock')
        descriptor = None
        try:
            while descriptor is None:
                descriptor = _try_lock(path)
                if descriptor is None:
                    if not wait:
                        break
                    if on_wait:
                        on_wait()
                        on_wait = None
                    _pause(cancel, path)
        except OSError as err:
            _log.warning('%s cannot be locked: %s', path, err.strerror)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                # Removed while it is held: whoever opened it before sees that and opens a new one.
                path.unlink(missing_ok=True)
                os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None while another holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor)
            try:
                current = os.stat(path)
            except FileNotFoundError:
                current = None
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if current is not None and (current.st_dev, current.st_ino) == (held.st_dev, held.st_ino):
            return descriptor
        os.close(descriptor)  # its last holder removed it: lock the new one


def _pause(cancel: threading.Event | None, path: Path) -> None:
    if cancel is None:
        time.sleep(_POLL_SECONDS)
    elif cancel.wait(_POLL_SECONDS):
        raise BuildCanceled(f'canceled while another process was building {path.stem}')


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there wholly or not at all, also after a power cut."""
    temporary = path.with_name(path.name + '.tmp')
    temporary.unlink(missing_ok=True)  # of a process that was killed; never opened, only replaced
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_private(path: Path) -> bytes | None:
    """A file's content; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ModelError(f'{path} cannot be read: {err.strerror}; remove it') from err
    try:
        # Of the open file, not of the path, so that it cannot be exchanged in between.
        status = os.fstat(descriptor)
        _require_private(path, status)
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f'{path} is not a file; remove it')
        with open(descriptor, 'rb', closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _require_private(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if status.st_uid != user:
        raise ModelError(
            f'{path} belongs to user {status.st_uid}, and this process runs as {user}: engines '
            'execute code, so only your own are loaded. Run as that user, give it to yours '
            f'(`sudo chown -R {user} {path}`), or set XDG_CACHE_HOME to a folder of your own'
        )
    if status.st_mode & _OTHERS_WRITE:
        raise ModelError(
            f'{path} may be written by others (mode {stat.S_IMODE(status.st_mode):03o}), and '
            f'engines execute code. If you trust what is in it, run `chmod go-w {path}`; '
            'otherwise remove it'
        )


def _difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between two keys, for people; '' if nothing."""
    parts = []
    for name in sorted({*stored, *wanted}):
        before, now = stored.get(name), wanted.get(name)
        if before == now:
            continue
        if name == 'model_sha256':
            parts.append('the model has changed')
        elif isinstance(before, dict) and isinstance(now, dict):
            parts += [
                f'{option} was {quoted(before.get(option))}, now {quoted(now.get(option))}'
                for option in sorted({*before, *now})
                if before.get(option) != now.get(option)
            ]
        else:
            parts.append(f'{name.replace("_", " ")} was {before}, now {now}')
    return '; '.join(parts)


def _is_digest(name: str) -> bool:
    """Whether a file of this name is one of ours."""
    return re.fullmatch('[0-9a-f]{32}', name) is not None


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


def _name(key: EngineKey) -> str:
    return Path(key.model).name or key.digest
