"""One stream of pictures: JPEG files as they come, or raw images encoded here."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.errors import ImageError
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, read_picture_header
from jetson_perception.pipeline.worker import NewestWorker
from jetson_perception.ros import qos
from jetson_perception.ros.callback_errors import LOG_EVERY_S
from jetson_perception.ros.image_messages import frame_from_image, jpeg_message, stamp_ns
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.viewing.topics import OF_COMPRESSED
from jetson_perception.view.robot import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

log = logging.getLogger(__name__)

#: By what a file begins with; what begins otherwise is nothing that a browser shows.
_TYPES = {b'\xff\xd8\xff': 'image/jpeg', b'\x89PNG\r\n\x1a\n': 'image/png'}
_MOST_BYTES = 32 * 1024 * 1024
_PATIENCE_S = 0.5


class PictureSubscription:
    """Subscribes to a stream; made and closed in the node's thread.

    Parameters
    ----------
    node : Node
        Which subscribes.
    topic : str
        A topic of CompressedImage if it ends so, else of Image.
    give : callable
        Called with each Picture.
    reliable : bool
        Whether to ask again for files that are lost on their way: not each publisher has them.
    """

    def __init__(
        self, node: Node, topic: str, give: Callable[[Picture], None], *, reliable: bool
    ) -> None:
        self._node = node
        self._topic = topic
        self._give = give
        self._said_s = -LOG_EVERY_S
        self._worker: NewestWorker[Image] | None = None
        is_compressed = topic.endswith(OF_COMPRESSED)
        if not is_compressed:
            self._worker = NewestWorker(self._encode, f'{topic} encoding', 'the newest image')
        base = qos.COMPRESSED_INPUT if is_compressed else qos.IMAGE_INPUT
        self._subscription: Any = node.create_subscription(
            CompressedImage if is_compressed else Image,
            topic,
            self._take_file if is_compressed else self._take_image,
            qos.with_reliability(base, reliable=reliable),
            event_callbacks=NO_WARNINGS,
        )

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        if self._worker is not None:
            self._worker.close(_PATIENCE_S)

    def _take_file(self, msg: CompressedImage) -> None:
        if len(msg.data) > _MOST_BYTES:
            return
        data = bytes(msg.data)
        for begin, content_type in _TYPES.items():
            if data.startswith(begin) and self._is_small(data):
                self._give(Picture(data, content_type, stamp_ns(msg.header)))

    def _is_small(self, data: bytes) -> bool:
        """Whether browsers can show a file: few bytes may claim to be gigabytes of pixels."""
        try:
            pixels = read_picture_header(data).pixels
        except ImageError as error:
            self._say(error)
            return False
        if pixels > MAX_IMAGE_PIXELS:
            self._say(ImageError(f'{pixels} pixels; expected at most {MAX_IMAGE_PIXELS}'))
        return pixels <= MAX_IMAGE_PIXELS

    def _take_image(self, msg: Image) -> None:
        if self._worker is not None:
            self._worker.give(msg)

    def _encode(self, msg: Image) -> None:
        """Encode the newest image, in a thread of its own."""
        try:
            frame = frame_from_image(msg, self._node.get_clock())
            jpeg = jpeg_message(frame.bgr(), msg.header)
        except ImageError as error:
            self._say(error)
            return
        self._give(Picture(bytes(jpeg.data), 'image/jpeg', stamp_ns(msg.header)))

    def _say(self, error: ImageError) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= LOG_EVERY_S:
            self._said_s = now_s
            log.warning('an image on %s cannot be shown: %s', self._topic, error)
