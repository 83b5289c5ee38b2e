"""OC-SORT: what was observed counts for more than what a filter made of it.

Written after Cao, Pang, Weng, Khirodkar, Kitani: Observation-Centric SORT: Rethinking SORT for
Robust Multi-Object Tracking, CVPR 2023, arXiv:2203.14360. It has three parts:

- a track prefers boxes in the direction in which it moved (OCM);
- what is left is compared with the places where tracks were found last (OCR);
- the filter of a track that is found again goes the straight way from where it was found last, as
  if it had been found on it (ORU).

Boxes that are not sure are assigned as in ByteTrack, as the authors offer it. The places where
tracks were found last are tried after tracks that have no id yet. A direction counts as far as the
movement exceeds the noise of boxes. Time is measured where the paper counts frames.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jetson_perception.tracking import box_filter
from jetson_perception.tracking.assignment import Round
from jetson_perception.tracking.tracker import UNSURE_IOU, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jetson_perception.tracking.params import TrackingParams
    from jetson_perception.tracking.tracker import Boxes
    from jetson_perception.tracking.tracks import Tracks

_DIRECTION_WEIGHT = 0.2
_STEP_S = 1 / 30
_MOST_STEPS = 30


class OcSort(Tracker):
    """Tracks of one camera and engine; see `Tracker`."""

    def _rounds(
        self, boxes: Boxes, may_pair: NDArray[np.bool_], params: TrackingParams
    ) -> Iterator[Round]:
        least, tracks = params.track_iou_threshold, self._tracks
        has_id = tracks.track_id >= 0
        overlaps = self._overlaps(self._positions(), boxes) * may_pair
        heights = self._height_overlaps(self._positions(), boxes)
        alike = self._alike(overlaps, heights)
        yield self._sure_round(boxes, alike, heights, least, self._agreement(boxes))
        is_followed, unsure = has_id & ~self._is_lost(), ~boxes.is_sure
        yield Round(is_followed, unsure, alike, max(UNSURE_IOU, least), heights)
        last_heights = self._height_overlaps(tracks.last_boxes, boxes)
        found_last = self._overlaps(tracks.last_boxes, boxes) * may_pair
        found_last = self._alike(found_last, last_heights)
        yield Round(~has_id, boxes.is_sure, overlaps, least, heights)
        # A box that continues a track of its own, though without an id yet, is of nobody else.
        yield Round(has_id, boxes.is_sure, found_last, least, last_heights)

    def _agreement(self, boxes: Boxes) -> NDArray[np.float64]:
        """How well each box lies in the direction of each track, -0.1 to 0.1; shape (n, m).

        It counts only as far as the track moved by more than the noise of its boxes.
        """
        tracks = self._tracks
        noise, centers = box_filter.measurement_noise(tracks.last_boxes), tracks.observed[..., :2]
        moved = (centers[:, -1] - centers[:, 0]) / noise
        way = (boxes.centers[None, :, :2] - centers[:, :1]) / noise[:, None]
        across = moved[:, None, 0] * way[..., 1] - moved[:, None, 1] * way[..., 0]
        along = (moved[:, None] * way).sum(axis=-1)
        angle = np.abs(np.arctan2(across, along))
        # Of the square of what was measured, noise at both ends along both axes is 4.
        squared = (moved**2).sum(axis=1)
        trusted = squared / (squared + 4)
        return (0.5 - angle / math.pi) * boxes.score * trusted[:, None] * _DIRECTION_WEIGHT

    def _refound(
        self, tracks: Tracks, centers: NDArray[np.float64], time_s: float
    ) -> NDArray[np.float64]:
        """Go the straight way from where the tracks were found last."""
        gaps_s = (time_s - tracks.seen_s)[:, None]
        steps = min(max(math.ceil(float(gaps_s.max()) / _STEP_S), 1), _MOST_STEPS)
        begin, state = tracks.last_boxes, tracks.seen_state
        for step in range(1, steps + 1):
            state = box_filter.predict(state, gaps_s / steps)
            if step < steps:  # the last one is the box itself, with which it continues
                on_the_way = begin + (centers - begin) * (step / steps)
                state = box_filter.correct(state, on_the_way)
        return state
