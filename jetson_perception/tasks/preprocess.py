"""BGR images into input tensors, and coordinates back: resizing, padding, normalization.

`fit` decides where the resized image lies in the network's input and returns an `ImageTransform`,
which converts coordinates back. `Preprocessor` fills the tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.images.arrays import is_bgr
from jetson_perception.model_info import RESIZES
from jetson_perception.printable import quoted
from jetson_perception.tasks.input_layout import INPUT_TYPES, InputLayout
from jetson_perception.tasks.input_tensor import tensor_writer, value_tables
from jetson_perception.tasks.normalization import Normalization

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


_MOST_LENGTHS = 16  # greater than the ratio of the sides of any network's input


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """Where an image lies in the network's input, and how to get from one to the other.

    Coordinates are continuous: pixel i covers i to i + 1, so a corner of the image maps exactly to
    a corner of the resized image.

    Attributes
    ----------
    source_wh : tuple of int
        Size of the source image, pixels.
    network_wh : tuple of int
        Size of the network's input, pixels.
    content_wh : tuple of int
        Size of the resized image, pixels. Where it is smaller than the network's input, the rest
        is padding; where it is larger, the excess is cut off.
    offset_xy : tuple of int
        Left and top of the resized image in the network's input, pixels; negative where something
        is cut off.
    """

    source_wh: tuple[int, int]
    network_wh: tuple[int, int]
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    def boxes_to_source(self, xyxy: NDArray[np.float32], clip: bool = True) -> NDArray[np.float32]:
        """Boxes in pixels of the source image, shape (n, 4), float32, a new array.

        Parameters
        ----------
        xyxy : ndarray, shape (n, 4), float32
            Left, top, right, bottom in pixels of the network's input.
        clip : bool
            Clip the boxes to the image.
        """
        boxes = self.points_to_source(np.asarray(xyxy, np.float32).reshape(-1, 2, 2))
        if clip:
            np.maximum(boxes, np.float32(0), out=boxes)
            np.minimum(boxes, np.array(self.source_wh, np.float32), out=boxes)
        return boxes.reshape(-1, 4)

    def points_to_source(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points in pixels of the source image, shape (…, 2), float32, a new array, not clipped.

        Parameters
        ----------
        xy : ndarray, shape (…, 2), float32
            Pixels of the network's input.
        """
        moved = np.subtract(xy, np.array(self.offset_xy, np.float32), dtype=np.float32)
        moved *= self._source_per_network
        return moved

    def source_to_network(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points in pixels of the network's input, shape (…, 2), float32: the inverse."""
        moved = np.divide(xy, self._source_per_network, dtype=np.float32)
        moved += np.array(self.offset_xy, np.float32)
        return moved

    @property
    def _source_per_network(self) -> NDArray[np.float32]:
        # One factor per axis, as rounding content_wh changes each differently.
        (source_w, source_h), (content_w, content_h) = self.source_wh, self.content_wh
        return np.array([source_w / content_w, source_h / content_h], np.float32)


def fit(
    source_wh: tuple[int, int], network_wh: tuple[int, int], resize: str = 'letterbox'
) -> ImageTransform:
    """The transform from an image of one size to a network input of another.

    Parameters
    ----------
    source_wh, network_wh : tuple of int
        Width and height, pixels.
    resize : str
        'letterbox' keeps the aspect ratio and centers the image, with the rounding of
        Ultralytics' LetterBox. 'letterbox_top_left' keeps the aspect ratio, puts the image into
        the top left corner and rounds down. 'stretch' fills the input. 'center_crop' keeps the
        aspect ratio, covers the input and cuts off the excess on both sides, with the rounding of
        torchvision's Resize and CenterCrop.

    Raises
    ------
    ParameterError
        When `resize` is not one of these.
    """
    # As int: 640.0 equals 640, so the cache would return it for 640 from then on.
    (source_w, source_h), (network_w, network_h) = source_wh, network_wh
    return _fit((int(source_w), int(source_h)), (int(network_w), int(network_h)), resize)


@lru_cache(maxsize=64)
def _fit(source_wh: tuple[int, int], network_wh: tuple[int, int], resize: str) -> ImageTransform:
    if resize not in RESIZES:
        raise ParameterError(
            f'resize is {quoted(resize)}; choose one of {", ".join(RESIZES)}', 'resize'
        )
    (source_w, source_h), (network_w, network_h) = source_wh, network_wh
    if resize == 'stretch':
        return ImageTransform(source_wh, network_wh, network_wh, (0, 0))
    if resize == 'letterbox_top_left':
        # In integers: a product of floats may fall short of a side that fits exactly.
        if source_w * network_h >= source_h * network_w:
            content_w, content_h = network_w, source_h * network_w // source_w
        else:
            content_w, content_h = source_w * network_h // source_h, network_h
        content_wh = max(content_w, 1), max(content_h, 1)
        return ImageTransform(source_wh, network_wh, content_wh, (0, 0))
    if resize == 'center_crop':
        if source_w * network_h >= source_h * network_w:
            content_w, content_h = source_w * network_h // source_h, network_h
        else:
            content_w, content_h = network_w, source_h * network_w // source_w
        left, top = -round((content_w - network_w) / 2), -round((content_h - network_h) / 2)
        return ImageTransform(source_wh, network_wh, (content_w, content_h), (left, top))
    gain = min(network_w / source_w, network_h / source_h)
    content_w = max(round(source_w * gain), 1)
    content_h = max(round(source_h * gain), 1)
    left = max(round((network_w - content_w) / 2 - 0.1), 0)
    top = max(round((network_h - content_h) / 2 - 0.1), 0)
    return ImageTransform(source_wh, network_wh, (content_w, content_h), (left, top))


class Preprocessor:
    """Fills input tensors from BGR images of any size. One thread at a time may call it.

    Parameters
    ----------
    network_wh : tuple of int
        Width and height of the network's input, pixels.
    resize : str
        How the image is fitted; see `fit`.
    normalization : Normalization
        How pixel values are converted.
    dtype : dtype
        The type of the network's input: float32, float16, uint8 or int32.
    pad_value : int
        Pixel value of the padding, 0 to 255, normalized like the others.
    layout : InputLayout, optional
        Number and place of the channels; three that come first by default.

    Attributes
    ----------
    shape : tuple of int
        Of the tensors.

    Raises
    ------
    ParameterError
        When `resize`, `dtype` or `pad_value` is not one of these, or the input cannot hold what
        the normalization gives.

    Notes
    -----
    The planes from `cv2.split` are normalized one by one, which is several times faster than
    `cv2.dnn.blobFromImage` and allocates nothing from the second image of a size on.
    """

    def __init__(
        self,
        network_wh: tuple[int, int],
        resize: str = 'letterbox',
        normalization: Normalization | None = None,
        dtype: DTypeLike = np.float32,
        pad_value: int = 114,
        layout: InputLayout | None = None,
    ) -> None:
        fit(network_wh, network_wh, resize)
        if np.dtype(dtype) not in INPUT_TYPES:
            raise ParameterError(
                f'the network takes {np.dtype(dtype)} tensors; '
                f'{", ".join(map(str, INPUT_TYPES))} are supported: export the model with one of '
                'them'
            )
        if not 0 <= pad_value <= 255:
            raise ParameterError(f'pad_value is {pad_value}; give a pixel value, 0 to 255')
        self.network_wh = network_wh
        self.resize = resize
        self.normalization = normalization or Normalization()
        self.dtype: np.dtype = np.dtype(dtype)
        self.pad_value = pad_value
        self.layout = layout or InputLayout()
        self.shape = self.layout.shape(network_wh)
        self.tables = value_tables(self.normalization, self.dtype, self.layout.channels)
        color_order = self.normalization.color_order
        self._writer = tensor_writer(self.layout, self.tables, color_order, pad_value)
        self._resized = np.empty((0, 0, 3), np.uint8)

    def new_tensor(self) -> NDArray[Any]:
        """An uninitialized tensor of `shape` and `dtype`, to use as `out`."""
        return np.empty(self.shape, self.dtype)

    def __call__(
        self, bgr: NDArray[np.uint8], out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], ImageTransform]:
        """The image as an input tensor, and the transform back to its pixels.

        Parameters
        ----------
        bgr : ndarray, shape (h, w, 3), uint8
            Rows may be padded. Not changed.
        out : ndarray, optional
            Receives the tensor; of this preprocessor's shape and dtype, and C-contiguous.
            Completely overwritten.

        Returns
        -------
        tensor : ndarray
            `out`, or a new array.
        transform : ImageTransform
            From the network's pixels to the image's.

        Raises
        ------
        ImageError
            When the image has another shape or dtype.
        ValueError
            When `out` has another shape or dtype, or is not contiguous.
        """
        if not is_bgr(bgr):
            found = f'{bgr.dtype} {bgr.shape}' if isinstance(bgr, np.ndarray) else f'{type(bgr)}'
            raise ImageError(
                f'image is {found}; expected (h, w, 3) uint8 in BGR: '
                'jetson_perception.images.arrays.as_bgr converts others'
            )
        tensor = self.new_tensor() if out is None else out
        if tensor.shape != self.shape or tensor.dtype != self.dtype:
            raise ValueError(
                f'out is {tensor.dtype} {tensor.shape}; expected {self.dtype} {self.shape}'
            )
        if not tensor.flags.c_contiguous:
            raise ValueError(f'out has strides of {tensor.strides} bytes; it must be contiguous')
        height, width = bgr.shape[:2]
        transform = fit((width, height), self.network_wh, self.resize)
        if self.resize == 'center_crop':
            self._crop(bgr, tensor, transform)
            return tensor, transform
        content = self._resize(bgr, transform.content_wh)
        (left, top), (content_w, content_h) = transform.offset_xy, transform.content_wh
        self._writer.pad(tensor, (left, top, left + content_w, top + content_h))
        self._writer.write(content, tensor, left, top)
        return tensor, transform

    def _resize(self, bgr: NDArray[np.uint8], content_wh: tuple[int, int]) -> NDArray[np.uint8]:
        width, height = content_wh
        if bgr.shape[:2] == (height, width):
            return bgr
        if self._resized.shape[:2] != (height, width):
            self._resized = np.empty((height, width, 3), np.uint8)
        # Use what is returned: OpenCV fills a new array if `dst` does not fit.
        resized: NDArray[np.uint8] = cv2.resize(
            bgr, content_wh, dst=self._resized, interpolation=cv2.INTER_LINEAR
        )
        return resized

    def _crop(
        self, bgr: NDArray[np.uint8], tensor: NDArray[Any], transform: ImageTransform
    ) -> None:
        """Fill the tensor with the middle of an image, resized as in training classifiers."""
        part = _without_far_ends(bgr)
        if part is not bgr:
            transform = fit(part.shape[1::-1], self.network_wh, self.resize)
        smoothed = _smoothed(part, transform.content_wh)
        resized: NDArray[np.uint8] = cv2.resize(
            smoothed, transform.content_wh, interpolation=cv2.INTER_LINEAR
        )
        (left, top), (width, height) = transform.offset_xy, self.network_wh
        content = resized[-top : height - top, -left : width - left]
        self._writer.write(content, tensor, 0, 0)


