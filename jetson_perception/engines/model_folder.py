"""Checks that the files a model refers to are inside its folder.

A model may come from anywhere, such as an archive. It must not reach the rest of the machine
through an absolute path, `..` or a link.
"""

from __future__ import annotations

from pathlib import Path

from jetson_perception.printable import printable, quoted


def file_beside(model: Path, location: str) -> Path:
    """Path of a file that a model names, existing or not.

    Parameters
    ----------
    model : Path
        The model, or the YAML file beside it.
    location : str
        A path relative to the model's folder. Links are followed; if the model is a link itself,
        they may lead to the folder of its target, as in download caches.

    Raises
    ------
    ValueError
        When the path is not below the folder.
    """
    if not _is_below(model, Path(location)):
        raise ValueError(
            f'expected a file below the folder of {printable(model.name)}, named relative to it, '
            f'found {quoted(location)}; copy the file there'
        )
    return model.parent / location


def _is_below(model: Path, location: Path) -> bool:
    if not location.parts or location.is_absolute() or '..' in location.parts:
        return False
    folders = model.parent.resolve(), model.resolve().parent
    try:
        found = (model.parent / location).resolve()
    except (OSError, RuntimeError, ValueError):  # a cycle of links, or a name that cannot be one
        return False
    return any(found.is_relative_to(folder) for folder in folders)
