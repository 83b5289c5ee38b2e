"""Turns whatever users pass as an image into the BGR array that the package computes with.

OpenCV accepts nearly everything, and silently ignores output buffers that do not fit. So images
are checked once on entry, which takes less than a microsecond.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ImageError
from jetson_perception.images.picture_files import read_picture

if TYPE_CHECKING:
    from typing import TypeAlias, TypeGuard

    from numpy.typing import NDArray

    #: What `as_bgr` accepts.
    ImageLike: TypeAlias = NDArray[np.uint8] | str | os.PathLike[str]

_BYTE = np.dtype(np.uint8)
_TAKEN = (
    'expected a uint8 array of shape (h, w, 3) in BGR, (h, w) or (h, w, 1) in gray, or (h, w, 4) '
    'in BGRA, or the path of a picture'
)


def is_bgr(image: object) -> TypeGuard[NDArray[np.uint8]]:
    """Whether this is an array of shape (h, w, 3), uint8, with pixels."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == _BYTE
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


def as_bgr(image: ImageLike) -> NDArray[np.uint8]:
    """The image as BGR.

    Parameters
    ----------
    image : ndarray, str or PathLike
        uint8, with any strides: (h, w, 3) in BGR, (h, w) or (h, w, 1) in gray, (h, w, 4) in BGRA,
        whose alpha is dropped. Or the path of a picture.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        `image` itself if it is BGR, else a new array.

    Raises
    ------
    ImageError
        When it is something else, has no pixels, or the picture cannot be read.
    """
    if is_bgr(image):
        return image
    if isinstance(image, str | os.PathLike):
        return read_picture(os.fsdecode(image))
    if not isinstance(image, np.ndarray):
        raise ImageError(f'image is {_kind(image)}; {_TAKEN}: {_way_from(image)}')
    array = np.asarray(image)
    found = f'image is an array of {array.dtype}, shape {array.shape}'
    if array.dtype != _BYTE:
        raise ImageError(f'{found}; {_TAKEN}: {_way_to_bytes(array)}')
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ImageError(f'{found}; {_TAKEN}: {_way_to_shape(array)}')
    if not array.size:
        raise ImageError(f'{found}, which has no pixels; {_TAKEN}: check how it was read or cut')
    if channels == 3:
        return array
    conversion = cv2.COLOR_BGRA2BGR if channels == 4 else cv2.COLOR_GRAY2BGR
    bgr: NDArray[np.uint8] = cv2.cvtColor(array, conversion)
    return bgr


def _kind(image: object) -> str:
    return 'None' if image is None else f'a {type(image).__module__}.{type(image).__qualname__}'


def _way_from(image: object) -> str:
    """What to do with an object that is not an array."""
    if image is None:
        return 'cv2.imread returns None when it cannot read a file; check the path'
    if type(image).__module__.partition('.')[0] == 'PIL':
        return "give numpy.asarray(image.convert('RGB'))[:, :, ::-1]"
    if isinstance(image, bytes | bytearray | memoryview):
        return 'decode a JPEG or PNG with jetson_perception.images.encodings.decode_compressed'
    if isinstance(image, list | tuple):
        return 'call it once per image, or give numpy.asarray(image, numpy.uint8)'
    return 'give numpy.asarray(image) if that is such an array'


def _way_to_bytes(array: NDArray[Any]) -> str:
    """What to do with an array of another type."""
    if array.dtype == np.bool_:
        return 'give image.astype(numpy.uint8) * 255'
    if array.dtype.kind == 'f':
        return 'give (image * 255).round().astype(numpy.uint8) for values of 0 to 1'
    if array.dtype == np.uint16:
        return 'give (image >> 8).astype(numpy.uint8), or map the range that matters to 0 to 255'
    return 'bring the values to 0 to 255, then image.astype(numpy.uint8)'


def _way_to_shape(array: NDArray[Any]) -> str:
    """What to do with an array of another shape."""
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return 'channels come last, give image.transpose(1, 2, 0)'
    if array.ndim == 4 and len(array) == 1:
        return 'without an axis of images, give image[0]'
    return 'give one image at a time'
