"""The key that distinguishes one built engine from another."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""Version of the JSON beside engines; part of every digest, so a new one rebuilds all engines."""


@dataclass(frozen=True)
class EngineKey:
    """What an engine depends on: if any of these differs, it is another engine.

    Attributes
    ----------
    model_sha256 : str
        The digest of the ONNX file and the weights beside it: `onnx_file.header.model_digest`.
    runtime : str
        Such as 'TensorRT 10.3.0'.
    gpu : str
        Such as 'Orin'.
    compute_capability : str
        Such as '8.7'.
    options : mapping
        How it is built: precision, shapes, limits; only JSON values.
    model : str
        The model's path, for messages; it makes no difference.
    """

    model_sha256: str
    runtime: str
    gpu: str
    compute_capability: str
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = field(default='', compare=False)

    def content(self) -> dict[str, Any]:
        """The values that make the difference, as in JSON: tuples become lists."""
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
        """32 hexadecimal digits that differ for every key."""
        text = json.dumps([FORMAT, self.content()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """The model's file name, for messages."""
        return Path(self.model).name or self.digest


def is_digest(name: str) -> bool:
    """Whether a name has the form of a key's digest."""
    return re.fullmatch('[0-9a-f]{32}', name) is not None


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The differences between the contents of two keys, in words; '' if there are none."""
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
