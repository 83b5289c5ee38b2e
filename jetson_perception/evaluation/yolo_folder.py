"""Datasets for training YOLO: data.yaml, folders of pictures, and a text file per picture.

The format: https://docs.ultralytics.com/datasets/detect/. Each line is an object: class id,
then center x, center y, width, height, followed by keypoints in pose datasets; or the corners of
an outline instead of the box, which are four for an oriented box. All are fractions of the
picture's width and height.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.camera.images import picture_paths
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.evaluation.datasets import (
    LabelledObjects,
    ObjectDataset,
    ObjectTruth,
)
from jetson_perception.files.foreign_data import Limits, read_yaml
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.images.picture_files import read_picture
from jetson_perception.printable import counted, none_of, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SPLITS = ('val', 'test', 'train')
"""Parts of a dataset; by default, the first of these that data.yaml has."""

_LIMITS = Limits(size_bytes=4 << 20)
_LARGEST_TEXT = 256 << 20  # for a list of pictures, or the labels of one picture
_MOST_KEYPOINTS = 1 << 12
_SHOWN = 60  # characters of a value shown in an error
_SLACK = 0.01  # how far rounding may move a point out of the picture


@dataclass(frozen=True, slots=True)
class _Description:
    """The contents of data.yaml."""

    path: Path
    class_names: tuple[str, ...]
    keypoint_shape: tuple[int, int] | None


@dataclass(frozen=True, eq=False, slots=True)
class _Label:
    """One line, as fractions of the picture's size."""

    class_id: int
    xyxy: NDArray[np.float64]
    keypoints: NDArray[np.float64] | None
    """(k, 2 or 3)"""
    outline: NDArray[np.float64] | None
    """(corners, 2)"""


def find_data_yaml(folder: Path) -> Path | None:
    """The YAML file that describes a dataset in this folder, or None."""
    paths = [*folder.glob('data.y*ml'), *sorted(folder.glob('*.y*ml'))]
    return next((path for path in paths if path.suffix in ('.yaml', '.yml')), None)


def open_yolo(path: Path, split: str | None = None) -> ObjectDataset:
    """The dataset that a data.yaml describes.

    Parameters
    ----------
    path : Path
        The YAML file: `names`, `val` and others of `SPLITS`, `path`, and `kpt_shape` for poses.
    split : str, optional
        One of `SPLITS`.

    Raises
    ------
    ParameterError
        When it, a label file or a folder cannot be used; the message names file and line.
    """
    content = _load(path)
    description = _Description(path, _names(path, content), _keypoint_shape(path, content))
    pictures = _split_pictures(path, content, split)
    labels = [_read_labels(_label_path(each), description) for each in pictures]
    if not any(labels):
        folder = _label_path(pictures[0]).parent
        raise ParameterError(
            f'{none_of(len(pictures), "picture")} of {path} has a label; expected text files with '
            f'their names in {folder}',
            'dataset',
        )
    return ObjectDataset(
        len(pictures),
        _labelled(pictures, labels, description),
        description.class_names,
        description.keypoint_shape[0] if description.keypoint_shape else 0,
        all(label.outline is not None for each in labels for label in each),
    )


def _load(path: Path) -> dict[str, Any]:
    content = read_yaml(path, what='dataset', error=_error, limits=_LIMITS)
    if not isinstance(content, dict) or not content.get('names'):
        raise ParameterError(
            f"{path} has no 'names'; expected a data.yaml with 'names' and 'val'", 'dataset'
        )
    return content


