"""The images of one topic of a bag, of ROS 1 or ROS 2, read without ROS."""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.camera.bag_cut_off import cut_off_files
from jetson_perception.camera.bag_files import advice_without_metadata, mcap_file, place_to_read
from jetson_perception.camera.bag_topics import COMPRESSED, choose_images, recorded_calibration
from jetson_perception.camera.shown import shown
from jetson_perception.errors import ImageError, PerceptionError, SourceError
from jetson_perception.files.foreign_files import foreign_path
from jetson_perception.images.encodings import (
    UNNAMED,
    decode_compressed,
    require_pixels,
    to_bgr,
    view,
)
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.images.sixteen_bit import INTENSITIES
from jetson_perception.installing import pip_install
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_RATE_IF_UNKNOWN = 30.0
_MEASURED = 11  # images at the beginning
_SHORTEST_GAP_S = 1e-3


class DecodedImage(NamedTuple):
    """What an image message holds.

    Attributes
    ----------
    bgr : ndarray, shape (h, w, 3), uint8
        Its picture.
    stamp_ns : int
        Its stamp, nanoseconds; the time of recording where the camera set none.
    frame_id : str
        Its frame in tf; may be empty.
    """

    bgr: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, eq=False, slots=True)
class BagImage:
    """One image message of a bag, not decoded.

    Attributes
    ----------
    index : int
        Its number among the topic's messages, from 0.
    topic : str
        Where it was recorded.
    logged_ns : int
        When it was recorded, nanoseconds since the epoch.
    """

    index: int
    topic: str
    logged_ns: int
    _reader: Any
    _connection: Any
    _data: Any

    def decode(self, max_image_pixels: int = MAX_IMAGE_PIXELS) -> DecodedImage:
        """Its picture and header.

        Raises
        ------
        ImageError
            When the message is none, its image cannot be used, or has more pixels.
        """
        kind = self._connection.msgtype
        try:
            message = self._reader.deserialize(self._data, kind)
        except Exception as err:
            raise ImageError(f'not a {kind}: {_one_line(err)}') from err
        stamp = message.header.stamp
        stamp_ns = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
        if kind == COMPRESSED:
            bgr = decode_compressed(message.data, message.format, max_image_pixels)
        else:
            height, width = message.height, message.width
            require_pixels(height, width, max_image_pixels)
            encoding = UNNAMED.get(message.encoding, message.encoding)
            if encoding in INTENSITIES:
                raise ImageError(
                    f'image is {encoding}, 16 bits per pixel; of a bag only 8 are read here: '
                    'play the bag with `ros2 bag play`, and set intensity_range of '
                    'seg_node or yolo_node'
                )
            bgr = to_bgr(view(message.data, height, width, encoding, message.step), encoding)
        logged_or_stamped_ns = stamp_ns if stamp_ns > 0 else self.logged_ns
        return DecodedImage(bgr, logged_or_stamped_ns, str(message.header.frame_id))


