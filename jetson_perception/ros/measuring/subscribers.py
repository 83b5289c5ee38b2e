"""Which subscribers of a topic get nothing, as they ask for what nobody offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy

from jetson_perception.printable import printable
from jetson_perception.ros.endpoint_names import owner_of

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo


def subscribers_without(node: Node, topic: str, publishers: list[TopicEndpointInfo]) -> list[str]:
    """Nodes that subscribe to a topic and can get nothing from any publisher, each with why."""
    found = []
    for subscriber in node.get_subscriptions_info_by_topic(topic):
        reasons = [_refusal(subscriber, each) for each in publishers]
        if reasons and all(reasons):
            found.append(f'{printable(owner_of(subscriber.node_name))} {reasons[0]}')
    return found


def _refusal(subscriber: TopicEndpointInfo, publisher: TopicEndpointInfo) -> str:
    """Why a subscription gets nothing from a publisher; '' where it does."""
    wants, offered = subscriber.qos_profile, publisher.qos_profile
    if subscriber.topic_type != publisher.topic_type:
        return f'asks for {printable(subscriber.topic_type)}'
    reliable = QoSReliabilityPolicy.RELIABLE
    if wants.reliability == reliable and offered.reliability != reliable:
        return 'asks for reliable, which is not offered'
    latched = QoSDurabilityPolicy.TRANSIENT_LOCAL
    if wants.durability == latched and offered.durability != latched:
        return 'asks for transient_local, which is not offered'
    return ''
