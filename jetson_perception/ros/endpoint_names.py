"""Names of the nodes behind the publishers and subscriptions of a topic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jetson_perception.dds.guids import PID_MODULUS, Guid

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

_UNKNOWN = 'NODE_NAME_UNKNOWN'


def is_named(endpoint: TopicEndpointInfo) -> bool:
    """Whether the middleware knows the node's name yet, which comes after its topics."""
    return _UNKNOWN not in endpoint.node_name


def node_name(endpoint: TopicEndpointInfo) -> str:
    """Full name of an endpoint's node, as the node itself gave it; it need not be printable."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'


def own_endpoint(node: Node) -> TopicEndpointInfo | None:
    """A publisher of the node itself, for the id of its participant; None if it is not found."""
    own = node.get_namespace(), node.get_name()
    pid = os.getpid() % PID_MODULUS
    for info in node.get_publishers_info_by_topic('/parameter_events'):
        if (info.node_namespace, info.node_name) == own:
            guid = Guid(bytes(info.endpoint_gid))
            if guid.of_fast_dds and guid.pid_modulo == pid:
                return info
    return None
