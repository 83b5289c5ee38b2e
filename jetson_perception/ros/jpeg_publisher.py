"""Images as JPEG on a topic of their own, without delay for who captures them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.images import encodings
from jetson_perception.pipeline import NewestWorker, PictureCounts, RateMeter
from jetson_perception.ros.image_messages import jpeg_file_message, jpeg_message, stamp_ns
from jetson_perception.ros.jpeg_topic import JpegTopic
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.node import Node
    from rclpy.qos import QoSProfile

    from jetson_perception.pipeline import Activity, LeftBehind
    from jetson_perception.ros.picture_parameters import JpegParams

_HUFFMAN_TABLES = b'\xff\xc4'
_HEAD_BYTES = 4096


class _Copy(NamedTuple):
    pixels: NDArray[Any]
    encoding: str
    header: Any


class JpegPublisher:
    """Encodes and sends in a thread of its own, the newest image or none.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    topic : str
        Its name.
    profile : QoSProfile
        Its quality of service.
    params : callable
        Gives the JpegParams; asked for every image.
    every_image : bool
        Whether none may be left out.

    Attributes
    ----------
    topic : JpegTopic
        Where they go.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        profile: QoSProfile,
        params: Callable[[], JpegParams],
        *,
        every_image: bool = False,
    ) -> None:
        self._params = params
        self.topic = JpegTopic(node, topic, profile, may_move=not every_image)
        self._worker: NewestWorker[_Copy] | None = None
        self._rate = RateMeter()
        #: Arrays that are free to be written again: fresh memory costs as much as the copy.
        self._spare: list[NDArray[Any]] = []

    @property
    def activity(self) -> Activity | None:
        """What its thread is at; None before `start` and after `close`."""
        return self._worker.activity if self._worker is not None else None

    def start(self) -> None:
        """Begin to take images, and to count them anew."""
        self._rate = RateMeter()
        self._worker = NewestWorker(
            self._send_copy, f'{self.topic.topic_name} encoding', 'the newest image'
        )

    def give(self, pixels: NDArray[Any], encoding: str, header: Any) -> None:
        """Leave an image to be sent, if anybody subscribes; returns once it is copied."""
        worker = self._worker
        if worker is None or not self.topic.get_subscription_count():
            return
        skipped = worker.give(_Copy(self._copy(pixels), encoding, header))
        if skipped is not None:
            self._spare.append(skipped.pixels)

    def send(self, pixels: NDArray[Any], encoding: str, header: Any) -> None:
        """Encode and send an image before returning, if anybody subscribes.

        One that is a JPEG is sent as it is, whatever the parameters say, unless it lacks tables
        that not every decoder knows by heart: cameras may leave them out.
        """
        if not self.topic.get_subscription_count():
            return
        stamp = stamp_ns(header)
        with RECORDER.during('encode', stamp):
            if encoding == encodings.JPEG and _HUFFMAN_TABLES in pixels[:_HEAD_BYTES].tobytes():
                message = jpeg_file_message(pixels, header)
            else:
                bgr = encodings.to_bgr(pixels, encoding)
                message = jpeg_message(bgr, header, self._params().jpeg_quality)
        with RECORDER.during('send', stamp):
            self.topic.publish(message)
        self._rate.tick(time.monotonic_ns())

    def counts(self) -> PictureCounts:
        """What became of the images that were given since `start`."""
        worker = self._worker
        if worker is None:
            return PictureCounts(0, 0, 0.0)
        rate_hz = self._rate.rate(time.monotonic_ns())
        return PictureCounts(
            worker.finished, worker.skipped, rate_hz, worker.failed, worker.problem
        )

    def close(self, patience_s: float) -> LeftBehind | None:
        """Take no more images; the thread, if the one under way takes longer than this."""
        worker, self._worker = self._worker, None
        self._spare.clear()
        return worker.close(patience_s) if worker is not None else None

    def destroy(self) -> None:
        """Take the topic down."""
        self.topic.destroy()

    def _send_copy(self, image: _Copy) -> None:
        try:
            self.send(*image)
        finally:
            self._spare.append(image.pixels)

    def _copy(self, pixels: NDArray[Any]) -> NDArray[Any]:
        while self._spare:
            spare = self._spare.pop()
            if spare.shape == pixels.shape and spare.dtype == pixels.dtype:
                np.copyto(spare, pixels)
                return spare
        return pixels.copy()
