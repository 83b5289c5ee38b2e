"""Names of the nodes behind the publishers and subscriptions of a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.topic_endpoint_info import TopicEndpointInfo

_UNKNOWN = 'NODE_NAME_UNKNOWN'


def is_named(endpoint: TopicEndpointInfo) -> bool:
    """Whether the middleware knows the node's name yet, which comes after its topics."""
    return _UNKNOWN not in endpoint.node_name


def node_name(endpoint: TopicEndpointInfo) -> str:
    """Full name of an endpoint's node, as the node itself gave it; it need not be printable."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
