"""A lane's results with ids: what a tracker is to a pipeline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.detection_options import thresholds_of
from jetson_perception.tracking.box_filter import to_centers
from jetson_perception.tracking.byte_track import ByteTrack
from jetson_perception.tracking.oc_sort import OcSort
from jetson_perception.tracking.params import TRACKERS, TrackingParams
from jetson_perception.tracking.tracker import Boxes
from jetson_perception.tracking.trails import Trails

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from jetson_perception.tasks.detection_options import DetectionOptions
    from jetson_perception.tasks.results import Detections
    from jetson_perception.tracking.tracker import Tracker

P = TypeVar('P', bound=TrackingParams)

_KINDS = {'bytetrack': ByteTrack, 'ocsort': OcSort}


def make_tracker(name: str) -> Tracker:
    """The tracker of a name.

    Raises
    ------
    ParameterError
        When there is none of that name, or SciPy cannot be imported.
    """
    if name not in _KINDS:
        raise ParameterError(
            f'tracker is {name!r}; expected one of {", ".join(TRACKERS)}', 'tracker'
        )
    return _KINDS[name]()


class TrackedResults(Generic[P]):
    """Gives ids to the results of one camera and engine; called for every frame, in order.

    The decoder has to keep boxes down to `track_low_threshold` (`DetectionOptions.down_to`); those
    below their own threshold are dropped here, unless they continue a track.

    Parameters
    ----------
    params : callable
        Returns the parameters; called for every frame.
    options : callable
        Returns what counts as a detection by itself, from parameters.

    Attributes
    ----------
    tracker : Tracker
        What follows the objects.

    Raises
    ------
    ParameterError
        When the tracker cannot be made.
    """

    def __init__(self, params: Callable[[], P], options: Callable[[P], DetectionOptions]) -> None:
        self._params = params
        self._options_of = options
        self._used = params()
        self._options = options(self._used)
        self.tracker = make_tracker(self._used.tracker)
        self._trails = Trails()
        self._last_s: float | None = None

    def __call__(
        self, found: Detections, captured_ns: int, size_wh: tuple[int, int]
    ) -> Detections:
        """The objects with ids, in the same order, without those that scored too little.

        Parameters
        ----------
        found : Detections
            What the decoder found.
        captured_ns : int
            When the image was taken, nanoseconds by any clock.
        size_wh : tuple of int
            The image's size.
        """
        params = self._params()
        if params is not self._used:
            self._used, self._options = params, self._options_of(params)
        time_s = captured_ns / 1e9
        is_sure = thresholds_of(self._options).reached(found.score, found.class_id)
        boxes = Boxes(
            found.xyxy.astype(np.float64),
            found.score,
            found.class_id,
            is_sure,
            to_centers(found.xyxy),
        )
        ids = self.tracker.update(
            boxes, time_s, size_wh, params, class_agnostic=self._options.class_agnostic
        )
        trails = self._ways(ids, boxes.centers, time_s, params.track_history)
        result = replace(found, track_id=ids, trails=trails)
        kept = is_sure | (ids >= 0)
        return result if kept.all() else result[kept]

    def _ways(
        self,
        ids: NDArray[np.int64],
        centers: NDArray[np.float64],
        time_s: float,
        history_s: float,
    ) -> NDArray[np.float32] | None:
        before, self._last_s = self._last_s, time_s
        if history_s <= 0 or (before is not None and time_s < before):
            self._trails.clear()
        if history_s <= 0:
            return None
        return self._trails.add(ids, centers[:, :2].astype(np.float32), time_s, history_s)
