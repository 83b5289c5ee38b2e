"""What all trackers do: follow time, begin and end tracks, give out ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.tasks.box_overlap import box_ious
from jetson_perception.tracking import box_filter
from jetson_perception.tracking.assignment import Round, assign_in_turn, solver
from jetson_perception.tracking.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jetson_perception.tracking.params import TrackingParams

MOST_BOXES = 1000
"""So many boxes of a frame are followed, the best ones: time grows with their square."""
MOST_TRACKS = 2000
"""Beyond so many tracks, those that were not found for longest are given up."""
UNSURE_IOU = 0.5
"""A box that is not sure has to lie where a track is expected."""
# Below this, a box is not of the object of a track: top and bottom of an object change little
# from frame to frame, and those of people who cross differ. A track of one box knows no speed yet,
# so it takes any height.
_LEAST_HEIGHT_OVERLAP = 0.7
# Of a track that was found in the last frame and one that was not, whichever lies as near, the
# first one is the likelier: a detector misses few of the objects that it found before.
_LOST_WORTH = 0.8
# A driver that repeats a stamp would freeze a filter: to it, nothing can have moved.
_LEAST_STEP_S = 1e-3


@dataclass(eq=False, slots=True)
class Boxes:
    """What was found in a frame; entry i of every array is the same object, best first.

    Attributes
    ----------
    xyxy : ndarray, shape (n, 4), float64
        Corners.
    score : ndarray, shape (n,), float32
        Confidence.
    class_id : ndarray, shape (n,), int32
        Class.
    is_sure : ndarray, shape (n,), bool
        Whether the score counts by itself; other boxes only continue tracks.
    centers : ndarray, shape (n, 4), float64
        Centers and sizes.
    """

    xyxy: NDArray[np.float64]
    score: NDArray[np.float32]
    class_id: NDArray[np.int32]
    is_sure: NDArray[np.bool_]
    centers: NDArray[np.float64]


class Tracker(ABC):
    """Tracks of one camera and engine. A subclass says which box belongs to which track.

    Raises
    ------
    ParameterError
        When SciPy cannot be imported.
    """

    def __init__(self) -> None:
        solver()
        self._tracks = Tracks.none()
        self._next_id = 0
        self._stamp_s: float | None = None
        # That of the stamps, but it goes on where they repeat.
        self._time_s: float | None = None
        self._last_time_s: float | None = None
        self._size_wh: tuple[int, int] | None = None
        # The box of each track in the last frame; -1 for none.
        self._found = np.empty(0, np.intp)

    @property
    def tracks(self) -> Tracks:
        """What is followed, with tracks that have no id yet, and those that are lost."""
        return self._tracks

    def update(
        self,
        boxes: Boxes,
        time_s: float,
        size_wh: tuple[int, int],
        params: TrackingParams,
        *,
        class_agnostic: bool = False,
    ) -> NDArray[np.int64]:
        """The id of each box, shape (n,); -1 for one without.

        Call it for every frame, in order, even if nothing was found.

        Parameters
        ----------
        boxes : Boxes
            What was found.
        time_s : float
            When the image was taken. If that is earlier than the last one, or later by more than
            `track_buffer`, tracks begin anew.
        size_wh : tuple of int
            The image's size; tracks begin anew if it changes.
        params : TrackingParams
            Thresholds; they may differ from frame to frame.
        class_agnostic : bool
            Let a box continue a track of another class.
        """
        now_s = self._advance(time_s, size_wh, params.track_buffer)
        count = len(boxes.xyxy)
        if count > MOST_BOXES:
            boxes = _first(boxes, MOST_BOXES)
        may_pair = np.ones((len(self._tracks), len(boxes.xyxy)), bool)
        if not class_agnostic:
            may_pair &= self._tracks.class_id[:, None] == boxes.class_id
        rows, columns = assign_in_turn(self._rounds(boxes, may_pair, params))
        self._continue(boxes, rows, columns, now_s)
        found = np.full(len(self._tracks), -1, np.intp)
        found[rows] = columns
        self._begin(boxes, found, now_s, params)
        return self._ids(count)

    @abstractmethod
    def _rounds(
        self, boxes: Boxes, may_pair: NDArray[np.bool_], params: TrackingParams
    ) -> Iterable[Round]:
        """How boxes (columns) are assigned to tracks (rows); classes say which pairs may be."""

    def _sure_round(
        self,
        boxes: Boxes,
        alike: NDArray[np.float64],
        heights: NDArray[np.float64],
        least: float,
        bonus: NDArray[np.float64] | float = 0.0,
    ) -> Round:
        """Assign sure boxes to tracks with an id, where these are expected now."""
        worth = heights * np.where(self._is_lost(), _LOST_WORTH, 1.0)[:, None]
        return Round(self._tracks.track_id >= 0, boxes.is_sure, alike, least, worth, bonus)

    def _refound(
        self, tracks: Tracks, centers: NDArray[np.float64], time_s: float
    ) -> NDArray[np.float64]:
        """The states with which tracks go on that were lost, now that they are found again."""
        return tracks.state

    def _is_lost(self) -> NDArray[np.bool_]:
        """Which tracks were not found in the last frame."""
        return self._tracks.seen_s < (
            self._last_time_s if self._last_time_s is not None else -np.inf
        )

    def _positions(self) -> NDArray[np.float64]:
        return self._tracks.state[:, box_filter.POSITION]

    @staticmethod
    def _overlaps(centers: NDArray[np.float64], boxes: Boxes) -> NDArray[np.float64]:
        """IoU of places, centers and sizes, with boxes, shape (n, m)."""
        return box_ious(box_filter.to_corners(centers), boxes.xyxy)

    @staticmethod
    def _height_overlaps(centers: NDArray[np.float64], boxes: Boxes) -> NDArray[np.float64]:
        """IoU of their vertical extents alone, shape (n, m).

        Objects that cross are mostly at different distances, which their heights and their lower
        edges tell (HMIoU of Yang et al., Hybrid-SORT, AAAI 2024, arXiv:2308.00783).
        """
        places, found = box_filter.to_corners(centers)[:, None], boxes.xyxy
        both = np.minimum(places[..., 3], found[:, 3]) - np.maximum(places[..., 1], found[:, 1])
        span = np.maximum(places[..., 3], found[:, 3]) - np.minimum(places[..., 1], found[:, 1])
        return np.clip(both, 0, None) / np.maximum(span, 1e-9)

    def _alike(
        self, overlaps: NDArray[np.float64], heights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The overlaps of what may be the same object, 0 for other pairs; shape (n, m)."""
        knows_no_speed = self._tracks.hits < 2
        return overlaps * ((heights >= _LEAST_HEIGHT_OVERLAP) | knows_no_speed[:, None])

    def _advance(self, stamp_s: float, size_wh: tuple[int, int], buffer_s: float) -> float:
        """Go to the time of a frame, which is returned; drop what is over."""
        before, self._stamp_s = self._stamp_s, stamp_s
        self._last_time_s = self._time_s
        resized, self._size_wh = self._size_wh not in (None, size_wh), size_wh
        begins = before is not None and (resized or not 0 <= stamp_s - before <= buffer_s)
        if before is None or self._time_s is None or begins:
            self._tracks, self._time_s = Tracks.none(), stamp_s
            return stamp_s
        step_s = max(stamp_s - before, _LEAST_STEP_S)
        self._time_s += step_s
        # By half a millisecond more, as stamps are rounded.
        kept = self._time_s - self._tracks.seen_s <= buffer_s + 5e-4
        state, is_lost = self._tracks.state.copy(), self._is_lost()
        state[is_lost] = box_filter.unseen(state[is_lost], size_wh)
        state = box_filter.predict(state, step_s)
        kept &= ~is_lost | _inside(state[:, box_filter.POSITION], size_wh)
        self._tracks.state = state
        if not kept.all():
            self._tracks = self._tracks[kept]
        return self._time_s

    def _continue(
        self, boxes: Boxes, rows: NDArray[np.intp], columns: NDArray[np.intp], time_s: float
    ) -> None:
        if not len(rows):
            return
        tracks, centers = self._tracks, boxes.centers[columns]
        lost = self._is_lost()[rows]
        if lost.any():
            again = rows[lost]
            tracks.state[again] = self._refound(tracks[again], centers[lost], time_s)
        state = box_filter.correct(tracks.state[rows], centers)
        tracks.state[rows] = tracks.seen_state[rows] = state
        tracks.observe(rows, centers, time_s)
        tracks.class_id[rows] = boxes.class_id[columns]
        tracks.hits[rows] += 1
        tracks.seen_s[rows] = time_s

    def _begin(
        self, boxes: Boxes, found: NDArray[np.intp], time_s: float, params: TrackingParams
    ) -> None:
        """Begin tracks with boxes that continue none; give ids to those found often enough."""
        tracks = self._tracks
        kept = (tracks.track_id >= 0) | (found >= 0)  # what has no id yet must be found each time
        is_new = boxes.is_sure & (boxes.score >= params.track_new_threshold)
        is_new[found[found >= 0]] = False
        new = np.flatnonzero(is_new)
        if not kept.all():
            tracks, found = tracks[kept], found[kept]
        if len(new):
            tracks += Tracks.begun(boxes.centers[new], boxes.class_id[new], time_s)
            found = np.concatenate((found, new))
        if len(tracks) > MOST_TRACKS:
            newest = np.sort(np.argsort(-tracks.seen_s, kind='stable')[:MOST_TRACKS])
            tracks, found = tracks[newest], found[newest]
        due = np.flatnonzero((tracks.track_id < 0) & (tracks.hits >= params.track_min_hits))
        tracks.track_id[due] = np.arange(self._next_id, self._next_id + len(due))
        self._next_id += len(due)
        self._tracks, self._found = tracks, found

    def _ids(self, count: int) -> NDArray[np.int64]:
        ids = np.full(count, -1, np.int64)
        is_found = self._found >= 0
        ids[self._found[is_found]] = self._tracks.track_id[is_found]
        return ids


def _first(boxes: Boxes, count: int) -> Boxes:
    return Boxes(
        boxes.xyxy[:count],
        boxes.score[:count],
        boxes.class_id[:count],
        boxes.is_sure[:count],
        boxes.centers[:count],
    )


def _inside(centers: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which centers are in the image; what has left it does not come back as the same."""
    inside: NDArray[np.bool_] = (centers[:, :2] >= 0) & (centers[:, :2] <= size_wh)
    return np.asarray(inside.all(axis=1))
