"""The four kinds of datasets: pictures with the truth of each.

Every format is read into a `PixelDataset`, an `ObjectDataset`, a `ClassDataset` or a
`DepthDataset`. Pictures come one at a time, so a dataset may be larger than memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Union

import numpy as np

from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class LabelledMask(NamedTuple):
    """A picture with the class of each pixel."""

    name: str
    bgr: NDArray[np.uint8]
    """(h, w, 3) uint8."""
    truth: NDArray[np.uint8]
    """(h, w) uint8: class ids."""


class LabelledObjects(NamedTuple):
    """A picture with the objects in it."""

    name: str
    bgr: NDArray[np.uint8]
    """(h, w, 3) uint8."""
    truth: ObjectTruth


class LabelledClass(NamedTuple):
    """A picture with its class."""

    name: str
    bgr: NDArray[np.uint8]
    """(h, w, 3) uint8."""
    truth: int
    """Index into the dataset's class names."""


class LabelledDepth(NamedTuple):
    """A picture with the depth of each pixel."""

    name: str
    bgr: NDArray[np.uint8]
    """(h, w, 3) uint8."""
    truth: NDArray[np.float32]
    """(h, w) float32: metres along the optical axis, NaN where nothing was measured."""


@dataclass(frozen=True, eq=False, slots=True)
class ObjectTruth:
    """The objects of one picture; entry i of every attribute belongs to the same object.

    Attributes
    ----------
    xyxy : ndarray, shape (n, 4), float
        Left, top, right, bottom; pixels of the picture.
    class_id : ndarray, shape (n,), int
        Index into the dataset's class names.
    keypoints : ndarray, shape (n, k, 3), float, or None
        x, y in pixels, and COCO's visibility: 0 not labelled, 1 hidden, 2 visible. None if the
        dataset has no keypoints.
    outlines : tuple or None
        One per object, like COCO's `segmentation`: a list of polygons x, y, x, y, … in pixels, or
        a run-length encoded mask. None if the dataset has no outlines.
    area : ndarray, shape (n,), float, or None
        Pixels that the object covers; keypoint errors are relative to it. None to use
        `usual_areas`.
    crowd : ndarray, shape (n,), bool, or None
        True for a region with many objects that are not labelled one by one: detections there
        do not count. None if there are none.

    Raises
    ------
    ValueError
        When the arrays disagree about n.
    """

    xyxy: NDArray[np.floating]
    class_id: NDArray[np.integer]
    keypoints: NDArray[np.floating] | None = None
    outlines: tuple[Any, ...] | None = None
    area: NDArray[np.floating] | None = None
    crowd: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.class_id)
        if self.xyxy.shape != (n, 4):
            raise ValueError(f'xyxy is {self.xyxy.shape}; expected ({n}, 4), like class_id')
        for name in ('keypoints', 'outlines', 'area', 'crowd'):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise ValueError(
                    f'{name} has {counted(len(value), "row")}; expected {n}, like class_id'
                )

    def __len__(self) -> int:
        return len(self.class_id)


@dataclass(frozen=True, slots=True)
class PixelDataset:
    """Pictures with a class for each pixel, for semantic segmentation.

    Attributes
    ----------
    count : int
        How many pictures there are.
    pictures : iterable of LabelledMask
        Each is rendered or read when it is needed; raises ImageError if it cannot be used.
    """

    kind: ClassVar[str] = 'a class for each pixel'

    count: int
    pictures: Iterable[LabelledMask]


@dataclass(frozen=True, slots=True)
class ObjectDataset:
    """Pictures with objects, for detection, pose estimation and instance segmentation.

    Attributes
    ----------
    count : int
        How many pictures there are.
    pictures : iterable of LabelledObjects
        Each is rendered or read when it is needed; raises ImageError if it cannot be used.
    class_names : tuple of str
        Name of each class id.
    keypoint_count : int
        Keypoints per object; 0 for none.
    has_outlines : bool
        Whether every object has an outline.
    """

    kind: ClassVar[str] = 'boxes'

    count: int
    pictures: Iterable[LabelledObjects]
    class_names: tuple[str, ...]
    keypoint_count: int = 0
    has_outlines: bool = False


@dataclass(frozen=True, slots=True)
class ClassDataset:
    """Pictures with one class each, for classification.

    Attributes
    ----------
    count : int
        How many pictures there are.
    pictures : iterable of LabelledClass
        Each is read when it is needed; raises ImageError if it cannot be used.
    class_names : tuple of str
        Name of each class id.
    """

    kind: ClassVar[str] = 'a class for each picture'

    count: int
    pictures: Iterable[LabelledClass]
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DepthDataset:
    """Pictures with the depth of each pixel, for depth from one image.

    Attributes
    ----------
    count : int
        How many pictures there are.
    pictures : iterable of LabelledDepth
        Each is read when it is needed; raises ImageError if it cannot be used.
    most_m : float
        What is farther does not count, metres.
    """

    kind: ClassVar[str] = 'the depth of each pixel'

    count: int
    pictures: Iterable[LabelledDepth]
    most_m: float = 80.0


Dataset = Union[PixelDataset, ObjectDataset, ClassDataset, DepthDataset]  # noqa: UP007 - evaluated at run time


def usual_areas(xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Estimated pixels that objects cover, from their boxes alone; shape (n,).

    0.53 of the box, as in Ultralytics: people in COCO fill that much of theirs on average.
    """
    width, height = (xyxy[:, 2:] - xyxy[:, :2]).astype(np.float64).T
    return np.multiply(width, height) * 0.53
