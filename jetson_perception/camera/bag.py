"""`bag://`: the images of one topic of a recording, a ROS 1 or ROS 2 bag, without ROS."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from jetson_perception.camera.bag_reader import BagReader, check_bag
from jetson_perception.camera.pace import Pacer
from jetson_perception.camera.resizing import resized
from jetson_perception.camera.shown import shown
from jetson_perception.camera.source import CapturedFrame, unless_busy
from jetson_perception.camera.uri import bag_and_topic, parse
from jetson_perception.errors import EndOfStream, ImageError, PerceptionError, SourceError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS
from jetson_perception.printable import counted, none_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetson_perception.camera.bag_reader import BagImage, DecodedImage

_log = logging.getLogger(__name__)


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
        self.frame_count = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._bag: BagReader | None = None
        self._owner = 0
        self._images: Iterator[BagImage] = iter(())
        self._pacer = Pacer(0)
        self._logged_ns: int | None = None
        self._first_gap_s = 0.0
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
            self.frame_count = self._bag.count
            self._pacer = Pacer(self._frame_rate or 0)
            self._begin(self._bag, after_s=0.0)

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

    def _begin(self, bag: BagReader, after_s: float) -> None:
        """Read from the first image on, which is due so long after the one before."""
        self._images = bag.images()
        self._logged_ns = None
        self._first_gap_s = after_s
        self._read = 0

    def _with_topic(self, topic: str) -> str:
        return _with_topic(self._path, topic)

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
                self._begin(bag, after_s=1 / bag.rate_hz)
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
            gap_s = self._first_gap_s
            if self._logged_ns is not None:
                gap_s = max(logged_ns - self._logged_ns, 0) / 1e9
            self._pacer.wait(self._closed, gap_s)
        else:
            self._pacer.wait(self._closed)
        self._logged_ns = logged_ns


def require_bag(target: str) -> None:
    """Refuse what is no bag, or has no such topic; one that is damaged passes.

    Parameters
    ----------
    target : str
        As `bag_and_topic` takes it.

    Raises
    ------
    SourceError
        As `BagSource.open` does.
    """
    path, topic = bag_and_topic(target)
    try:
        check_bag(path, topic, partial(_with_topic, path))
    except SourceError:
        raise
    except PerceptionError as err:
        raise SourceError(str(err)) from err


def _with_topic(path: str, topic: str) -> str:
    return f"'{shown(f'bag://{path}?topic={topic}')}'"
