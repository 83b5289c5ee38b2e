"""What a node publishes of each result: the topics of the model's task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros import qos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from jetson_perception.models.task import ResultTopic


class ResultPublishers:
    """A publisher for each topic of a task.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    topics : sequence of ResultTopic
        What is published, in this order.
    prefix : str
        Put before each name.
    """

    def __init__(self, node: Node, topics: Sequence[ResultTopic], prefix: str = '') -> None:
        self._node = node
        self._publishers = [
            (self._create(f'{prefix}{topic.name}', topic), topic.fill) for topic in topics
        ]

    def publish(self, result: Any, header: Any) -> None:
        """Publish one result, with its image's header."""
        for publisher, fill in self._publishers:
            publisher.publish(fill(result, header))

    def wanted(self) -> bool:
        """Whether anybody subscribes to one of the topics."""
        return any(publisher.get_subscription_count() for publisher, _ in self._publishers)

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher, _ in self._publishers:
            self._node.destroy_publisher(publisher)

    def _create(self, name: str, topic: ResultTopic) -> Any:
        return self._node.create_publisher(
            topic.message_type, name, **qos.overridable(qos.RESULTS)
        )
