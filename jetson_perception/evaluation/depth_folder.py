"""Datasets of pictures with the depth of each pixel, as depth cameras or laser scanners see it."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.camera.images import picture_paths
from jetson_perception.depth.depth_image import DepthImage
from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.evaluation.datasets import DepthDataset, LabelledDepth
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.images.picture_files import read_picture
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DepthFolder:
    """How the files of depth are read.

    Attributes
    ----------
    unit_m : float
        How many metres one of a PNG's values is.
    most_m : float
        What is farther does not count, metres.

    Raises
    ------
    ParameterError
        When one is not a positive number.
    """

    unit_m: float = 0.001
    most_m: float = 80.0

    def __post_init__(self) -> None:
        for name, value in (('depth_unit', self.unit_m), ('max_depth', self.most_m)):
            if not (math.isfinite(value) and value > 0):
                option = name.replace('_', '-')
                raise ParameterError(f'--{option} is {value}; expected metres, more than 0', name)


_ENDINGS = ('.png', '.npy')
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_HEADER_BYTES = 1 << 16


def is_depth_folder(folder: Path) -> bool:
    """Whether a folder has images/ and depth/."""
    return os.path.isdir(folder / 'images') and os.path.isdir(folder / 'depth')


def open_depth_folder(folder: Path, how: DepthFolder | None = None) -> DepthDataset:
    """The dataset in images/, with the depth of each pixel in depth/ under the same names.

    Parameters
    ----------
    folder : Path
        Depth is a PNG of 16 bits, or an array of float16, float32 or float64 in metres as
        `numpy.save` writes it, shape (h, w) or (1, h, w). Nothing was measured where it is 0, NaN,
        infinite, or 65535 of 16 bits.
    how : DepthFolder, optional
        How the files are read: PNGs of millimetres by default.

    Raises
    ------
    SourceError
        When the folder has no pictures.
    """
    how = how or DepthFolder()
    paths = picture_paths(str(folder / 'images'))
    return DepthDataset(len(paths), _read(paths, folder / 'depth', how.unit_m), how.most_m)


def _read(paths: Sequence[Path], folder: Path, unit_m: float) -> Iterator[LabelledDepth]:
    for path in paths:
        depth_path = _path_of_depth(path, folder)
        bgr = read_picture(path)
        image = (
            DepthImage(_read_array(depth_path), 1.0)
            if depth_path.suffix == '.npy'
            else DepthImage(_read_png(depth_path), unit_m)
        )
        width, height = image.size_wh
        if (height, width) != bgr.shape[:2]:
            raise ImageError(
                f'{printable(depth_path)} is {width}×{height}, but its picture is '
                f'{bgr.shape[1]}×{bgr.shape[0]}; expected the same size'
            )
        meters = image.meters(np.arange(height), np.arange(width))
        yield LabelledDepth(path.name, bgr, meters)


def _path_of_depth(path: Path, folder: Path) -> Path:
    there = [folder / f'{path.stem}{ending}' for ending in _ENDINGS]
    there = [each for each in there if os.path.exists(each)]
    if len(there) == 1:
        return there[0]
    expected = printable(folder / f'{path.stem}')
    if there:
        raise ImageError(f'{expected} is there as .png and as .npy; leave one of them')
    raise ImageError(f'{printable(path)} has no depth; expected {expected}.png or .npy')


def _read_png(path: Path) -> NDArray[np.uint16]:
    depth = read_picture(path, flags=cv2.IMREAD_UNCHANGED)
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise ImageError(
            f'{printable(path)} is {depth.dtype} {depth.shape}; expected one channel of 16 bits, '
            'by default millimetres (--depth-unit 0.001)'
        )
    return depth


def _read_array(path: Path) -> NDArray[Any]:
    """An array of a file, whose header is held against its length before memory is taken."""
    data = read_foreign_file(
        path,
        what='depth',
        error=ImageError,
        limit_bytes=MAX_IMAGE_PIXELS * np.dtype(np.float64).itemsize + _HEADER_BYTES,
    )
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = _HEADERS[version](stream)
    except (ValueError, KeyError, EOFError) as err:
        raise ImageError(
            f'{printable(path)} is not an array as numpy.save writes it; expected floats (h, w), '
            'in metres'
        ) from err
    sides = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    if dtype.kind != 'f' or dtype.itemsize > 8 or len(sides) != 2 or min(sides) < 1:
        raise ImageError(
            f'{printable(path)} is {dtype} {shape}; expected floats (h, w), in metres'
        )
    count = math.prod(sides)
    if len(data) - stream.tell() != count * dtype.itemsize:
        raise ImageError(f'{printable(path)} is cut off or damaged; copy it again')
    order: Any = 'F' if is_fortran else 'C'
    values = np.frombuffer(data, dtype, count, stream.tell()).reshape(sides, order=order)
    return values.astype(np.float32)
