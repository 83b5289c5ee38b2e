"""Engine files: TensorRT's plan, with what the model says of itself in front.

The front is Ultralytics' (https://docs.ultralytics.com/integrations/tensorrt/): four bytes, little
endian, the length of a JSON object, and that object. A file without it is a bare plan, as trtexec
writes and reads it.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.metadata import read_mapping, read_onnx_metadata
from jetson_perception.errors import ModelError
from jetson_perception.files.foreign_data import Limits, parse_json
from jetson_perception.files.foreign_files import (
    absolute_foreign_path,
    open_foreign_file,
    read_foreign_file,
)
from jetson_perception.model_info import ModelInfo, merge
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIXES = ('.engine', '.plan')

_MAGICS = {b'ftrt': 'TensorRT', b'vtrt': 'TensorRT-RTX'}

_LIMITS = Limits(size_bytes=1 << 20)
_LARGEST_FILE = 16 << 30

SIDECAR_KEY = 'jetson_perception'
"""In the JSON: what the YAML file beside the ONNX file said, in its own words."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """An engine file's two parts.

    Attributes
    ----------
    plan : bytes
        For `deserialize_cuda_engine`, as it is.
    metadata : mapping
        The JSON in front; empty where there is none.
    """

    plan: bytes
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def info(self, origin: str) -> ModelInfo:
        """What the metadata says of the model.

        Parameters
        ----------
        origin : str
            The file, for errors.
        """
        props = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in self.metadata.items()
            if key != SIDECAR_KEY
        }
        said = self.metadata.get(SIDECAR_KEY)
        sidecar = (
            read_mapping(said, origin, Path(origin)) if isinstance(said, dict) else ModelInfo()
        )
        return merge(read_onnx_metadata(props), sidecar)


def is_plan_file(path: str | Path) -> bool:
    """Whether a file holds an engine, rather than a model to build one from; by its name."""
    return Path(path).suffix.lower() in _SUFFIXES


def check_plan_file(path: str | Path) -> Path:
    """The absolute path of an engine file that nobody but its owner's group can have written.

    Raises
    ------
    ModelError
        When there is no such file, or every user may write it.
    """
    path = absolute_foreign_path(path, what='engine file', error=ModelError)
    if not os.path.lexists(path):
        raise ModelError(f'there is no engine file {printable(path)}')
    with open_foreign_file(path, what='engine file', error=ModelError) as descriptor:
        mode = os.fstat(descriptor).st_mode
    if mode & stat.S_IWOTH:
        raise ModelError(
            f'{path} may be written by any user, and engines execute code; if you trust what is '
            f'in it, run `chmod o-w {path}`'
        )
    return path


def split_plan(content: bytes) -> PlanFile:
    """The parts of an engine file's content; all of it is the plan where no JSON is in front."""
    length = int.from_bytes(content[:4], 'little')
    front = content[4 : 4 + length]
    if content[:4] in _MAGICS or not 2 <= length <= min(len(content) - 4, _LIMITS.size_bytes):
        return PlanFile(content)
    try:
        metadata = parse_json(front, where='the front', error=ModelError, limits=_LIMITS)
    except ModelError:
        return PlanFile(content)
    if not isinstance(metadata, dict):
        return PlanFile(content)
    return PlanFile(content[4 + length :], metadata)


def join_plan(plan: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Content of an engine file that says what the model is."""
    front = json.dumps(dict(metadata)).encode()
    return len(front).to_bytes(4, 'little') + front + plan


def read_plan_file(path: str | Path) -> PlanFile:
    """An engine file's parts.

    Raises
    ------
    ModelError
        When it cannot be read, or is empty.
    """
    content = read_foreign_file(
        path, what='engine file', error=ModelError, limit_bytes=_LARGEST_FILE
    )
    if not content:
        raise ModelError(f'{path} is empty; build the engine again')
    return split_plan(content)


def plan_version(plan: bytes) -> str:
    """What built a plan, as 'TensorRT 10.3.0.26'; '' where its head does not say.

    TensorRT 9.1 and later, and TensorRT-RTX, write it in bytes 24 to 27. 8.x writes it elsewhere.
    """
    name = _MAGICS.get(plan[:4])
    if name is None or len(plan) < 28:
        return ''
    return f'{name} {".".join(str(number) for number in plan[24:28])}'
