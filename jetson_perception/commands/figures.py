"""The figures that a command writes to a file, besides what it prints."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from jetson_perception.files.output_files import write_output
from jetson_perception.printable import printable

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
        tell_written('figures', path)


def tell_written(what: str, path: Path) -> None:
    """Say where something was written, apart from what the command prints."""
    print(f'{what} are in {printable(path)}', file=sys.stderr)
