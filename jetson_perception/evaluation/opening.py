"""Finds out which kind of dataset a text names, and opens it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jetson_perception.camera.scene_kinds import scene_names
from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.class_folder import is_class_folder, open_class_folder
from jetson_perception.evaluation.coco_folder import find_coco_files, open_coco
from jetson_perception.evaluation.depth_folder import (
    DepthFolder,
    is_depth_folder,
    open_depth_folder,
)
from jetson_perception.evaluation.mask_folder import is_mask_folder, open_mask_folder
from jetson_perception.evaluation.scenes import open_scene
from jetson_perception.evaluation.yolo_folder import find_data_yaml, open_yolo
from jetson_perception.files.foreign_files import foreign_path

if TYPE_CHECKING:
    from pathlib import Path

    from jetson_perception.evaluation.datasets import Dataset


def open_dataset(
    text: str,
    *,
    images: Path | None = None,
    split: str | None = None,
    depth: DepthFolder | None = None,
) -> Dataset:
    """The dataset that a text names.

    Parameters
    ----------
    text : str
        One of these; files may also be given as file://…

        - a JSON file in COCO's format, or a folder with one, there or in its annotations/;
        - a data.yaml for training YOLO, or a folder with one;
        - a folder with images/ and masks/, where masks are PNGs of class ids;
        - a folder with images/ and depth/, where depth are PNGs of 16 bits, or .npy in metres;
        - a folder with one folder of pictures per class, named after the class;
        - `scene://oranges?count=200`, rendered.
    images : Path, optional
        Folder of the pictures of a JSON file.
    split : str, optional
        Part of a data.yaml: val, test or train.
    depth : DepthFolder, optional
        How files of depth are read: PNGs of millimetres by default.

    Raises
    ------
    ParameterError
        When it is none of these, or the dataset is broken; the message names file and line. Also
        when one of the other parameters is given and has no effect.
    SourceError
        When a folder has no pictures.
    """
    dataset, uses = _opened(text, images, split, depth)
    for given, name, kind in (
        (images, 'images', 'JSON files'),
        (split, 'split', 'a data.yaml'),
        (depth, 'depth', 'folders with depth/'),
    ):
        if given is not None and name != uses:
            said = '--depth-unit or --max-depth' if name == 'depth' else f'--{name}'
            raise ParameterError(f'{said} has no effect on {shown(text)}; it is for {kind}', name)
    return dataset


def _opened(
    text: str, images: Path | None, split: str | None, depth: DepthFolder | None
) -> tuple[Dataset, str]:
    """The dataset, and which of the other parameters it was opened with; '' for none."""
    scheme, separator, rest = text.partition('://')
    if separator and scheme == 'scene':
        return open_scene(text), ''
    given = rest if separator and scheme == 'file' else text
    path = foreign_path(given, what='dataset', error=lambda said: ParameterError(said, 'dataset'))
    if path.suffix == '.json' and os.path.exists(path):
        return open_coco(path, images), 'images'
    if path.suffix in ('.yaml', '.yml') and os.path.exists(path):
        return open_yolo(path, split), 'split'
    if is_mask_folder(path):
        return open_mask_folder(path), ''
    if is_depth_folder(path):
        return open_depth_folder(path, depth), 'depth'
    if os.path.isdir(path):
        description = find_data_yaml(path)
        if description:
            return open_yolo(description, split), 'split'
        annotations = find_coco_files(path)
        if len(annotations) == 1:
            return open_coco(annotations[0], images), 'images'
        if annotations:
            raise ParameterError(
                f'{text} has {len(annotations)} JSON files, {", ".join(map(str, annotations))}; '
                'give the path of one',
                'dataset',
            )
        if is_class_folder(path):
            return open_class_folder(path), ''
    scenes = ''.join(f'scene://{name}?count=200, ' for name in scene_names())
    raise ParameterError(
        f'{shown(text)} is not a dataset; expected {scenes}or a folder with images/*.png or '
        '*.jpg and masks/*.png with the same names that hold class ids, or depth/*.png or *.npy '
        "with the depth of each pixel, or with a JSON file in COCO's format, or with a data.yaml "
        'for training YOLO, or with a folder of pictures for each class',
        'dataset',
    )
