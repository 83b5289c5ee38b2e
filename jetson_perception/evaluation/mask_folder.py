"""Datasets of pictures, with masks that give the class of each pixel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import cv2
import numpy as np

from jetson_perception.camera.images import picture_paths
from jetson_perception.errors import ImageError
from jetson_perception.evaluation.datasets import LabelledMask, PixelDataset
from jetson_perception.images.picture_files import read_picture
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def is_mask_folder(folder: Path) -> bool:
    """Whether a folder has images/ and masks/."""
    return os.path.isdir(folder / 'images') and os.path.isdir(folder / 'masks')


def open_mask_folder(folder: Path) -> PixelDataset:
    """The dataset in images/*.png or *.jpg, with class ids in masks/*.png with the same names.

    Raises
    ------
    SourceError
        When the folder has no pictures.
    """
    paths = picture_paths(str(folder / 'images'))
    return PixelDataset(len(paths), _read(paths, folder / 'masks'))


def _read(paths: Sequence[Path], masks: Path) -> Iterator[LabelledMask]:
    for path in paths:
        mask_path = masks / f'{path.stem}.png'
        bgr = read_picture(path)
        if not os.path.exists(mask_path):
            raise ImageError(f'{path} has no mask; expected {mask_path}')
        truth = _read_mask(mask_path)
        if truth.shape != bgr.shape[:2]:
            raise ImageError(
                f'{mask_path} is {truth.shape[1]}×{truth.shape[0]}, but its picture is '
                f'{bgr.shape[1]}×{bgr.shape[0]}; expected the same size'
            )
        yield LabelledMask(path.name, bgr, truth)


def _read_mask(path: Path) -> NDArray[np.uint8]:
    mask = read_picture(path, flags=cv2.IMREAD_UNCHANGED)
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ImageError(
            f'{printable(path)} is {mask.dtype} {mask.shape}; expected one channel of 8 bits, the '
            'class id of each pixel'
        )
    return mask
