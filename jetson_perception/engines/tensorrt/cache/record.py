"""The JSON record about an engine, which shows whether its plan is still intact."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.cache.key import FORMAT
from jetson_perception.errors import ModelError
from jetson_perception.files.foreign_data import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jetson_perception.engines.tensorrt.cache.key import EngineKey


class BadRecordError(Exception):
    """A record cannot be used, and why. The engine is built again."""


@dataclass(frozen=True)
class PlanRecord:
    """The content of an engine's JSON file.

    Attributes
    ----------
    key : mapping
        `EngineKey.content` of the engine.
    model : str
        The path of the model that it was built from.
    size : int
        The plan's size in bytes; its type is not checked.
    sha256 : str
        The plan's digest; its type is not checked.
    """

    key: Mapping[str, Any]
    model: str
    size: int
    sha256: str

    def damage(self, plan: bytes) -> str:
        """How a plan differs from the one that was written; '' if it is the same."""
        if len(plan) != self.size:
            return f'it has {len(plan)} bytes instead of {self.size}'
        if hashlib.sha256(plan).hexdigest() != self.sha256:
            return 'its SHA-256 has changed'
        return ''


def describe_plan(key: EngineKey, plan: bytes, build_seconds: float) -> bytes:
    """Content of the JSON file for a newly built engine."""
    record = {
        'format': FORMAT,
        'key': key.content(),
        'model': key.model,
        'plan': {'size': len(plan), 'sha256': hashlib.sha256(plan).hexdigest()},
        'built': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'build_seconds': round(build_seconds, 1),
    }
    return json.dumps(record, indent=1).encode()


def parse_record(content: bytes, path: Path) -> PlanRecord:
    """The record in a JSON file.

    Parameters
    ----------
    content : bytes
        The file's content.
    path : Path
        The file, for the error.

    Raises
    ------
    BadRecordError
        When it is damaged, or was written by another version of this package.
    """
    try:
        record = parse_json(content, where=str(path), error=ModelError)
        if record['format'] != FORMAT:
            raise BadRecordError(f'{path} was written by another version of this package')
        key, plan = record['key'], record['plan']
        if not isinstance(key, dict) or not isinstance(plan, dict):
            raise TypeError
        return PlanRecord(key, str(record.get('model', '')), plan['size'], plan['sha256'])
    except (ModelError, TypeError, KeyError) as err:
        raise BadRecordError(f'{path} is damaged') from err
