"""Pictures of a recording: the images of one topic of a ROS 1 or ROS 2 bag, without ROS."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from jetson_perception.camera.bag_reader import BagReader
from jetson_perception.errors import ImageError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


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
        When the bag cannot be read.
    """
    with closing(BagReader(path, topic)) as bag:
        for image in bag.images():
            name = f'{bag.path.name}{image.topic}, image {image.index}'
            try:
                yield name, image.decode().bgr
            except ImageError as err:
                raise SourceError(f'{name}: {err}') from err
