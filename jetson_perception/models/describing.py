"""Descriptions of models in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.model_info import ModelInfo


def counted(number: int, noun: str, plural: str = 's') -> str:
    """A number with its noun, such as '3 classes'; 'classes unknown' for 0."""
    if not number:
        return f'{noun}{plural} unknown'
    return f'{number} {noun}{plural if number > 1 else ""}'


def listed(names: Sequence[str], most: int = 20) -> str:
    """The first names, and the total number if there are more."""
    more = f', … ({len(names)} in all)' if len(names) > most else ''
    return ', '.join(map(printable, names[:most])) + more


def told_by(info: ModelInfo, otherwise: str, *fields: str) -> str:
    """What a task was told by: its name, else another field that says it, else something else."""
    for field in ('task', *fields):
        if value := getattr(info, field):
            name = 'the task' if field == 'task' else field
            return f'{name}, {quoted(value)}, which metadata, YAML file or parameters name'
    return otherwise
