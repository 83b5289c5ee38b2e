"""A picture of each result by itself, made and sent only while somebody subscribes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import Image

from jetson_perception.pipeline import PictureKind
from jetson_perception.ros import qos
from jetson_perception.ros.image_sender import image_sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rclpy.node import Node

    from jetson_perception.models.task import PictureTopic
    from jetson_perception.pipeline import Frame


class PicturePublisher:
    """A topic of pictures in bgr8."""

    def __init__(self, node: Node, topic: str) -> None:
        self._node = node
        self._publisher = node.create_publisher(Image, topic, **qos.overridable(qos.IMAGES))
        self._sender = image_sender(self._publisher)

    def wanted(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._publisher.get_subscription_count())

    def send(self, bgr: NDArray[np.uint8], header: Any) -> None:
        """Publish a picture."""
        self._sender.send(bgr, 'bgr8', header)

    def destroy(self) -> None:
        """Take the topic down."""
        self._node.destroy_publisher(self._publisher)


class ResultPictures:
    """The pictures that a task has of an engine's results, for one camera.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    lane : str
        Name of the engine's lane.
    topics : sequence of PictureTopic
        What is drawn.
    prefix : str
        Put before each topic's name.
    """

    def __init__(
        self, node: Node, lane: str, topics: Sequence[PictureTopic], prefix: str = ''
    ) -> None:
        self._lane = lane
        self._publishers = [PicturePublisher(node, f'{prefix}{topic.name}') for topic in topics]
        self.kinds = [
            PictureKind(
                f'{lane}/{topic.name}', partial(self._choose, out), partial(self._send, topic, out)
            )
            for topic, out in zip(topics, self._publishers, strict=True)
        ]

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in self._publishers:
            publisher.destroy()

    def _choose(self, publisher: PicturePublisher, frame: Frame) -> Frame | None:
        is_there = frame.results.get(self._lane) is not None
        return frame if is_there and publisher.wanted() else None

    def _send(self, topic: PictureTopic, publisher: PicturePublisher, frame: Frame) -> None:
        publisher.send(topic.draw(frame.results[self._lane]), frame.header)
