"""The figures that a command writes to a file, besides what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jetson_perception.files.output_files import write_output

if TYPE_CHECKING:
    from pathlib import Path


def write_figures(path: Path | None, figures: object, indent: int = 2) -> None:
    """Write figures as JSON, where a path is given.

    Raises
    ------
    ParameterError
        When the file cannot be written.
    """
    if path is not None:
        write_output(path, json.dumps(figures, indent=indent) + '\n', parameter='json')
