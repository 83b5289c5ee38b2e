"""Datasets in COCO's format: one JSON file of objects, and pictures.

The format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.evaluation.datasets import (
    LabelledObjects,
    ObjectDataset,
    ObjectTruth,
    usual_areas,
)
from jetson_perception.files.foreign_data import Limits, read_json
from jetson_perception.images.picture_files import read_picture
from jetson_perception.printable import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Record = dict[str, Any]

# COCO's own file has 449 MB for 118,287 pictures.
_LIMITS = Limits(size_bytes=4 << 30)

_SHOWN = 60  # characters of a value shown in an error
_FARTHEST = 1 << 17  # pixels from the picture's corner, because long outlines take long to draw


def find_coco_files(folder: Path) -> list[Path]:
    """The JSON files in a folder or in its annotations/."""
    return sorted([*folder.glob('*.json'), *(folder / 'annotations').glob('*.json')])


def open_coco(path: Path, images: Path | None = None) -> ObjectDataset:
    """The dataset that a JSON file in COCO's format describes.

    Parameters
    ----------
    path : Path
        The file: `images`, `categories`, and `annotations` with boxes, and optionally
        keypoints and outlines.
    images : Path, optional
        Folder of the pictures. By default it is searched for beside the file: in `images`, in a
        folder named like the end of the file's name (val2017 for instances_val2017.json), and in
        the same places one level up.

    Raises
    ------
    ParameterError
        When the file is not in that format, or pictures are missing; the message names the entry.
    """
    content = _load(path)
    pictures = _pictures(path, content['images'])
    class_ids = {category['id']: index for index, category in enumerate(content['categories'])}
    annotations = content['annotations']
    if not annotations:
        raise _unusable(path, 'has no annotations, so there is nothing to compare with')
    keypoint_count = _keypoint_count(path, content)
    by_picture: Mapping[Any, list[_Record]] = defaultdict(list)
    for index, annotation in enumerate(annotations):
        _check(path, index, annotation, pictures, class_ids, keypoint_count)
        by_picture[annotation['image_id']].append(annotation)
    has_outlines = all(annotation.get('segmentation') for annotation in annotations)
    paths = _locate(path, pictures, images)
    return ObjectDataset(
        len(pictures),
        (
            _labelled(path, paths[key], picture, by_picture[key], class_ids, keypoint_count)
            for key, picture in pictures.items()
        ),
        tuple(str(category['name']) for category in content['categories']),
        keypoint_count,
        has_outlines,
    )


def _load(path: Path) -> dict[str, Any]:
    content = read_json(path, what='dataset', error=_error, limits=_LIMITS, names_files=True)
    if not isinstance(content, dict):
        content = {}
    for key, needed in (
        ('images', ('id', 'file_name')),
        ('categories', ('id', 'name')),
        ('annotations', ('image_id', 'category_id', 'bbox')),
    ):
        entries = content.get(key)
        if not isinstance(entries, list):
            raise _unusable(
                path,
                f"has no list {key!r}; expected COCO's format with 'images', 'categories' and "
                "'annotations'",
            )
        for index, entry in enumerate(entries):
            missing = [k for k in needed if not isinstance(entry, dict) or k not in entry]
            if missing:
                raise _unusable(path, f'{key}[{index}] has no {missing[0]!r}')
            for name in ('id', 'image_id', 'category_id'):
                if not isinstance(entry.get(name, 0), (int, str)):
                    raise _unusable(
                        path,
                        f'{key}[{index}] has {name} {_show(entry[name])}; expected a number',
                    )
            if not isinstance(entry.get('keypoints') or [], list):
                raise _unusable(
                    path,
                    f'{key}[{index}] has keypoints {_show(entry["keypoints"])}; expected a list',
                )
    return content


def _pictures(path: Path, entries: Sequence[_Record]) -> dict[Any, _Record]:
    if not entries:
        raise _unusable(path, 'lists no images')
    pictures = {entry['id']: entry for entry in entries}
    if len(pictures) < len(entries):
        raise _unusable(path, f'{len(entries) - len(pictures)} of its images share an id')
    return pictures


def _keypoint_count(path: Path, content: Mapping[str, Any]) -> int:
    """Keypoints per object; if no category names them, the longest list of any object."""
    named = [len(each.get('keypoints') or ()) for each in content['categories']]
    lengths = {len(each['keypoints']) for each in content['annotations'] if each.get('keypoints')}
    counts = {count for count in named if count} or {length // 3 for length in lengths}
    if not lengths:
        return 0
    if len(counts) > 1:
        raise _unusable(
            path,
            f'has objects with {", ".join(map(str, sorted(counts)))} keypoints; expected the same '
            'number for all',
        )
    return int(counts.pop())


def _check(
    path: Path,
    index: int,
    annotation: _Record,
    pictures: Mapping[Any, _Record],
    class_ids: Mapping[Any, int],
    keypoint_count: int,
) -> None:
    where = f'annotations[{index}]'
    if annotation['category_id'] not in class_ids:
        raise _unusable(
            path,
            f"{where} has category_id {_show(annotation['category_id'])}, which 'categories' "
            f'lacks; it has {_listed(class_ids)}',
        )
    if annotation['image_id'] not in pictures:
        raise _unusable(
            path, f"{where} has image_id {_show(annotation['image_id'])}, which 'images' lacks"
        )
    box = annotation['bbox']
    if not _numbers(box, 4) or max(map(abs, box)) > _FARTHEST or min(box[2:]) < 0:
        raise _unusable(
            path, f'{where} has bbox {_show(box)}; expected left, top, width and height in pixels'
        )
    points = annotation.get('keypoints')
    if points and not _numbers(points, 3 * keypoint_count):
        raise _unusable(
            path,
            f'{where} has {counted(len(points), "keypoint value")}; expected x, y and '
            'visibility for '
            f'{keypoint_count}',
        )
    area = annotation.get('area')
    if area is not None and not _numbers([area], 1):
        raise _unusable(path, f'{where} has area {_show(area)}; expected a number of pixels')
    if annotation.get('segmentation') and not _is_outline(annotation['segmentation']):
        raise _unusable(
            path,
            f'{where} has segmentation {_show(annotation["segmentation"])}; expected lists of x, '
            'y of corners, or size and counts of runs',
        )


def _is_outline(value: object) -> bool:
    """Whether a segmentation is safe to pass to pycocotools, which checks nothing."""
    if isinstance(value, list):
        return all(
            isinstance(corners, list)
            and len(corners) >= 6
            and len(corners) % 2 == 0
            and _numbers(corners, len(corners))
            and all(abs(each) <= _FARTHEST for each in corners)
            for corners in value
        )
    if not isinstance(value, dict) or not _counts(value.get('size'), 1):
        return False
    size, runs = value['size'], value.get('counts')
    if len(size) != 2 or max(size) > _FARTHEST:
        return False
    if isinstance(runs, str):
        # Each character has six bits; the highest says that the number continues.
        return all('0' <= each <= 'o' for each in runs) and not (ord(runs[-1:] or '0') - 48) & 32
    return isinstance(runs, list) and _counts(runs, 0) and sum(runs) == size[0] * size[1]


def _counts(value: object, least: int) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int) and each >= least for each in value
    )


def _locate(path: Path, pictures: Mapping[Any, _Record], images: Path | None) -> dict[Any, Path]:
    if images:
        folders = [images]
    else:
        split = path.stem.rpartition('_')[2]
        folders = [
            folder / name
            for folder in (path.parent, path.parent.parent)
            for name in ('.', 'images', split, f'images/{split}')
        ]
    names = {key: str(entry['file_name']) for key, entry in pictures.items()}
    for folder in folders:
        paths = {key: folder / name for key, name in names.items()}
        there = sum(os.path.isfile(each) for each in paths.values())
        if there == len(paths):
            return paths
        if there:
            lacking = next(each for each in paths.values() if not os.path.isfile(each))
            raise _unusable(
                path,
                f'lists {counted(len(paths), "image")}, {len(paths) - there} of which cannot be '
                'found, such as '
                f'{lacking}',
            )
    searched = folders[0] if images else f'{path.parent} and the folders around it'
    raise _unusable(
        path,
        f'lists {next(iter(names.values()))}, which is not in {searched}; name the folder of the '
        'pictures with --images',
    )


def _labelled(
    json_path: Path,
    path: Path,
    picture: _Record,
    annotations: Sequence[_Record],
    class_ids: Mapping[Any, int],
    keypoint_count: int,
) -> LabelledObjects:
    bgr = read_picture(path)
    height, width = bgr.shape[:2]
    said = picture.get('width', width), picture.get('height', height)
    if said != (width, height):
        raise ImageError(f'{path} is {width}×{height}; {json_path.name} says {said[0]}×{said[1]}')
    return LabelledObjects(path.name, bgr, _truth(annotations, class_ids, keypoint_count))


def _truth(
    annotations: Sequence[_Record], class_ids: Mapping[Any, int], keypoint_count: int
) -> ObjectTruth:
    n = len(annotations)
    xyxy = np.array([each['bbox'] for each in annotations], float).reshape(n, 4)
    xyxy[:, 2:] += xyxy[:, :2]
    area = [
        float(each.get('area') or usual_area)
        for each, usual_area in zip(annotations, usual_areas(xyxy), strict=True)
    ]
    keypoints = None
    if keypoint_count:
        nothing = [0] * (3 * keypoint_count)
        rows = [each.get('keypoints') or nothing for each in annotations]
        keypoints = np.array(rows, float).reshape(n, keypoint_count, 3)
    return ObjectTruth(
        xyxy,
        np.array([class_ids[each['category_id']] for each in annotations], np.intp),
        keypoints,
        tuple(each.get('segmentation') for each in annotations),
        np.array(area, float),
        np.array([bool(each.get('iscrowd')) for each in annotations], bool),
    )


def _numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
    )


def _listed(keys: Mapping[Any, int]) -> str:
    return listed([str(key) for key in keys], 10)


def _show(value: object) -> str:
    return quoted(value, _SHOWN)


def _error(text: str) -> ParameterError:
    return ParameterError(text, 'dataset')


def _unusable(path: Path, text: str) -> ParameterError:
    return ParameterError(f'{path}: {text}' if '[' in text[:14] else f'{path} {text}', 'dataset')
