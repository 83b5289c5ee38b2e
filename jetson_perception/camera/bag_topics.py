"""The topics of a bag: the one with the images, and the camera_info beside it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.camera.calibration import (
    MOST_COEFFICIENTS,
    Calibration,
    UncalibratedError,
    calibration_of_part,
)
from jetson_perception.camera.calibration_text import checked_calibration
from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, listed, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_INFO = 'sensor_msgs/msg/CameraInfo'
_NAMES_SHOWN = 10


def choose_images(
    path: Path, connections: Sequence[Any], topic: str, how_to_choose: Callable[[str], str]
) -> list[Any]:
    """The connections of the topic with the images.

    Parameters
    ----------
    path : Path
        The bag, for errors.
    connections : sequence
        All of the bag, as rosbags has them.
    topic : str
        The one that was asked for; '' for the only one with images.
    how_to_choose : callable
        Gives what the user writes to choose a topic.

    Raises
    ------
    ParameterError
        When it is not there, or several are and none was asked for.
    """
    images = [each for each in connections if each.msgtype in (IMAGE, COMPRESSED)]
    topics = sorted({each.topic for each in images})
    if not topics:
        others = sorted({each.topic for each in connections})
        names = listed([printable(name, 80) for name in others], _NAMES_SHOWN) or 'none'
        raise ParameterError(
            f'{printable(path)} holds no images; expected a topic of sensor_msgs/Image or '
            f'CompressedImage. Its topics: {names}',
            'topic',
        )
    if not topic and len(topics) == 1:
        return images
    chosen = [each for each in images if each.topic == topic]
    if not chosen:
        there = listed([printable(name, 80) for name in topics], _NAMES_SHOWN)
        asked = f'no images on {printable(topic)}, but' if topic else 'images'
        example = how_to_choose(printable(topics[0]))
        or_another = ', or another of them' if len(topics) > 1 else ''
        raise ParameterError(
            f'{printable(path)} has {asked} on {there}; write {example}{or_another}', 'topic'
        )
    return chosen


def recorded_calibration(reader: Any, image_topic: str) -> Calibration | None:
    """What the first camera_info beside an image topic says; None where it says nothing of use.

    Parameters
    ----------
    reader : AnyReader
        An open bag.
    image_topic : str
        As image_transport has it, camera_info is in its namespace.
    """
    topic = _info_topic(image_topic)
    infos = [each for each in reader.connections if (each.topic, each.msgtype) == (topic, _INFO)]
    if not infos:
        return None
    try:
        message = _first_message(reader, infos)
        return None if message is None else _calibration_of(message, topic)
    except UncalibratedError:
        return None
    except ParameterError as err:
        _log.warning('%s of the bag is not used: %s', printable(topic), err)
        return None


def _first_message(reader: Any, connections: Sequence[Any]) -> Any:
    try:
        for connection, _, data in reader.messages(connections=connections):
            return reader.deserialize(data, connection.msgtype)
    except Exception as err:  # of what a file holds beyond its index
        text = printable(' '.join(str(err)[:1000].split()))
        raise ParameterError(f'it cannot be read: {text}', 'calibration') from err
    return None


def _info_topic(image_topic: str) -> str:
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/camera_info'


def _calibration_of(message: Any, topic: str) -> Calibration:
    """A CameraInfo of ROS 2, or of ROS 1, whose fields are capitals."""
    d, k, r, p = (
        getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())
        for name in 'dkrp'
    )
    if len(d) > MOST_COEFFICIENTS:
        raise ParameterError(
            f'd has {counted(len(d), "value")}; expected at most {MOST_COEFFICIENTS}',
            'calibration',
        )
    given = Calibration(
        size_wh=(int(message.width), int(message.height)),
        camera_name='',
        distortion_model=str(message.distortion_model),
        distortion=tuple(map(float, d)),
        camera_matrix=tuple(map(float, k)),
        rectification_matrix=tuple(map(float, r)),
        projection_matrix=tuple(map(float, p)),
    )
    roi = message.roi
    region = int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)
    binning_xy = int(message.binning_x), int(message.binning_y)
    return calibration_of_part(checked_calibration(given, Path(topic)), region, binning_xy)
