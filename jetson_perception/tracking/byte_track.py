"""ByteTrack: sure boxes are assigned first, then what is left of the others.

Written after Zhang, Sun, Jiang, Yu, Weng, Yuan, Luo, Liu, Wang: ByteTrack: Multi-Object Tracking
by Associating Every Detection Box, ECCV 2022, arXiv:2110.06864. Where the paper counts frames of a
video, time is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.tracking.assignment import Round
from jetson_perception.tracking.tracker import UNSURE_IOU, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from jetson_perception.tracking.params import TrackingParams
    from jetson_perception.tracking.tracker import Boxes


class ByteTrack(Tracker):
    """Tracks of one camera and engine; see `Tracker`."""

    def _rounds(
        self, boxes: Boxes, may_pair: NDArray[np.bool_], params: TrackingParams
    ) -> Iterator[Round]:
        least = params.track_iou_threshold
        overlaps = self._overlaps(self._positions(), boxes) * may_pair
        heights = self._height_overlaps(self._positions(), boxes)
        alike = self._alike(overlaps, heights)
        yield self._sure_round(boxes, alike, heights, least)
        has_id, unsure_least = self._tracks.track_id >= 0, max(UNSURE_IOU, least)
        yield Round(has_id & ~self._is_lost(), ~boxes.is_sure, alike, unsure_least, heights)
        yield Round(~has_id, boxes.is_sure, overlaps, least, heights)
