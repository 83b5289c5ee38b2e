"""What can be set of a tracker."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.parameter_fields import param

TRACKERS = ('none', 'bytetrack', 'ocsort')
"""Values of the parameter `tracker`."""


@dataclass(frozen=True)
class TrackingParams:
    """How objects get ids that they keep from frame to frame."""

    tracker: str = param(
        'none',
        'What gives each object an id that it keeps from frame to frame: bytetrack, ocsort '
        '(which also follows the direction of movement), or none. Needs SciPy '
        '(python3-scipy).',
        choices=TRACKERS,
        at_configure=True,
    )
    track_buffer: float = param(
        2.0,
        'How long an object that is not found keeps its id, seconds by the stamps of the images.',
        between=(0.0, 60.0),
    )
    track_low_threshold: float = param(
        0.1,
        'With a tracker, objects that score less than score_threshold, but at least this, are '
        'published too if they continue a track: something half hidden keeps its id. 1: none.',
        between=(0.0, 1.0),
    )
    track_new_threshold: float = param(
        0.0,
        'Only objects that score at least this begin a track; score_threshold, if that is higher.',
        between=(0.0, 1.0),
    )
    track_iou_threshold: float = param(
        0.3,
        'How much (IoU) an object must overlap the place where its track expects it. Less for '
        'small or fast objects and low frame rates.',
        between=(0.01, 1.0),
    )
    track_min_hits: int = param(
        2,
        'In how many images in a row an object is found before it gets an id; until then, it is '
        'published without one.',
        between=(1, 100),
    )
    track_history: float = param(
        1.0,
        'How much of its way is drawn behind each object in annotated, seconds; 0: none.',
        between=(0.0, 60.0),
    )
