"""Parts of an image around what a detector found, and what is found in them, put back.

A second network looks at each part by itself: it reads the plate of a car, or finds the joints of
a person. `cut` says which parts, `join_objects` makes of all their results one of the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

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
    """

    class_ids: tuple[int, ...] | None = None
    margin: float = 0.0
    most: int = 20
    one_each: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Crops:
    """Parts of an image; entry i of both is the same.

    Attributes
    ----------
    objects : Detections
        What they were cut out for, in the order of the detector: boxes, scores, classes, and the
        ids as `parent_ids`.
    boxes : ndarray, shape (n, 4), int64
        Left, top, right, bottom in whole pixels, within the image; none is empty.
    size_wh : tuple of int
        Size of the image.
    left_out : int
        How many objects had no part because there were too many.
    """

    objects: Detections
    boxes: NDArray[np.int64]
    size_wh: tuple[int, int]
    left_out: int

    def __len__(self) -> int:
        return len(self.boxes)

    def pixels(self, bgr: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The pixels of a part, a view of the image."""
        left, top, right, bottom = self.boxes[index].tolist()
        return bgr[top:bottom, left:right]


def cut(found: Detections, size_wh: tuple[int, int], options: CropOptions) -> Crops:
    """The parts of an image around objects.

    Parameters
    ----------
    found : Detections
        What a detector found in it. An object without area within the image has no part.
    size_wh : tuple of int
        Size of the image, pixels.
    """
    boxes, is_wanted = _whole_pixels(found.xyxy, size_wh, options.margin)
    if options.class_ids is not None:
        is_wanted &= np.isin(found.class_id, options.class_ids)
    rows = np.flatnonzero(is_wanted)
    best = rows[np.argsort(-found.score[rows], kind='stable')][: options.most]
    kept = np.sort(best)
    names = found.track_names()
    objects = Detections(
        found.xyxy[kept],
        found.score[kept],
        found.class_id[kept],
        oriented=None if found.oriented is None else found.oriented[kept],
        parent_ids=tuple(names[row] or f'#{row}' for row in kept.tolist()),
    )
    return Crops(objects, boxes[kept], size_wh, len(rows) - len(kept))


def _whole_pixels(
    xyxy: NDArray[np.float32], size_wh: tuple[int, int], margin: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The pixels that boxes touch, with a margin, and which boxes touch any."""
    is_finite = np.isfinite(xyxy).all(axis=1, keepdims=True)
    corners = np.where(is_finite, xyxy, np.float32(0))  # of no area then
    limits = np.array(size_wh * 2, np.float32)
    touch = have_area(corners.clip(0, limits))
    exact = corners.astype(np.float64)
    added = (exact[:, 2:] - exact[:, :2]) * margin
    first, end = np.floor(exact[:, :2] - added), np.ceil(exact[:, 2:] + added)
    return np.concatenate((first, end), axis=1).clip(0, limits).astype(np.int64), touch


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
    parts, parent_ids, left, total = [], [], [], 0
    for index, found in enumerate(results):
        if one_each and len(found) > 1:
            found = found[[_fitting(found, crops, index)]]
        if nothing.instance_ids is not None and total + len(found) > _MOST_INSTANCES:
            break  # a pixel could not say which it is of
        total += len(found)
        parts.append(found)
        left.append(crops.boxes[index])
        parent_ids += [crops.objects.parent_ids[index]] * len(found)  # type: ignore[index]
    if not total:
        return replace(nothing, parent_ids=())
    moved = [_moved(found, box[:2]) for found, box in zip(parts, left, strict=True)]
    ids = None
    if nothing.instance_ids is not None:
        ids = _painted(parts, left, crops.size_wh, total)
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
    box = crops.objects.xyxy[index] - np.tile(crops.boxes[index, :2], 2)
    return int(box_ious(box[None].astype(np.float32), found.xyxy)[0].argmax())


def _moved(found: Detections, by_xy: NDArray[np.int64]) -> Detections:
    """Objects of a part in pixels of the image, without their masks."""
    by = by_xy.astype(np.float32)
    points, oriented = found.keypoints, found.oriented
    if points is not None:
        points = points + np.append(by, np.float32(0))
    if oriented is not None:
        oriented = oriented + np.append(by, np.zeros(3, np.float32))
    return Detections(
        found.xyxy + np.tile(by, 2), found.score, found.class_id, points, oriented=oriented
    )


def _painted(
    parts: Sequence[Detections],
    boxes: Sequence[NDArray[np.int64]],
    size_wh: tuple[int, int],
    total: int,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The masks of all parts in one of the image's size, numbered through."""
    dtype = np.uint8 if total <= 255 else np.uint16
    ids = np.zeros(size_wh[::-1], dtype)
    for found, (left, top, right, bottom) in zip(parts[::-1], boxes[::-1], strict=True):
        total -= len(found)
        if len(found):
            assert found.instance_ids is not None, 'all parts are of one network'
            own = found.instance_ids.astype(dtype)
            np.copyto(ids[top:bottom, left:right], own + dtype(total), where=own > 0)
    return ids


def _all(parts: Sequence[Detections], name: str) -> Any:
    """An array of all parts, one after another; None where they have none."""
    arrays = [getattr(each, name) for each in parts]
    return None if arrays[0] is None else np.concatenate(arrays)
