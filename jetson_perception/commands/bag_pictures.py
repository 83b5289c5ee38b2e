"""Pictures of a recording: the images of one topic of a ROS 1 or ROS 2 bag, without ROS."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from jetson_perception.camera.bag_reader import BagReader
from jetson_perception.errors import ImageError, SourceError
from jetson_perception.printable import none_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


_log = logging.getLogger(__name__)


def bag_pictures(path: str | Path, topic: str = '') -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and BGR picture of each image of a topic, in the order of recording.

    Parameters
    ----------
    path : str or Path
        A bag: the folder of a ROS 2 bag, or a file of one.
    topic : str
        Its topic; '' for the only one with images.

    Raises
    ------
    PerceptionError
        When rosbags is not installed.
    ParameterError
        When the topic is not there, or several are and none is chosen.
    SourceError
        When the bag cannot be read, or none of its images can be used. Others that cannot are
        left out, with a warning.
    """
    with closing(BagReader(path, topic)) as bag:
        usable, why = 0, ''
        for image in bag.images():
            name = f'{bag.path.name}{image.topic}, image {image.index}'
            try:
                bgr = image.decode().bgr
            except ImageError as err:
                why = f'{name}: {err}'
                _log.warning('%s; left out', why)
                continue
            usable += 1
            yield name, bgr
        if why and not usable:
            raise SourceError(f'{none_of(bag.count, "image")} can be used; the last one, {why}')
