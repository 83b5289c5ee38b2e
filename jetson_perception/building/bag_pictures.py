"""Pictures of a recording: the images of one topic of a ROS 1 or ROS 2 bag, without ROS."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ImageError, ParameterError, PerceptionError, SourceError
from jetson_perception.images import UNNAMED, decode_compressed, to_bgr, view

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_IMAGE, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'

_SUFFIXES = ('.bag', '.mcap', '.db3')


def is_bag(path: str | Path) -> bool:
    """Whether a path is a recording: a folder with metadata.yaml, or a .bag, .mcap or .db3."""
    path = Path(path)
    return path.suffix in _SUFFIXES or (path / 'metadata.yaml').is_file()


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
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as err:
        raise PerceptionError(
            f'reading a bag needs the package rosbags ({err}); pip install rosbags, or pip '
            "install 'jetson-perception[build]'"
        ) from err
    path = Path(path).expanduser()
    # A file of a ROS 2 bag is read with what lies beside it.
    place = path.parent if path.suffix in ('.mcap', '.db3') else path
    try:
        reader = AnyReader([place], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as err:  # its errors, and those of the file formats
        raise SourceError(f'{path} cannot be read as a bag: {" ".join(str(err).split())}') from err
    with closing(reader):
        chosen = _choose(path, reader.connections, topic)
        for index, (connection, _, data) in enumerate(reader.messages(connections=chosen)):
            message = reader.deserialize(data, connection.msgtype)
            name = f'{path.name}{connection.topic}, image {index}'
            try:
                yield name, _pixels(message, connection.msgtype)
            except ImageError as err:
                raise SourceError(f'{name}: {err}') from err


def _choose(path: Path, connections: Any, topic: str) -> list[Any]:
    images = [each for each in connections if each.msgtype in (_IMAGE, _COMPRESSED)]
    topics = sorted({each.topic for each in images})
    if not topic and len(topics) == 1:
        return images
    chosen = [each for each in images if each.topic == topic]
    if not chosen:
        there = ', '.join(topics) or 'none'
        asked = f'has no images on {topic}' if topic else 'is asked for no topic'
        raise ParameterError(f'{path} {asked}; topics with images: {there} (--topic)', 'topic')
    return chosen


def _pixels(message: Any, kind: str) -> NDArray[np.uint8]:
    if kind == _COMPRESSED:
        return decode_compressed(message.data)
    encoding = UNNAMED.get(message.encoding, message.encoding)
    pixels = view(message.data, message.height, message.width, encoding, message.step)
    return to_bgr(pixels, encoding)
