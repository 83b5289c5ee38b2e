"""Objects that were found in tiles, each of them once.

What is found twice, or in pieces, was found in different tiles: within one, the network has
suppressed its own. Two boxes are of one object where they agree in what both tiles see, or where
one is a piece, cut by the border of its tile, and lies in the other: as SAHI merges (Akyon et
al., 2022), by the intersection over the smaller box. A whole box takes its pieces in; pieces
without one become the box around them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.images.regions import Region
from jetson_perception.tasks.detection_options import MAX_CANDIDATES
from jetson_perception.tasks.oriented_boxes import overlap
from jetson_perception.tasks.results import Detections, enclosing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.preprocess import ImageTransform

#: Boxes of two tiles are of one object from here on, by whatever they are compared.
_SAME = 0.5
#: How near to its tile's border a box ends that is cut there, pixels of the network's input.
_NEAR_PX = 4.0


def merge_tiles(
    found: Sequence[Detections],
    regions: Sequence[Region],
    transforms: Sequence[ImageTransform],
    frame_wh: tuple[int, int],
    options: DetectionOptions,
) -> Detections:
    """The objects of a frame, best score first, at most `options.max_detections`.

    Parameters
    ----------
    found : sequence of Detections
        Of each tile, in pixels of the tile.
    regions : sequence of Region
        The tiles.
    transforms : sequence of ImageTransform
        How each tile was fitted to the network.
    frame_wh : tuple of int
        Width and height of the frame.
    options : DetectionOptions
        Whether objects of different classes may be one, and how many to keep.
    """
    pieces = _Pieces(found, regions, transforms, frame_wh, agnostic=options.class_agnostic)
    groups = list(pieces.groups())
    groups.sort(key=lambda members: pieces.all.score[members].max(), reverse=True)
    del groups[options.max_detections :]
    result = pieces.all[[pieces.representative(members) for members in groups]]
    for row, members in enumerate(groups):
        best = members[int(pieces.all.score[members].argmax())]
        result.score[row], result.class_id[row] = pieces.all.score[best], pieces.all.class_id[best]
        result.xyxy[row] = pieces.box(members)
        if result.keypoints is not None:
            result.keypoints[row] = pieces.keypoints(members)
    if found[0].instance_ids is None:
        return result
    return replace(result, instance_ids=pieces.instance_ids(groups))


class _Pieces:
    """All boxes of all tiles: whole ones first, then those of the finest tiles, then the best."""

    def __init__(
        self,
        found: Sequence[Detections],
        regions: Sequence[Region],
        transforms: Sequence[ImageTransform],
        frame_wh: tuple[int, int],
        *,
        agnostic: bool,
    ) -> None:
        joined = _joined(found, regions, frame_wh)
        fitted = list(zip(found, regions, transforms, strict=True))
        is_cut = np.concatenate([_are_cut(*each, frame_wh) for each in fitted])
        counts = [len(each) for each in found]
        coarseness = [each.source_wh[0] / each.content_wh[0] for each in transforms]
        order = np.lexsort((-joined.score, np.repeat(coarseness, counts), is_cut))
        if len(order) > MAX_CANDIDATES:
            order = order[
                np.sort(np.argsort(-joined.score[order], kind='stable')[:MAX_CANDIDATES])
            ]
        corners = [(each.left, each.top, each.right, each.bottom) for each in regions]
        self.all = joined[order]
        self._found, self._regions, self._frame_wh = found, regions, frame_wh
        self._cut = is_cut[order]
        self._tile = np.repeat(np.arange(len(found)), counts)[order]
        self._row = np.concatenate([np.arange(count) for count in counts])[order]
        self._area = np.array(corners, np.float32)[self._tile]
        self._agnostic = agnostic

    def groups(self) -> Iterator[list[int]]:
        """Rows that are of one object, the leading one first."""
        same = self._same()
        free = np.ones(len(self.all), bool)
        for lead in range(len(free)):
            if not free[lead]:
                continue
            free[lead] = False
            members = [lead]
            for row in members:  # which grow: pieces may touch each other in a chain
                matching = np.flatnonzero(free & same[row])
                free[matching] = False
                members += matching.tolist()
                if not self._cut[lead]:
                    break  # what is whole touches all its pieces
            yield members

    def representative(self, members: list[int]) -> int:
        """The row that stands for a group."""
        oriented = self.all.oriented
        if oriented is None or not self._cut[members[0]]:
            return members[0]
        # No box around pieces has the angle of the object, so it is that of the largest.
        sizes = oriented[members, 2] * oriented[members, 3]
        return members[int(sizes.argmax())]

    def box(self, members: list[int]) -> NDArray[np.float32]:
        """Of the whole object, or around its pieces."""
        if self._are_parts(members) and self.all.oriented is None:
            corners = self.all.xyxy[members]
            return np.concatenate((corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)))
        return self.all.xyxy[self.representative(members)]

    def keypoints(self, members: list[int]) -> NDArray[np.float32]:
        """Of the whole object, or each as it is in the piece that saw it best."""
        points = self.all.keypoints
        assert points is not None, 'a pose model has them'
        if not self._are_parts(members):
            return points[members[0]]
        of_members = points[members]
        best = of_members[:, :, 2].argmax(axis=0)
        return of_members[best, np.arange(len(best))]

    def instance_ids(self, groups: list[list[int]]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Which group each pixel of the frame belongs to: its number plus 1; 0 for none."""
        ids = np.zeros(self._frame_wh[::-1], np.uint8 if len(groups) <= 255 else np.uint16)
        for index in range(len(groups) - 1, -1, -1):  # the best last, over the others
            members = groups[index]
            for row in members if self._are_parts(members) else members[:1]:
                self._paint(ids, index + 1, row)
        return ids

    def _paint(self, ids: NDArray[Any], value: int, row: int) -> None:
        region, found = self._regions[self._tile[row]], self._found[self._tile[row]]
        assert found.instance_ids is not None, 'a segmentation model has them'
        its_row = self._row[row]
        part = Region.around(found.xyxy[its_row].tolist(), region.size_wh)
        if part is not None:
            target = part.of(region.of(ids))
            target[part.of(found.instance_ids) == its_row + 1] = value

    def _are_parts(self, members: list[int]) -> bool:
        return len(members) > 1 and bool(self._cut[members[0]])

    def _same(self) -> NDArray[np.bool_]:
        """Which rows are of the same object as which, (n, n), symmetric."""
        found = self.all
        left, top, right, bottom = np.ascontiguousarray(found.xyxy.T)
        may: NDArray[np.bool_] = left[:, None] < right
        may &= may.T  # they overlap in x
        in_y = top[:, None] < bottom
        may &= in_y & in_y.T
        may &= self._tile[:, None] != self._tile
        if not self._agnostic:
            may &= found.class_id[:, None] == found.class_id
        one, other = np.nonzero(np.triu(may, 1))
        is_cut = self._cut[one] | self._cut[other]
        same = is_cut & (_over_smaller(found.xyxy[one], found.xyxy[other]) >= _SAME)
        if found.oriented is not None:
            overlaps = [
                overlap(found.oriented[[first]], found.oriented[other[one == first]])[0]
                for first in np.unique(one)
            ]
            same |= np.concatenate([*overlaps, np.empty(0)]) >= _SAME
        else:
            same |= self._ious_in_common(one, other) >= _SAME
        matrix = np.zeros(may.shape, bool)
        matrix[one, other] = matrix[other, one] = same
        return matrix

    def _ious_in_common(
        self, one: NDArray[np.intp], other: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """IoU of pairs of boxes, each cut to what both tiles see."""
        common = _intersection(self._area[one], self._area[other])
        mine = _intersection(self.all.xyxy[one], common)
        theirs = _intersection(self.all.xyxy[other], common)
        both = _areas(_intersection(mine, theirs))
        together = _areas(mine) + _areas(theirs) - both
        return np.divide(both, together, out=np.zeros_like(both), where=together > 0)


def _are_cut(
    found: Detections, region: Region, transform: ImageTransform, frame_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which boxes end at a border of their tile that is not one of the frame."""
    near = _NEAR_PX * np.array(region.size_wh, np.float32) / transform.content_wh
    boxes = found.xyxy if found.oriented is None else enclosing(found.oriented)
    low, high = boxes[:, :2] <= near, boxes[:, 2:] >= region.size_wh - near
    low &= np.array((region.left > 0, region.top > 0))
    high &= np.array((region.right < frame_wh[0], region.bottom < frame_wh[1]))
    return np.asarray((low | high).any(axis=1))


def _joined(
    found: Sequence[Detections], regions: Sequence[Region], frame_wh: tuple[int, int]
) -> Detections:
    """One after another, in pixels of the frame, without masks."""
    moved = [
        replace(each, instance_ids=None).in_frame(region, frame_wh)
        for each, region in zip(found, regions, strict=True)
    ]
    points = [each.keypoints for each in moved if each.keypoints is not None]
    oriented = [each.oriented for each in moved if each.oriented is not None]
    return Detections(
        np.concatenate([each.xyxy for each in moved]),
        np.concatenate([each.score for each in moved]),
        np.concatenate([each.class_id for each in moved]),
        np.concatenate(points) if points else None,
        oriented=np.concatenate(oriented) if oriented else None,
    )


def _over_smaller(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection of pairs of boxes over the area of the smaller."""
    both = _areas(_intersection(one, other))
    smaller = np.minimum(_areas(one), _areas(other))
    return np.divide(both, smaller, out=np.zeros_like(both), where=smaller > 0)


def _intersection(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The boxes that both have in common; without area where there is nothing."""
    low = np.maximum(one[..., :2], other[..., :2])
    return np.concatenate((low, np.minimum(one[..., 2:], other[..., 2:])), axis=-1)


def _areas(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(xyxy[..., 2:] - xyxy[..., :2], np.float32(0))
    areas: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return areas
