"""`bag://`: the images of one topic of a recording, a ROS 1 or ROS 2 bag, without ROS."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.camera.bag_files import advice_without_metadata, place_to_read
from jetson_perception.camera.bag_topics import COMPRESSED, choose_images, recorded_calibration
from jetson_perception.camera.pace import Pacer
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.uri import bag_and_topic, parse
from jetson_perception.errors import EndOfStream, ImageError, PerceptionError, SourceError
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
from jetson_perception.printable import counted, none_of, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_RATE_IF_UNKNOWN = 30.0


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
        Images a second on average.
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
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ImportError as err:
            raise PerceptionError(
                f'reading a bag needs the package rosbags ({err}); {pip_install("rosbags")}'
            ) from err
        self.path = foreign_path(path, what='bag', error=SourceError)
        place = place_to_read(self.path)
        try:
            self._reader = AnyReader([place], default_typestore=get_typestore(Stores.ROS2_JAZZY))
            self._reader.open()
        except Exception as err:  # its errors, and those of the file formats
            raise self._unreadable(err, advice_without_metadata(self.path, place)) from err
        connections = self._reader.connections
        try:
            self._chosen = choose_images(self.path, connections, topic, how_to_choose)
        except PerceptionError:
            self.close()
            raise
        self.calibration = recorded_calibration(self._reader, self._chosen[0].topic)
        self.count = sum(each.msgcount for each in self._chosen)
        lasts_s = self._reader.duration / 1e9
        rate_hz = (self.count - 1) / lasts_s if lasts_s > 0 else 0.0
        self.rate_hz = rate_hz if 0 < rate_hz <= 1000 else _RATE_IF_UNKNOWN

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

    def close(self) -> None:
        """Close the files; twice is harmless."""
        with suppress(Exception):  # it says so when it is closed, and has nothing to lose
            self._reader.close()

    def _unreadable(self, error: Exception, advice: str = '') -> SourceError:
        path = shown(str(self.path))
        return SourceError(f'{path} cannot be read as a bag: {_one_line(error)}{advice}')


class BagSource:
    """The images of a topic of a bag, at the pace of the recording.

    A reader that is slower gets every image all the same, later. One that cannot be used is left
    out with a warning; those behind it keep their numbers.

    Parameters
    ----------
    uri : str
        `bag:///home/me/drive?topic=/camera/image_raw`: a ROS 2 bag's folder, a .mcap or .db3 file
        of one, or a .bag file of ROS 1. Without a topic the only one with images.
    size_wh : tuple of int, optional
        Images are scaled to this width and height; each has its own if not given.
    frame_rate : float, optional
        Images a second; the recording's pace if None, as fast as they are read if 0.
    loop : bool
        Begin again at the end.
    max_image_pixels : int
        A larger image is left out.
    """

    live = False
    truth_class_names: tuple[str, ...] = ()

    def __init__(
        self,
        uri: str,
        *,
        size_wh: tuple[int, int] | None = None,
        frame_rate: float | None = None,
        loop: bool = False,
        max_image_pixels: int = MAX_IMAGE_PIXELS,
    ) -> None:
        self.uri = shown(uri)
        self._path, self._topic = bag_and_topic(parse(uri).target)
        self._size_wh = size_wh
        self._frame_rate = frame_rate
        self._loop = loop
        self._max_image_pixels = max_image_pixels
        self.rate_hz = frame_rate or 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._bag: BagReader | None = None
        self._owner = 0
        self._images: Iterator[BagImage] = iter(())
        self._pacer = Pacer(0)
        self._logged_ns: int | None = None
        self._first_ns = 0
        self._read = 0

    def open(self) -> None:
        """Open the bag, at its beginning.

        Raises
        ------
        SourceError
            When it cannot be read, or has no such topic.
        """
        self.close()
        with self._lock:
            self._closed.clear()
            try:
                self._bag = BagReader(self._path, self._topic, self._with_topic)
            except SourceError:
                raise
            except PerceptionError as err:
                raise SourceError(str(err)) from err
            self._owner = threading.get_ident()
            self.rate_hz = self._frame_rate or self._bag.rate_hz
            self._pacer = Pacer(self._frame_rate or 0)
            self._begin(self._bag)

    def read(self) -> CapturedFrame:
        """The next image that can be used, when it is due.

        Raises
        ------
        EndOfStream
            After the last image, unless they loop.
        SourceError
            When the source is not open, the bag is damaged, or not one image can be used.
        """
        with self._lock:
            if self._bag is None:
                raise SourceError(f'{self.uri} is not open; call open() first')
            image, decoded = self._next_usable(self._bag)
            if self._logged_ns is None:
                self._first_ns = image.logged_ns
            self._wait_for(image.logged_ns)
            if self._closed.is_set():
                raise SourceError(f'{self.uri} was closed')
            return CapturedFrame(
                resized(decoded.bgr, self._size_wh),
                time.time_ns(),
                index=image.index,
                recorded_ns=decoded.stamp_ns,
                offset_ns=image.logged_ns - self._first_ns,
                frame_id=decoded.frame_id,
                calibration=self._bag.calibration,
            )

    def close(self) -> None:
        """Release the bag; a `read` that waits for its time ends."""
        self._closed.set()
        with unless_busy(self._lock) as free:
            # If another thread opened it, the files stay open until that thread closes them too.
            if free and self._bag is not None and threading.get_ident() == self._owner:
                self._bag.close()
                self._bag = None

    def _begin(self, bag: BagReader) -> None:
        self._images = bag.images()
        self._logged_ns = None
        self._read = 0

    def _with_topic(self, topic: str) -> str:
        return f"'{shown(f'bag://{self._path}?topic={topic}')}'"

    def _next_usable(self, bag: BagReader) -> tuple[BagImage, DecodedImage]:
        why = 'expected sensor_msgs/Image or CompressedImage in a supported encoding'
        while True:
            image = next(self._images, None)
            if image is None:
                if not self._read:
                    raise SourceError(
                        f'{self.uri}: {none_of(bag.count, "image")} can be used; {why}'
                    )
                if not self._loop:
                    raise EndOfStream(f'{self.uri} ended after {counted(self._read, "image")}')
                self._begin(bag)
                continue
            try:
                decoded = image.decode(self._max_image_pixels)
            except ImageError as err:
                why = f'the last one: {err}'
                _log.warning('%s: image %d is left out: %s', self.uri, image.index, err)
                continue
            self._read += 1
            return image, decoded

    def _wait_for(self, logged_ns: int) -> None:
        if self._frame_rate is None:
            before_ns = logged_ns if self._logged_ns is None else self._logged_ns
            self._pacer.wait(self._closed, max(logged_ns - before_ns, 0) / 1e9)
        else:
            self._pacer.wait(self._closed)
        self._logged_ns = logged_ns


def _one_line(error: Exception) -> str:
    return printable(' '.join(str(error)[:1000].split())).rstrip('.')
