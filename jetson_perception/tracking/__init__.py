"""Objects that keep their ids from frame to frame: ByteTrack and OC-SORT.

Both take boxes alone, and measure time by the frames' stamps. SciPy assigns boxes to tracks; it is
imported when a tracker is made, so that nothing is spent on it without one.
"""

from jetson_perception.tracking.params import TRACKERS, TrackingParams
from jetson_perception.tracking.refining import TrackedResults, make_tracker

__all__ = ['TRACKERS', 'TrackedResults', 'TrackingParams', 'make_tracker']
