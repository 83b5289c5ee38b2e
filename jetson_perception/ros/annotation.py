"""Images for people: drawn and encoded only while somebody subscribes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import Image

from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import jpeg_message, stamp_ns
from jetson_perception.ros.image_sender import image_sender
from jetson_perception.ros.jpeg_topic import JpegTopic
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.node import Node

    from jetson_perception.ros.picture_parameters import AnnotatedParams, JpegParams


class AnnotatedPublisher:
    """Topics `annotated` and `annotated/compressed`.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    params : callable
        Gives the AnnotatedParams; asked for every picture.
    jpeg_params : callable
        Gives the JpegParams; asked for every picture.
    topic : str
        Name of the raw one; '/compressed' is put behind it for the other.
    """

    def __init__(
        self,
        node: Node,
        params: Callable[[], AnnotatedParams],
        jpeg_params: Callable[[], JpegParams],
        topic: str = 'annotated',
    ) -> None:
        self._node = node
        self._params = params
        self._jpeg_params = jpeg_params
        self._raw = node.create_publisher(Image, topic, **qos.overridable(qos.IMAGES))
        self._jpeg = JpegTopic(node, f'{topic}/compressed', qos.COMPRESSED_IMAGES)
        self._raw_sender = image_sender(self._raw)
        self._canvas: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)

    def wanted(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._raw.get_subscription_count() or self._jpeg.get_subscription_count())

    def publish(
        self, bgr: NDArray[np.uint8], header: Any, draw: Callable[[NDArray[np.uint8]], None]
    ) -> None:
        """Publish a copy of an image, at the size that viewers get, after `draw` has drawn on it.

        Parameters
        ----------
        bgr : ndarray, shape (h, w, 3), uint8
            Not written to.
        header : std_msgs Header
            The image's.
        draw : callable
            Draws in place on the array that it is given, which may be smaller than `bgr`.
        """
        stamp = stamp_ns(header)
        with RECORDER.during('draw', stamp):
            canvas = self._fitted(bgr)
            draw(canvas)
        if self._jpeg.get_subscription_count():  # the smaller one first
            with RECORDER.during('encode', stamp):
                msg = jpeg_message(canvas, header, self._jpeg_params().jpeg_quality)
            with RECORDER.during('send', stamp):
                self._jpeg.publish(msg)
        if self._raw.get_subscription_count():
            with RECORDER.during('send', stamp):
                self._raw_sender.send(canvas, 'bgr8', header)

    def destroy(self) -> None:
        """Take the topics down."""
        self._node.destroy_publisher(self._raw)
        self._jpeg.destroy()

    def _fitted(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy to draw on; valid until the next call."""
        height, width = bgr.shape[:2]
        asked = self._params().width
        is_reduced = 0 < asked < width
        if is_reduced:
            height, width = max(round(height * asked / width), 1), asked
        if self._canvas.shape != (height, width, 3):
            self._canvas = np.empty((height, width, 3), np.uint8)
        if is_reduced:
            # Before drawing: it takes a fraction of the time then, and texts are not blurred.
            cv2.resize(bgr, (width, height), dst=self._canvas, interpolation=cv2.INTER_AREA)
        else:
            np.copyto(self._canvas, bgr)
        return self._canvas
