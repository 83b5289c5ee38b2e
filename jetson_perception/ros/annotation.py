"""Images for people: drawn and encoded only while somebody subscribes, in a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import ImageMessage, jpeg_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rclpy.node import Node


class AnnotatedPublisher:
    """Topics `annotated` and `annotated/compressed`.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    topic : str
        Name of the raw one; '/compressed' is put behind it for the other.
    """

    def __init__(self, node: Node, topic: str = 'annotated') -> None:
        self._node = node
        self._raw = node.create_publisher(
            Image, topic, qos.RESULTS, qos_overriding_options=qos.overridable()
        )
        self._jpeg = node.create_publisher(
            CompressedImage,
            f'{topic}/compressed',
            qos.RESULTS,
            qos_overriding_options=qos.overridable(),
        )
        self._message = ImageMessage()
        self._canvas: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)

    def wanted(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._raw.get_subscription_count() or self._jpeg.get_subscription_count())

    def publish(
        self, bgr: NDArray[np.uint8], header: Any, draw: Callable[[NDArray[np.uint8]], None]
    ) -> None:
        """Publish a copy of an image after `draw` has drawn on it.

        Parameters
        ----------
        bgr : ndarray, shape (h, w, 3), uint8
            Not written to.
        header : std_msgs Header
            The image's.
        draw : callable
            Draws in place on the array that it is given.
        """
        if self._canvas.shape != bgr.shape:
            self._canvas = np.empty(bgr.shape, np.uint8)
        np.copyto(self._canvas, bgr)
        draw(self._canvas)
        if self._raw.get_subscription_count():
            self._raw.publish(self._message.fill(self._canvas, 'bgr8', header))
        if self._jpeg.get_subscription_count():
            self._jpeg.publish(jpeg_message(self._canvas, header))

    def destroy(self) -> None:
        """Take the topics down."""
        self._node.destroy_publisher(self._raw)
        self._node.destroy_publisher(self._jpeg)
