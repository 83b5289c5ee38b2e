"""Datasets in a folder with one folder of pictures per class, as used to train classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.camera.images import picture_paths
from jetson_perception.camera.uri import PICTURE_SUFFIXES
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.datasets import ClassDataset, LabelledClass
from jetson_perception.images.picture_files import read_picture
from jetson_perception.model_info import names_problem
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def is_class_folder(folder: Path) -> bool:
    """Whether a folder contains a folder of pictures."""
    return bool(_class_folders(folder))


def open_class_folder(folder: Path) -> ClassDataset:
    """The dataset in a folder: each folder in it is a class with that name.

    Class ids follow the order of the names, as in training. Folders without pictures are not
    classes.

    Raises
    ------
    ParameterError
        When the names of the folders cannot be class names.
    """
    folders = _class_folders(folder)
    names = tuple(each.name for each in folders)
    problem = names_problem(names)
    if problem:
        raise ParameterError(f'{printable(folder)}: its list of folders {problem}', 'dataset')
    paths = [
        (path, class_id)
        for class_id, each in enumerate(folders)
        for path in picture_paths(str(each))
    ]
    return ClassDataset(len(paths), _read(paths), names)


def _class_folders(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and _has_pictures(each))
    except OSError:
        return []


def _has_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in folder.iterdir())


def _read(paths: Sequence[tuple[Path, int]]) -> Iterator[LabelledClass]:
    for path, class_id in paths:
        yield LabelledClass(path.name, read_picture(path), class_id)
