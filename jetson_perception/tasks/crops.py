"""Parts of an image around what a detector found, and what is found in them, put back.

A second network looks at each part by itself: it reads the plate of a car, or finds the joints of
a person. `cut` says which parts, `join_objects` makes of all their results one of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.images.regions import Region
from jetson_perception.tasks.box_overlap import box_ious
from jetson_perception.tasks.results import Detections, have_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_INSTANCES = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class CropOptions:
    """Which objects are cut out of an image, and how.

    Attributes
    ----------
    class_ids : tuple of int or None
        Only objects of these classes; None for all.
    margin : float
        Added on each side of a box: this share of its width on the left and right, of its height
        above and below.
    most : int
        How many objects at most; those with the best scores.
    one_each : bool
        Keep one object of each crop: the one whose box fits that of the crop's object best.

    Raises
    ------
    ParameterError
        When `margin` or `most` is no such number.
    """

    class_ids: tuple[int, ...] | None = None
    margin: float = 0.0
    most: int = 20
    one_each: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise ParameterError(
                f'margin is {self.margin}; expected a share of the box, such as 0.1', 'margin'
            )
        if self.most < 1:
            raise ParameterError(f'most is {self.most}; expected at least 1', 'most')


@dataclass(frozen=True, eq=False, slots=True)
class Crops:
    """Parts of an image; entry i of both is the same.

    Attributes
    ----------
    objects : Detections
        What they were cut out for, in the order of the detector: boxes, scores, classes, and the
        ids as `parent_ids`.
    regions : tuple of Region
        Where they are.
    size_wh : tuple of int
        Size of the image.
    left_out : int
        How many objects had no part because there were too many.
    """

    objects: Detections
    regions: tuple[Region, ...]
    size_wh: tuple[int, int]
    left_out: int

    def __len__(self) -> int:
        return len(self.regions)


def cut(found: Detections, size_wh: tuple[int, int], options: CropOptions) -> Crops:
    """The parts of an image around objects.

    Parameters
    ----------
    found : Detections
        What a detector found in it. An object without area within the image has no part.
    size_wh : tuple of int
        Size of the image, pixels.
    """
    is_finite = np.isfinite(found.xyxy).all(axis=1, keepdims=True)
    limits = np.array(size_wh * 2, np.float32)
    corners = np.where(is_finite, found.xyxy, np.float32(0))  # of no area then
    is_wanted = have_area(corners.clip(0, limits))
    if options.class_ids is not None:
        is_wanted &= np.isin(found.class_id, options.class_ids)
    rows = np.flatnonzero(is_wanted)
    best = rows[np.argsort(-found.score[rows], kind='stable')][: options.most]
    kept = np.sort(best)
    around = (Region.around(found.xyxy[row].tolist(), size_wh, options.margin) for row in kept)
    regions = tuple(region for region in around if region is not None)
    assert len(regions) == len(kept), 'each has an area in the image'
    names = found.track_names()
    objects = Detections(
        found.xyxy[kept],
        found.score[kept],
        found.class_id[kept],
        oriented=None if found.oriented is None else found.oriented[kept],
        parent_ids=tuple(names[row] or f'#{row}' for row in kept.tolist()),
    )
    return Crops(objects, regions, size_wh, len(rows) - len(kept))


def join_objects(
    crops: Crops, results: Sequence[Detections], nothing: Detections, *, one_each: bool
) -> Detections:
    """What was found in the parts of an image, as objects of the image.

    Parameters
    ----------
    crops : Crops
        The parts.
    results : sequence of Detections
        What was found in each, in its own pixels.
    nothing : Detections
        What the same network gives for an image in which it finds nothing.
    one_each : bool
        See `CropOptions`.

    Returns
    -------
    Detections
        In the order of the parts, the best score of each first, with the id of the object that
        each was found on as `parent_ids`. Where masks of two parts overlap, the first wins.
    """
    parts, parent_ids, total = [], [], 0
    for index, found in enumerate(results):
        if one_each and len(found) > 1:
            found = found[[_fitting(found, crops, index)]]
        if nothing.instance_ids is not None and total + len(found) > _MOST_INSTANCES:
            break  # a pixel could not say which it is of
        total += len(found)
        parts.append(found)
        parent_ids += [crops.objects.parent_ids[index]] * len(found)  # type: ignore[index]
    if not total:
        return replace(nothing, parent_ids=())
    regions = crops.regions[: len(parts)]
    moved = [
        replace(found, instance_ids=None).in_frame(region, crops.size_wh)
        for found, region in zip(parts, regions, strict=True)
    ]
    ids = None
    if nothing.instance_ids is not None:
        ids = _painted(parts, regions, crops.size_wh, total)
    return Detections(
        _all(moved, 'xyxy'),
        _all(moved, 'score'),
        _all(moved, 'class_id'),
        _all(moved, 'keypoints'),
        ids,
        oriented=_all(moved, 'oriented'),
        parent_ids=tuple(parent_ids),
    )


def _fitting(found: Detections, crops: Crops, index: int) -> int:
    """The row of the object that is most likely the one that a part was cut out for."""
    region = crops.regions[index]
    corner = np.array((region.left, region.top) * 2, np.float32)
    return int(box_ious(crops.objects.xyxy[index][None] - corner, found.xyxy)[0].argmax())


def _painted(
    parts: Sequence[Detections],
    regions: Sequence[Region],
    size_wh: tuple[int, int],
    total: int,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The masks of all parts in one of the image's size, numbered through."""
    dtype = np.uint8 if total <= 255 else np.uint16
    ids = np.zeros(size_wh[::-1], dtype)
    for found, region in zip(parts[::-1], regions[::-1], strict=True):
        total -= len(found)
        if len(found):
            assert found.instance_ids is not None, 'all parts are of one network'
            own = found.instance_ids.astype(dtype)
            np.copyto(region.of(ids), own + dtype(total), where=own > 0)
    return ids


def _all(parts: Sequence[Detections], name: str) -> Any:
    """An array of all parts, one after another; None where they have none."""
    arrays = [getattr(each, name) for each in parts]
    return None if arrays[0] is None else np.concatenate(arrays)
