"""The YAML file beside a model, for models that are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.engines.metadata import sidecar_path
from jetson_perception.files.output_files import write_output

if TYPE_CHECKING:
    from pathlib import Path


def copy_sidecar(path: Path, out: Path) -> None:
    """Copy a model's YAML file for a model that was made from it, unless that has one.

    Raises
    ------
    ParameterError
        When it cannot be written.
    """
    beside = sidecar_path(path)
    if beside and not sidecar_path(out):
        write_output(out.with_suffix('.yaml'), beside.read_bytes(), parameter='output')
