"""The figures that a command writes to a file, besides what it prints."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from jetson_perception.camera.shown import shown_words
from jetson_perception.files.output_files import write_output
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from pathlib import Path


def write_figures(path: Path | None, figures: object, indent: int = 2) -> None:
    """Write figures as JSON, where a path is given; null for those that are not finite.

    Raises
    ------
    ParameterError
        When the file cannot be written.
    """
    if path is not None:
        content = json.dumps(_as_json(figures), indent=indent, allow_nan=False)
        write_output(path, content + '\n', parameter='json')
        tell_written('figures', path)


def typed_command() -> str:
    """What was typed, without the passwords of sources: people pass on what files keep."""
    return shown_words(['jetson-perception', *sys.argv[1:]])


def _as_json(figures: Any) -> Any:
    """Figures without infinity and NaN, which JSON lacks and most readers refuse."""
    if isinstance(figures, float):
        return figures if math.isfinite(figures) else None
    if isinstance(figures, dict):
        return {key: _as_json(each) for key, each in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [_as_json(each) for each in figures]
    return figures


def tell_written(what: str, path: Path) -> None:
    """Say where something was written, apart from what the command prints."""
    print(f'{what} are in {printable(path)}', file=sys.stderr)
