"""Files that a model names: they stay in its folder.

A model comes from elsewhere, as from an archive. What it names must not be a way to the rest of
the machine: not by an absolute path, not by `..`, not by a link.
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
        What it names: a path relative to its folder. Links are followed, and may lead to the
        folder that the model itself is a link into, as in caches of downloads.

    Raises
    ------
    ValueError
        When that is not below the folder.
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
