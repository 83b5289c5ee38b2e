"""Pictures with the class of each pixel: rendered scenes, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import cv2
import numpy as np

from jetson_perception.camera.images import picture_paths
from jetson_perception.camera.scenes.oranges import evaluation_stills
from jetson_perception.errors import ImageError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    LabelledPicture = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]

_SCENES = {'oranges': evaluation_stills}
_DEFAULT_COUNT = 200


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """A dataset.

    Attributes
    ----------
    count : int
        How many pictures it has.
    pictures : iterator
        Name, (h, w, 3) uint8 BGR picture and (h, w) uint8 class id of each pixel. Made or read
        when it is asked for; raises ImageError for one that cannot be used.
    """

    count: int
    pictures: Iterator[LabelledPicture]


def open_labelled_pictures(dataset: str) -> LabelledPictures:
    """The dataset that a text names.

    Parameters
    ----------
    dataset : str
        `scene://oranges?count=200` for pictures rendered from seeds of their own, or a folder with
        images/*.png or *.jpg and, of the same names, masks/*.png that hold class ids.

    Raises
    ------
    ParameterError
        When it is neither.
    SourceError
        When the folder has no pictures.
    """
    scheme, separator, rest = dataset.partition('://')
    if separator and scheme == 'scene':
        return _rendered(dataset, rest)
    folder = Path(rest if separator and scheme == 'file' else dataset).expanduser()
    if (folder / 'images').is_dir() and (folder / 'masks').is_dir():
        paths = picture_paths(str(folder / 'images'))
        return LabelledPictures(len(paths), _read(paths, folder / 'masks'))
    raise ParameterError(
        f'{dataset} is no dataset; expected scene://oranges?count=200, or a folder with '
        'images/*.png or *.jpg and, of the same names, masks/*.png that hold class ids',
        'dataset',
    )


def _rendered(dataset: str, rest: str) -> LabelledPictures:
    name, _, query = rest.partition('?')
    if name not in _SCENES:
        raise ParameterError(
            f'{dataset}: there is no scene {name!r} with a truth; there is {", ".join(_SCENES)}',
            'dataset',
        )
    settings = dict(parse_qsl(query, keep_blank_values=True))
    count = settings.pop('count', str(_DEFAULT_COUNT))
    if settings or not count.isdecimal() or int(count) < 1:
        raise ParameterError(
            f'{dataset}: expected scene://{name}?count=N with N of 1 or more', 'dataset'
        )
    return LabelledPictures(int(count), _SCENES[name](int(count)))


def _read(paths: Sequence[Path], masks: Path) -> Iterator[LabelledPicture]:
    for path in paths:
        mask_path = masks / f'{path.stem}.png'
        bgr: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ImageError(f'{path} is damaged or no picture; mend or remove it')
        if not mask_path.is_file():
            raise ImageError(f'{path} has no mask; expected {mask_path}')
        truth: Any = cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
        if truth is None or truth.ndim != 2 or truth.dtype != np.uint8:
            found = 'damaged' if truth is None else f'{truth.dtype} {truth.shape}'
            raise ImageError(
                f'{mask_path} is {found}; expected one channel of 8 bits, the class id of each '
                'pixel'
            )
        if truth.shape != bgr.shape[:2]:
            raise ImageError(
                f'{mask_path} is {truth.shape[1]}×{truth.shape[0]}, its picture '
                f'{bgr.shape[1]}×{bgr.shape[0]}; expected the same size'
            )
        yield path.name, bgr, truth