class BagReader:
    """An open bag, and the images of one of its topics.

    Used and closed in the thread that made it, as SQLite wants it.

    Parameters
    ----------
    path : str or Path
        A bag: the folder of a ROS 2 bag, or a file of one; a .bag file of ROS 1.
    topic : str
        Its topic; '' for the only one with images.
    how_to_choose : callable
        Gives what the user writes to choose a topic, for the message that asks for one.

    Attributes
    ----------
    rate_hz : float
        Images a second, as the first ones were recorded; the bag's duration tells nothing of it,
        as other topics may begin earlier and last longer.
    calibration : Calibration or None
        What the camera_info recorded beside the images says.

    Raises
    ------
    PerceptionError
        When rosbags is not installed.
    ParameterError
        When the topic is not there, or several are and none is chosen.
    SourceError
        When the bag cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        topic: str = '',
        how_to_choose: Callable[[str], str] = '--topic {}'.format,
    ) -> None:
        open_reader = _opener()
        self.path = foreign_path(path, what='bag', error=SourceError)
        place = place_to_read(self.path)
        try:
            self._reader = open_reader(place)
        except Exception as err:  # its errors, and those of the file formats
            reader = self._cut_off(place, open_reader)
            if reader is None:
                raise self._unreadable(err, advice_without_metadata(self.path, place)) from err
            self._reader = reader
        connections = self._reader.connections
        try:
            self._chosen = choose_images(self.path, connections, topic, how_to_choose)
        except PerceptionError:
            self.close()
            raise
        self.calibration = recorded_calibration(self._reader, self._chosen[0].topic)
        self.count = sum(each.msgcount for each in self._chosen)
        self.rate_hz = self._usual_rate()

    def images(self) -> Iterator[BagImage]:
        """The topic's messages, in the order of recording.

        Raises
        ------
        SourceError
            When the bag is damaged.
        """
        messages = self._reader.messages(connections=self._chosen)
        try:
            for index, (connection, logged_ns, data) in enumerate(messages):
                yield BagImage(index, connection.topic, logged_ns, self._reader, connection, data)
        except PerceptionError:
            raise
        except Exception as err:  # of what a file holds beyond its index
            raise self._unreadable(err) from err

    def _usual_rate(self) -> float:
        times_ns: list[int] = []
        with (
            suppress(Exception),  # `images` says what is damaged
            closing(self._reader.messages(connections=self._chosen)) as messages,
        ):
            times_ns += (logged_ns for _, logged_ns, _ in islice(messages, _MEASURED))
        gaps_ns = [later - earlier for earlier, later in pairwise(times_ns)]
        gap_s = median(gaps_ns) / 1e9 if gaps_ns else 0.0
        return 1 / gap_s if gap_s >= _SHORTEST_GAP_S else _RATE_IF_UNKNOWN

    def close(self) -> None:
        """Close the files; twice is harmless."""
        with suppress(Exception):  # it says so when it is closed, and has nothing to lose
            self._reader.close()

    def _cut_off(self, place: Path, open_reader: Callable[[Any], Any]) -> Any:
        """A reader of what is whole in an .mcap file that was cut off; None if nothing is."""
        with suppress(OSError):
            for each in cut_off_files(mcap_file(place)):
                with suppress(Exception):  # as above
                    reader = open_reader(each)
                    if reader.message_count:
                        _log.warning(
                            '%s was cut off: %s of it can be read; what the recorder had not '
                            'written yet is lost',
                            shown(str(each)),
                            counted(reader.message_count, 'message'),
                        )
                        return reader
                    reader.close()
        return None

    def _unreadable(self, error: Exception, advice: str = '') -> SourceError:
        path = shown(str(self.path))
        return SourceError(f'{path} cannot be read as a bag: {_one_line(error)}{advice}')


def check_bag(path: str | Path, topic: str, how_to_choose: Callable[[str], str]) -> None:
    """Refuse what `BagReader` would, but for a bag that is damaged.

    To look through that takes long. Parameters and errors are those of `BagReader`.
    """
    open_reader = _opener()
    file = foreign_path(path, what='bag', error=SourceError)
    place = place_to_read(file)
    try:
        reader = open_reader(place)
    except Exception:  # noqa: BLE001 - its errors, and those of the file formats
        return
    try:
        choose_images(file, reader.connections, topic, how_to_choose)
    finally:
        with suppress(Exception):  # as in `BagReader.close`
            reader.close()


def _opener() -> Callable[[Any], Any]:
    """What opens a file or folder by rosbags."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as err:
        raise PerceptionError(
            f'reading a bag needs the package rosbags ({err}); {pip_install("rosbags")}'
        ) from err

    def open_reader(each: Any) -> Any:
        reader = AnyReader([each], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
        return reader

    return open_reader


def _one_line(error: Exception) -> str:
    return printable(' '.join(str(error)[:1000].split())).rstrip('.')