def _without_far_ends(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a very long image, as resizing all of it could exhaust the memory.

    The crop moves by less than a pixel of the image.
    """
    height, width = bgr.shape[:2]
    cut_x, cut_y = max(width - _MOST_LENGTHS * height, 0), max(height - _MOST_LENGTHS * width, 0)
    if not (cut_x or cut_y):
        return bgr
    left, top = cut_x // 2, cut_y // 2
    return bgr[top : height - (cut_y - top), left : width - (cut_x - left)]


def _smoothed(bgr: NDArray[np.uint8], content_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """An image that can be reduced without aliasing.

    Classifiers are trained on images that Pillow reduced: it weights all pixels around a new one
    with a triangle, whereas OpenCV's bilinear resize uses four pixels. Applying the triangle first
    makes OpenCV agree with Pillow.
    """
    height, width = bgr.shape[:2]
    across, down = _triangle(width / content_wh[0]), _triangle(height / content_wh[1])
    if len(across) == len(down) == 1:
        return bgr
    smoothed: NDArray[np.uint8] = cv2.sepFilter2D(
        bgr, -1, across, down, borderType=cv2.BORDER_REPLICATE
    )
    return smoothed


@lru_cache(maxsize=16)
def _triangle(reduction: float) -> NDArray[np.float32]:
    """Weights of the pixels around one, up to the width of a pixel of the new image."""
    reach = max(math.ceil(reduction) - 1, 0)
    weights = 1 - np.abs(np.arange(-reach, reach + 1)) / max(reduction, 1.0)
    return np.asarray(weights / weights.sum(), np.float32)
