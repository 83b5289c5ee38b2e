"""Pictures to calibrate on, and others to measure afterwards what INT8 costs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_perception.camera.named_frames import readable_frames
from jetson_perception.camera.scene_kinds import scene_kind
from jetson_perception.camera.shown import shown
from jetson_perception.camera.uri import is_bag
from jetson_perception.commands.bag_pictures import bag_pictures
from jetson_perception.errors import ParameterError
from jetson_perception.evaluation.scenes import open_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Pictures = Iterator[tuple[str, NDArray[np.uint8]]]

DEFAULT_COUNT = 200
"""Pictures to calibrate on; more of them hardly change the ranges."""

MOST_HELD_OUT = 50

_EVERY = 5  # every fifth picture of a source is held out

_VIDEO_STEP_S = 0.5  # frames closer than this look alike


def calibration_pictures(source: str, *, topic: str = '', every: int = 0) -> Pictures:
    """Names and BGR pictures of a source, to calibrate on.

    Parameters
    ----------
    source : str
        A folder of pictures, a picture, a video, a bag or a camera's URI; `scene://oranges` and
        other scenes give the stills that models are trained on, far more than are needed.
    topic : str
        Of a bag.
    every : int
        Use every Nth picture only. 0 uses all pictures of a folder or scene, two per second of a
        video or camera, and every 15th of a bag.

    Raises
    ------
    SourceError
        When the source cannot be opened, or is lost. A picture that cannot be read is left out,
        with a warning.
    """
    stills = _training_stills(source)
    if stills is not None:
        return itertools.islice(stills, 0, None, every or 1)
    if is_bag(source):
        return itertools.islice(bag_pictures(source, topic), 0, None, every or 15)
    return _frames(source, every)


def _training_stills(source: str) -> Pictures | None:
    """Stills for a scene's bare name; a scene with settings is treated as a camera."""
    scheme, _, name = source.partition('://')
    if scheme != 'scene' or '?' in name:
        return None
    return ((still, bgr) for still, bgr, _ in scene_kind(name).training())


def _frames(source: str, every: int) -> Pictures:
    for count, frame in enumerate(readable_frames(source)):
        step = every or max(round(frame.rate_hz * _VIDEO_STEP_S), 1)
        if count % step == 0:
            yield frame.label, frame.bgr.copy()


class SplitPictures:
    """A source's pictures: most to calibrate on, every fifth to compare on afterwards.

    For a scene, all are for calibration; its evaluation stills are for comparison.

    Parameters
    ----------
    source : str
        As `calibration_pictures` takes it.
    count : int
        Pictures to calibrate on, at most.
    held_out : str
        Another source for the comparison; '' to split this one.
    topic, every
        As `calibration_pictures` has them.
    """

    def __init__(
        self, source: str, count: int, *, held_out: str = '', topic: str = '', every: int = 0
    ) -> None:
        self._source, self._count = source, count
        self._other = held_out or (source if source.startswith('scene://') else '')
        self._topic, self._every = topic, every
        self._held_out: list[tuple[str, NDArray[np.uint8]]] = []

    def to_calibrate(self) -> Pictures:
        """Pictures to calibrate on; puts others aside on the way."""
        pictures = calibration_pictures(self._source, topic=self._topic, every=self._every)
        given = 0
        for index, picture in enumerate(pictures):
            if not self._other and index % _EVERY == _EVERY - 1:
                if len(self._held_out) < MOST_HELD_OUT:
                    self._held_out.append(picture)
                continue
            yield picture
            given += 1
            if given == self._count:
                return

    def to_compare(self) -> Pictures:
        """Pictures that were not calibrated on; to be asked for after the others.

        Raises
        ------
        ParameterError
            When there are too few to put any aside.
        """
        if self._other.startswith('scene://'):
            scene = self._other.partition('?')[0]
            stills = open_scene(f'{scene}?count={MOST_HELD_OUT}').pictures
            return ((still.name, still.bgr) for still in stills)
        if self._other:
            return itertools.islice(calibration_pictures(self._other), MOST_HELD_OUT)
        if not self._held_out:
            raise ParameterError(
                f'{shown(self._source)} gave fewer than {_EVERY} pictures, so none is left to '
                'compare on; give more, or others by --held-out',
                'held_out',
            )
        return iter(self._held_out)


def default_output(model: Path, suffix: str) -> Path:
    """Default output for a file made from a model: its name, in the current folder."""
    return Path(model.stem + suffix)
