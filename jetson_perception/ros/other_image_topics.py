"""Topics with images that a node could take, where none come on the one that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.ros.endpoint_names import owner_of
from jetson_perception.ros.image_topic import raw_topic

if TYPE_CHECKING:
    from rclpy.node import Node

    from jetson_perception.ros.image_topic import ImageTopic


def other_image_topics(node: Node, topic: ImageTopic, name: str) -> tuple[ImageTopic, list[str]]:
    """The form and the names of topics that others publish and that no camera of the node is on.

    Parameters
    ----------
    node : rclpy Node
        Whose cameras they may become.
    topic : ImageTopic
        What it is subscribed to; those of its form come first, and without them those of another.
    name : str
        Full name of that topic in the graph.
    """
    found = node.get_topic_names_and_types()
    for kind in (topic, *topic.others):
        offered = [
            each
            for each, types in found
            if kind.type_name in types and each != name and _others_publish(node, each)
        ]
        if offered:
            taken = {raw_topic(each) for each, _ in found if each != name and _takes(node, each)}
            free = [each for each in offered if raw_topic(each) not in taken]
            if free:
                return kind, free
    return topic, []


def _takes(node: Node, topic: str) -> bool:
    """Whether the node is subscribed to a topic, be it by its hidden node."""
    own = node.get_namespace(), node.get_name()
    return any(
        (info.node_namespace, owner_of(info.node_name)) == own
        for info in node.get_subscriptions_info_by_topic(topic)
    )


def _others_publish(node: Node, topic: str) -> bool:
    own = node.get_namespace(), node.get_name()
    return any(
        (info.node_namespace, info.node_name) != own
        for info in node.get_publishers_info_by_topic(topic)
    )
