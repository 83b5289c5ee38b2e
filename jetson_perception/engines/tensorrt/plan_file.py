"""Engine files: TensorRT's plan, preceded by the model's metadata.

The metadata are in Ultralytics' format (https://docs.ultralytics.com/integrations/tensorrt/): four
bytes, little endian, with the length of a JSON object, and that object. A file without them is a
bare plan, which is what trtexec writes and reads.
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
"""Key in the JSON for the content of the YAML file beside the ONNX file."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """An engine file's two parts.

    Attributes
    ----------
    plan : bytes
        For `deserialize_cuda_engine`.
    metadata : mapping
        The JSON in front; empty if there is none.
    """

    plan: bytes
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def info(self, origin: str) -> ModelInfo:
        """What the metadata says about the model.

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
    """Whether a file is an engine, according to its name, and not a model to build one from."""
    return Path(path).suffix.lower() in _SUFFIXES


def check_plan_file(path: str | Path) -> Path:
    """The absolute path of an engine file that only its owner and group may write.

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
            f'any user may write {path}, and engines execute code; if you trust what is in it, '
            f'run `chmod o-w {path}`'
        )
    return path


def split_plan(content: bytes) -> PlanFile:
    """The parts of an engine file's content; without JSON in front, all of it is the plan."""
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
    """Content of an engine file: the metadata, then the plan."""
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
    """The version that built a plan, such as 'TensorRT 10.3.0.26'; '' if its header lacks it.

    TensorRT 9.1 and later, and TensorRT-RTX, write it in bytes 24 to 27. 8.x writes it elsewhere.
    """
    name = _MAGICS.get(plan[:4])
    if name is None or len(plan) < 28:
        return ''
    return f'{name} {".".join(str(number) for number in plan[24:28])}'
