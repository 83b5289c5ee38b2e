"""Inputs that broke a parser: one of each kind is saved."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any


class Findings:
    """Keeps the first finding of each kind for one target.

    Parameters
    ----------
    name : str
        The target's.
    folder : pathlib.Path
        Where inputs are saved; made with the first.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._paths: dict[str, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def keep(self, value: Any, error: BaseException) -> str:
        """Save an input and describe the error that it raised; '' if its kind is known."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = f'{type(error).__name__} at {Path(place.filename).name}:{place.lineno}'
        if kind in self._paths:
            return ''
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f'{self._name.replace(" ", "_")}_{len(self._paths)}.pickle'
        path = self._paths[kind] = self._folder / name
        path.write_bytes(pickle.dumps(value))
        return '\n'.join(
            (
                f'\n{self._name}: {kind}: {str(error)[:300]}',
                f'  input, also in {path}: {repr(value)[:500]}',
                *(f'  {line}' for line in _trace(error)),
            )
        )


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [
        f'{Path(frame.filename).name}:{frame.lineno} {frame.name}'
        for frame in frames
        if 'jetson_perception' in frame.filename
    ]
