"""From a path, or the name of a shipped model, to the engine that runs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from jetson_perception.engines import open_engine
from jetson_perception.errors import ModelError
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.resources import model_path

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.engines import Engine
    from jetson_perception.model_info import ModelInfo


def open_file(
    path: str | Path, runtime: str, threads: int, overrides: ModelInfo | None, **building: Any
) -> Engine:
    """The engine of a model file, or of a model that comes with the package."""
    return open_engine(
        resolve_model(path), runtime=runtime, threads=threads, overrides=overrides, **building
    )


def resolve_model(path: str | Path) -> Path:
    """The file for a path, or for the bare name of a model that comes with the package."""
    given = foreign_path(path, what='model', error=ModelError)
    if os.path.exists(given) or given.suffix or given.name != str(path):
        return given
    return model_path(str(path))
