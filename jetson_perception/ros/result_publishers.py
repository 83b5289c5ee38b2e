"""What a node publishes of each result: the topics of the model's task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ModelError
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
        self._published = [
            (topic, self._create(f'{prefix}{topic.name}', topic)) for topic in topics
        ]

    def renewed(self, topics: Sequence[ResultTopic]) -> ResultPublishers:
        """The same publishers for another model's results; only one of both is to be destroyed.

        Raises
        ------
        ModelError
            When the model has other topics.
        """
        before = self._published
        require_topics([topic.name for topic, _ in before], [topic.name for topic in topics])
        other = ResultPublishers(self._node, ())
        pairs = zip(topics, before, strict=True)
        other._published = [(topic, publisher) for topic, (_, publisher) in pairs]
        return other

    def publish(self, result: Any, header: Any) -> None:
        """Publish one result, with its image's header."""
        for topic, publisher in self._published:
            if topic.on_demand and not publisher.get_subscription_count():
                continue
            message = topic.fill(result, header)
            if message is not None:  # None: made before somebody subscribed
                publisher.publish(message)

    def is_demanded(self, name: str) -> bool:
        """Whether somebody subscribes to a topic that is published on demand."""
        return any(
            topic.name == name and topic.on_demand and publisher.get_subscription_count()
            for topic, publisher in self._published
        )

    def wanted(self) -> bool:
        """Whether anybody subscribes to one of the topics."""
        return any(publisher.get_subscription_count() for _, publisher in self._published)

    def destroy(self) -> None:
        """Take the topics down."""
        for _, publisher in self._published:
            self._node.destroy_publisher(publisher)

    def _create(self, name: str, topic: ResultTopic) -> Any:
        return self._node.create_publisher(
            topic.message_type, name, **qos.overridable(qos.RESULTS)
        )


def require_topics(before: Sequence[str], after: Sequence[str]) -> None:
    """Check that another model publishes what the one before it did.

    Raises
    ------
    ModelError
        When it does not.
    """
    if list(before) != list(after):
        raise ModelError(
            f'its results are {", ".join(after) or "none"}; the topics that there are: '
            f'{", ".join(before) or "none"}'
        )