def _names(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content['names']
    if isinstance(names, list):
        return tuple(map(str, names))
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        return tuple(str(names[index]) for index in range(len(names)))
    raise ParameterError(
        f"{path}: 'names' is {_show(names)}; expected a list, or a mapping from class ids 0, 1, "
        '2, …',
        'dataset',
    )


def _keypoint_shape(path: Path, content: dict[str, Any]) -> tuple[int, int] | None:
    shape = content.get('kpt_shape')
    if shape is None:
        return None
    numbers = isinstance(shape, list) and all(isinstance(each, int) for each in shape)
    if (
        not numbers
        or len(shape) != 2
        or not 1 <= shape[0] <= _MOST_KEYPOINTS
        or shape[1] not in (2, 3)
    ):
        raise ParameterError(
            f"{path}: 'kpt_shape' is {_show(shape)}; expected the number of keypoints, and 2 (x, "
            'y) or 3 (x, y, visibility) values of each, such as [17, 3]',
            'dataset',
        )
    return shape[0], shape[1]


def _split_pictures(path: Path, content: dict[str, Any], split: str | None) -> list[Path]:
    there = [each for each in SPLITS if content.get(each)]
    if not there or (split and split not in there):
        raise ParameterError(
            f'{path} has no {quoted(split or "val")}; it has {", ".join(there) or "no split"}',
            'dataset',
        )
    chosen = content[split or there[0]]
    root = path.parent / str(content.get('path') or '.')
    if not os.path.isdir(root):  # Ultralytics looks in its own folder for datasets
        root = path.parent
    pictures: list[Path] = []
    for entry in chosen if isinstance(chosen, list) else [chosen]:
        pictures += _pictures_of(path, root, str(entry))
    return pictures


def _pictures_of(path: Path, root: Path, entry: str) -> list[Path]:
    target = root / entry
    if not os.path.exists(target) and entry.startswith('../'):  # Roboflow writes paths like this
        target = root / entry[3:]
    if os.path.isdir(target):
        try:
            return list(picture_paths(str(target)))
        except SourceError as err:
            raise ParameterError(f'{path}: {err}', 'dataset') from err
    if not os.path.exists(target):
        raise ParameterError(
            f'{path} names {printable(entry)}, but there is no {printable(target)}; correct the '
            'path there',
            'dataset',
        )
    pictures = []
    for number, line in enumerate(_lines(target), 1):
        if not line.strip():
            continue
        picture = target.parent / line.strip()
        if not os.path.isfile(picture):
            raise ParameterError(
                f'{target}, line {number}: there is no {printable(picture)}', 'dataset'
            )
        pictures.append(picture)
    if not pictures:
        raise ParameterError(f'{target} lists no pictures', 'dataset')
    return pictures


def _label_path(picture: Path) -> Path:
    """…/labels/….txt for …/images/….jpg; only the last folder named images is replaced."""
    parts = list(picture.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            break
    return Path(*parts).with_suffix('.txt')


def _read_labels(path: Path, description: _Description) -> list[_Label]:
    """The labels of a picture; a picture without a file has no objects."""
    if not os.path.exists(path):
        return []
    return [
        _parse(line, f'{path}, line {number}', description)
        for number, line in enumerate(_lines(path), 1)
        if line.strip()
    ]


def _lines(path: Path) -> list[str]:
    content = read_foreign_file(path, what='dataset', error=_error, limit_bytes=_LARGEST_TEXT)
    try:
        return content.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as err:
        raise _error(f'{path} is not a text file') from err


def _error(text: str) -> ParameterError:
    return ParameterError(text, 'dataset')


def _show(value: object) -> str:
    return quoted(value, _SHOWN)


def _parse(line: str, where: str, description: _Description) -> _Label:
    words = line.split()
    try:
        values = np.array(words, np.float64)
    except ValueError as err:
        raise ParameterError(f'{where}: {_short(line)} is not all numeric', 'dataset') from err
    class_id, numbers = int(np.nan_to_num(values[0], nan=-1)), values[1:]
    if class_id != values[0] or not 0 <= class_id < len(description.class_names):
        raise ParameterError(
            f'{where}: class {printable(words[0], _SHOWN)}; {description.path.name} names classes '
            f'0 to {len(description.class_names) - 1}',
            'dataset',
        )
    shape = description.keypoint_shape
    count = len(numbers)
    is_outline = shape is None and count >= 6 and count % 2 == 0
    if not is_outline and count != 4 + (shape[0] * shape[1] if shape else 0):
        expected = (
            f'4 for the box and {shape[0]} × {shape[1]} for keypoints'
            if shape
            else '4 for a box, or an even number of at least 6 for an outline'
        )
        raise ParameterError(
            f'{where}: {counted(count, "value")} after the class; expected {expected}', 'dataset'
        )
    shares = numbers if is_outline else numbers[:4]
    if not np.isfinite(numbers).all() or shares.min() < -_SLACK or shares.max() > 1 + _SLACK:
        raise ParameterError(
            f"{where}: {_short(line)}; expected fractions of the picture's size, 0 to 1, not "
            'pixels',
            'dataset',
        )
    if is_outline:
        outline = numbers.reshape(-1, 2)
        xyxy = np.concatenate((outline.min(axis=0), outline.max(axis=0)))
        return _Label(class_id, xyxy, None, outline)
    half = numbers[2:4] / 2
    xyxy = np.concatenate((numbers[:2] - half, numbers[:2] + half))
    return _Label(class_id, xyxy, numbers[4:].reshape(shape) if shape else None, None)


def _labelled(
    pictures: Sequence[Path], labels: Sequence[Sequence[_Label]], description: _Description
) -> Iterator[LabelledObjects]:
    for path, each in zip(pictures, labels, strict=True):
        bgr = read_picture(path)
        height, width = bgr.shape[:2]
        yield LabelledObjects(path.name, bgr, _truth(each, (width, height), description))


def _truth(
    labels: Sequence[_Label], size_wh: tuple[int, int], description: _Description
) -> ObjectTruth:
    n, size = len(labels), np.array(size_wh, np.float64)
    xyxy = np.array([label.xyxy for label in labels]).reshape(n, 4) * np.tile(size, 2)
    keypoints = outlines = None
    if description.keypoint_shape:
        count, depth = description.keypoint_shape
        raw = np.array([label.keypoints for label in labels]).reshape(n, count, depth)
        keypoints = np.empty((n, count, 3))
        keypoints[..., :2] = raw[..., :2] * size
        # Without visibility values, (0, 0) means that a point is not labelled.
        keypoints[..., 2] = raw[..., 2] if depth == 3 else 2.0 * raw.any(axis=-1)
    elif all(label.outline is not None for label in labels):
        outlines = tuple(
            [(label.outline * size).ravel().tolist()]
            for label in labels
            if label.outline is not None
        )
    class_id = np.array([label.class_id for label in labels], np.intp)
    return ObjectTruth(xyxy, class_id, keypoints, outlines)


def _short(line: str) -> str:
    return quoted(line, 40)
