"""What engines on CUDA keep for later starts: converted models, and what they found out.

A name covers everything that the content depends on, our own code included, so nothing must be
deleted by hand when any of it changes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.cuda.compiler import KERNELS
from jetson_perception.engines import onnx_file
from jetson_perception.engines.onnxruntime.findings import Findings
from jetson_perception.errors import ModelError
from jetson_perception.files.kept_files import KeptFiles
from jetson_perception.files.private_files import PrivateFolder, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

# Some twenty YOLO models of the largest size, each twice: whole, and without its head.
_MAX_MODEL_BYTES = 1 << 30
_MAX_FINDINGS_BYTES = 16 << 20
_MAX_FINDING_BYTES = 1 << 20


def kept_models() -> KeptFiles:
    """Where converted models are kept."""
    return KeptFiles(
        PrivateFolder(cache_folder('converted'), holds='models', error=ModelError),
        what='converted models',
        made='converted',
        max_bytes=_MAX_MODEL_BYTES,
        max_file_bytes=_MAX_MODEL_BYTES // 2,
    )


def kept_findings() -> KeptFiles:
    """Where what engines found out is kept."""
    return KeptFiles(
        PrivateFolder(cache_folder('findings'), holds='findings', error=ModelError),
        what='findings about models',
        made='tried',
        max_bytes=_MAX_FINDINGS_BYTES,
        max_file_bytes=_MAX_FINDING_BYTES,
    )


def kept_name(*parts: Any) -> str:
    """A file name for what depends on these values, as JSON has them, and on our own code."""
    text = json.dumps([code_digest(), runtime_version(), *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@functools.cache
def code_digest() -> str:
    """Digest of the code that converts models, and tries and chooses candidates."""
    digest = hashlib.sha256()
    for path in _code():
        content = path.read_bytes()
        digest.update(f'{path.name} {len(content)} '.encode() + content)
    return digest.hexdigest()


def _code() -> Iterator[Path]:
    for folder in (Path(__file__).parent, Path(onnx_file.__file__).parent):
        yield from sorted(folder.glob('*.py'))
    yield from (KERNELS / 'yolo_head.cu', KERNELS.parent / 'yolo_head.py')


def runtime_version() -> str:
    """ONNX Runtime's version, and onnx's where it is installed: both convert models."""
    import onnxruntime

    return f'{onnxruntime.__version__} {_onnx_version()}'


@functools.cache
def _onnx_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # importing onnx takes longer

    try:
        return version('onnx')
    except PackageNotFoundError:
        return ''


class KeptFindings:
    """The findings about one model, under one name; in memory where they cannot be kept on disk.

    Parameters
    ----------
    name : str
        From `kept_name`.
    """

    _in_memory: dict[tuple[Path, str], bytes] = {}  # noqa: RUF012 - of the process

    def __init__(self, name: str) -> None:
        self._name = f'{name}.json'
        self._files = kept_findings()
        self._key = cache_folder('findings'), name

    def read(self) -> Findings | None:
        """What was found out before; None if nothing was, or it is damaged."""
        content = self._in_memory.get(self._key) or self._files.read(self._name)
        return Findings.from_json(content) if content else None

    def write(self, findings: Findings) -> None:
        """Keep findings, in place of earlier ones."""
        content = findings.to_json()
        if self._files.write(self._name, content):
            self._in_memory.pop(self._key, None)
        else:
            self._in_memory[self._key] = content

    def forget(self) -> None:
        """Remove what was found out before."""
        self._in_memory.pop(self._key, None)
        self._files.remove(self._name)
