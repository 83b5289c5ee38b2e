"""What tasks find in one image: boxes with keypoints or masks, classes, or a depth per pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jetson_perception.images.regions import Region


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """Boxes of one image; row i of every array is the same object, best score first.

    Attributes
    ----------
    xyxy : ndarray, shape (n, 4), float32
        Left, top, right, bottom; pixels of the source image, sub-pixel, clipped to the image.
    score : ndarray, shape (n,), float32
        Confidence, 0 to 1.
    class_id : ndarray, shape (n,), int32
        Index into the model's class names.
    keypoints : ndarray, shape (n, k, 3), float32, or None
        x, y in pixels of the source image, and score 0 to 1 (1 where the model gives none). YOLO's
        are clipped to the image; others may lie outside. None for a model without keypoints.
    instance_ids : ndarray, shape (h, w), uint8 or uint16, or None
        Which object each pixel of the source image belongs to: its row plus 1, or 0 for none.
        Where objects overlap, the best score wins. uint8 for up to 255 objects. None for a model
        without masks.
    track_id : ndarray, shape (n,), int64, or None
        Identity of each object from frame to frame, from 0; -1 for an object that has none (yet).
        Two objects of one engine and one camera never share an id. None without a tracker.
    oriented : ndarray, shape (n, 5), float32, or None
        Center x and y, width, height in pixels of the source image, not clipped, and the angle in
        radians by which the box is turned about its center, from x towards y. `xyxy` is the
        upright box around it. None for a model without oriented boxes.
    trails : ndarray, shape (n, k, 2), float32, or None
        Where the center of each object was in the last seconds, x and y in pixels of the source
        image, oldest first; the last point is where it is now. None unless a tracker keeps them.
    parent_ids : tuple of str, n, or None
        For what was found on the objects of another detector (`tasks.crops`): the id of that
        object, or '#' and its row where it has none. Rows then have the order of these objects,
        whatever their own scores. None for what was found in an image as a whole.

    Raises
    ------
    ValueError
        When the arrays disagree about n, or have another shape or type.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int32]
    keypoints: NDArray[np.float32] | None = None
    instance_ids: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    track_id: NDArray[np.int64] | None = None
    oriented: NDArray[np.float32] | None = None
    trails: NDArray[np.float32] | None = None
    parent_ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        if self.xyxy.shape != (n, 4) or self.score.shape != (n,) or self.class_id.shape != (n,):
            raise ValueError(
                f'xyxy {self.xyxy.shape}, score {self.score.shape} and class_id '
                f'{self.class_id.shape} must be (n, 4), (n,) and (n,) with the same n'
            )
        points = self.keypoints
        if points is not None and (points.ndim != 3 or len(points) != n or points.shape[2] != 3):
            raise ValueError(f'keypoints {points.shape} must be ({n}, k, 3)')
        ids = self.instance_ids
        if ids is not None and (ids.ndim != 2 or ids.dtype not in (np.uint8, np.uint16)):
            raise ValueError(
                f'instance_ids {ids.dtype} {ids.shape} must be (h, w), uint8 or uint16'
            )
        tracks = self.track_id
        if tracks is not None and (tracks.shape != (n,) or tracks.dtype != np.int64):
            raise ValueError(f'track_id {tracks.dtype} {tracks.shape} must be ({n},), int64')
        if self.oriented is not None and self.oriented.shape != (n, 5):
            raise ValueError(f'oriented {self.oriented.shape} must be ({n}, 5)')
        trails = self.trails
        if trails is not None and (trails.ndim != 3 or len(trails) != n or trails.shape[2] != 2):
            raise ValueError(f'trails {trails.shape} must be ({n}, k, 2)')
        if self.parent_ids is not None and len(self.parent_ids) != n:
            raise ValueError(f'the length of parent_ids is {len(self.parent_ids)}; expected {n}')

    @classmethod
    def empty(cls, keypoint_count: int = 0, masks_wh: tuple[int, int] | None = None) -> Detections:
        """Nothing found.

        Parameters
        ----------
        keypoint_count : int
            If not 0, the result has an empty keypoint array, (0, keypoint_count, 3).
        masks_wh : tuple of int, optional
            Width and height of the source image; if given, the result has `instance_ids` of zeros.
        """
        return cls(
            np.empty((0, 4), np.float32),
            np.empty((0,), np.float32),
            np.empty((0,), np.int32),
            np.empty((0, keypoint_count, 3), np.float32) if keypoint_count else None,
            np.zeros(masks_wh[::-1], np.uint8) if masks_wh else None,
        )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, rows: Any) -> Detections:
        """The rows that an index array, boolean mask or slice selects, with all their data.

        `instance_ids` are renumbered to the new rows; pixels of the other objects become 0, even
        where they cover a selected object.
        """
        points = None if self.keypoints is None else self.keypoints[rows]
        ids = None if self.instance_ids is None else self._renumbered(self.instance_ids, rows)
        tracks = None if self.track_id is None else self.track_id[rows]
        oriented = None if self.oriented is None else self.oriented[rows]
        trails = None if self.trails is None else self.trails[rows]
        parents = None if self.parent_ids is None else self._parents_of(rows)
        return Detections(
            self.xyxy[rows],
            self.score[rows],
            self.class_id[rows],
            points,
            ids,
            tracks,
            oriented,
            trails,
            parents,
        )

    def scaled(self, factor_xy: tuple[float, float]) -> Detections:
        """The same in the pixels of the source image after it was resized by these factors.

        `instance_ids` keep their size.
        """
        if factor_xy == (1.0, 1.0):
            return self
        factors = np.array(factor_xy, np.float32)
        points = self.keypoints
        if points is not None:
            points = points * np.append(factors, np.float32(1))
        oriented = None if self.oriented is None else stretched(self.oriented, factor_xy)
        trails = None if self.trails is None else self.trails * factors
        xyxy = self.xyxy * np.tile(factors, 2)
        return replace(self, xyxy=xyxy, keypoints=points, oriented=oriented, trails=trails)

    def in_frame(self, region: Region, frame_wh: tuple[int, int]) -> Detections:
        """The same in the pixels of the frame that `region`, which was searched, is a part of.

        `instance_ids` get the frame's size, with 0 around the region.

        Parameters
        ----------
        region : Region
            The detections are in its pixels.
        frame_wh : tuple of int
            Width and height of the frame.

        Raises
        ------
        ImageError
            When the region is no part of such a frame.
        """
        region.require_inside(frame_wh)
        if region.size_wh == frame_wh:
            return self
        offset = np.array((region.left, region.top), np.float32)
        points, oriented, ids = self.keypoints, self.oriented, self.instance_ids
        if points is not None:
            points = points + np.append(offset, np.float32(0))
        if oriented is not None:
            oriented = oriented + np.append(offset, np.zeros(3, np.float32))
        trails = None if self.trails is None else self.trails + offset
        if ids is not None:
            placed = np.zeros(frame_wh[::-1], ids.dtype)
            placed[region.top : region.bottom, region.left : region.right] = ids
            ids = placed
        return replace(
            self,
            xyxy=self.xyxy + np.tile(offset, 2),
            keypoints=points,
            instance_ids=ids,
            oriented=oriented,
            trails=trails,
        )

    def track_names(self) -> list[str]:
        """Each object's id as messages and drawings show it; '' for an object without one.

        Of what was found on other objects, these are the ids of the others.
        """
        if self.parent_ids is not None:
            return list(self.parent_ids)
        if self.track_id is None:
            return [''] * len(self)
        return [str(track) if track >= 0 else '' for track in self.track_id.tolist()]

    def _parents_of(self, rows: Any) -> tuple[str, ...]:
        assert self.parent_ids is not None
        return tuple(self.parent_ids[row] for row in np.arange(len(self))[rows].tolist())

    def _renumbered(
        self, ids: NDArray[np.uint8] | NDArray[np.uint16], rows: Any
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        selected = np.arange(len(self))[rows]
        new_ids = np.zeros(len(self) + 1, np.uint8 if len(selected) <= 255 else np.uint16)
        # Backwards, so that the first wins where a row is selected twice.
        new_ids[selected[::-1] + 1] = np.arange(len(selected), 0, -1)
        if ids.dtype != np.uint8 or new_ids.dtype != np.uint8:
            return new_ids[ids]
        table = np.zeros(256, np.uint8)
        table[: len(new_ids)] = new_ids[:256]
        return np.asarray(cv2.LUT(ids, table), np.uint8)  # many times faster


@dataclass(frozen=True, eq=False, slots=True)
class Segmentation:
    """A class per pixel of one image.

    Attributes
    ----------
    mask : ndarray, shape (h, w), uint8
        Class id of each pixel, at the source image's size or the network's, as requested.
    pixels : ndarray, shape (classes,), int64
        How many pixels of `mask` each class has; sums to h × w.
    colored : ndarray, shape (h, w, 3), uint8, or None
        BGR of each pixel's class, as from `drawing.color_mask`. None if it was not requested, or
        could not be made; `drawing` makes it then.
    tinted : ndarray, shape (h, w, 3), uint8, or None
        The image in BGR, tinted as by `drawing.draw_segmentation`, without a legend. None in the
        same cases as `colored`.
    confidence : ndarray, shape (h, w), uint8, or None
        How likely each pixel's class is, in 255ths, of the size of `mask`. None if it was not
        requested, or the network gives class ids alone.
    """

    mask: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    colored: NDArray[np.uint8] | None = None
    tinted: NDArray[np.uint8] | None = None
    confidence: NDArray[np.uint8] | None = None

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Share of each class, 0 to 1, shape (classes,); zeros for an empty mask."""
        return self.pixels / max(int(self.pixels.sum()), 1)


@dataclass(frozen=True, eq=False, slots=True)
class Classification:
    """What an image shows as a whole; entry i of both arrays is the same class, best first.

    Attributes
    ----------
    class_id : ndarray, shape (n,), int32
        Index into the model's class names.
    score : ndarray, shape (n,), float32
        Confidence, 0 to 1.

    Raises
    ------
    ValueError
        When the arrays disagree about n.
    """

    class_id: NDArray[np.int32]
    score: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.class_id.ndim != 1 or self.class_id.shape != self.score.shape:
            raise ValueError(
                f'class_id {self.class_id.shape} and score {self.score.shape} must be (n,) with '
                'the same n'
            )

    def __len__(self) -> int:
        return len(self.class_id)


@dataclass(frozen=True, eq=False, slots=True)
class ClassifiedObjects:
    """What the objects of a detector are, by a classifier that looked at each of them.

    Attributes
    ----------
    objects : Detections
        The objects: boxes, scores and classes of the detector, with their ids as `parent_ids`.
    classes : tuple of Classification, n
        What each of them is, best class first; empty where no class scores enough.

    Raises
    ------
    ValueError
        When they are not as many.
    """

    objects: Detections
    classes: tuple[Classification, ...]

    def __post_init__(self) -> None:
        if len(self.objects) != len(self.classes):
            raise ValueError(
                f'the length of classes is {len(self.classes)}; expected {len(self.objects)}'
            )

    def __len__(self) -> int:
        return len(self.objects)

    def named(self) -> Detections:
        """The objects with the best class of each and its score, without those that have none."""
        rows = [row for row, found in enumerate(self.classes) if len(found)]
        best = [self.classes[row] for row in rows]
        return replace(
            self.objects[rows],
            score=np.array([each.score[0] for each in best], np.float32),
            class_id=np.array([each.class_id[0] for each in best], np.int32),
        )

    def scaled(self, factor_xy: tuple[float, float]) -> ClassifiedObjects:
        """The same in the pixels of the image after it was resized by these factors."""
        return replace(self, objects=self.objects.scaled(factor_xy))


@dataclass(frozen=True, eq=False, slots=True)
class DepthMap:
    """How far each pixel of an image is, as a network guesses it from that image alone.

    Attributes
    ----------
    values : ndarray, shape (h, w), float32
        One for each pixel of the source image; NaN where a metric one is not in front of the
        camera.
    meaning : str
        'metric': metres along the optical axis. 'relative': larger is farther, in no unit.
        'inverse': larger is nearer, in no unit and from no known zero.

    Raises
    ------
    ValueError
        When the values have another shape or type.
    """

    values: NDArray[np.float32]
    meaning: str

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != np.float32:
            raise ValueError(
                f'values {self.values.dtype} {self.values.shape} must be float32 (h, w)'
            )

    @property
    def is_metric(self) -> bool:
        """Whether the values are metres."""
        return self.meaning == 'metric'


def stretched(
    oriented: NDArray[np.float32], factor_xy: tuple[float, float]
) -> NDArray[np.float32]:
    """Oriented boxes of an image that was resized by these factors, a new array.

    Where the factors differ, a turned box would become a parallelogram; its width and its angle
    are those of the side that was the width.
    """
    factors = np.array(factor_xy, np.float32)
    angle = oriented[:, 4]
    width, height = (
        np.stack((x, y), axis=1) * factors
        for x, y in ((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle)))
    )
    turned = oriented.copy()
    turned[:, :2] *= factors
    turned[:, 2] *= np.hypot(*width.T)
    turned[:, 3] *= np.hypot(*height.T)
    if factors[0] != factors[1]:
        # The change alone, so that an angle stays in the range in which it is.
        change = np.arctan2(width[:, 1], width[:, 0]) - angle
        turned[:, 4] += (change + np.pi) % (2 * np.pi) - np.pi
    return turned


def oriented_corners(oriented: NDArray[np.float32]) -> NDArray[np.float32]:
    """The corners of oriented boxes, one after the other around each, shape (n, 4, 2)."""
    cosine, sine = np.cos(oriented[:, 4]), np.sin(oriented[:, 4])
    along = np.stack((cosine, sine), axis=1) * oriented[:, 2:3] / 2
    across = np.stack((-sine, cosine), axis=1) * oriented[:, 3:4] / 2
    center = oriented[:, :2]
    return np.stack(
        (
            center - along - across,
            center + along - across,
            center + along + across,
            center - along + across,
        ),
        axis=1,
    )


def enclosing(oriented: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upright boxes around oriented ones: left, top, right, bottom, shape (n, 4)."""
    corners = oriented_corners(oriented)
    return np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)


def have_area(xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes, shape (n, 4), have one; outside of an image they have none, once clipped."""
    return (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
