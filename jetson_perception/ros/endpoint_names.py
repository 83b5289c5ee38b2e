"""Whose the publishers and subscriptions of a topic are: names of nodes, and ids."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jetson_perception.dds.guids import PID_MODULUS, Guid
from jetson_perception.printable import SHOWN_CHARACTERS, printable

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

HIDDEN = '_'
"""What the name of a node begins with that `ros2 node list` does not show."""
_IMAGES = '_images'
_BENCH_CAMERA = 'bench_camera_'

_UNKNOWN = 'NODE_NAME_UNKNOWN'


def is_named(endpoint: TopicEndpointInfo) -> bool:
    """Whether the middleware knows the node's name yet, which comes after its topics."""
    return _UNKNOWN not in endpoint.node_name


def node_name(endpoint: TopicEndpointInfo) -> str:
    """Full name of an endpoint's node, as the node itself gave it; it need not be printable."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'


def shown_name(endpoint: TopicEndpointInfo, limit: int = SHOWN_CHARACTERS) -> str:
    """Name of an endpoint's node, for people."""
    if not is_named(endpoint):
        return 'a node that is not known by name'
    return printable(node_name(endpoint), limit)


def bench_camera_name(number: int) -> str:
    """Name of the node of one of the processes that share the images of a measurement."""
    return f'{_BENCH_CAMERA}{number}'


def is_bench_camera(endpoint: TopicEndpointInfo) -> bool:
    """Whether a publisher is one of several that send the images of one camera by turns."""
    return endpoint.node_name.startswith(_BENCH_CAMERA)


def images_node_name(name: str) -> str:
    """Name of the hidden node that takes images over UDP for a node of this name."""
    return f'{HIDDEN}{name.lstrip(HIDDEN)}{_IMAGES}'


def owner_of(name: str) -> str:
    """Name of the node that such a hidden node serves; any other name as it is."""
    is_ours = name.startswith(HIDDEN) and name.endswith(_IMAGES)
    return name.removeprefix(HIDDEN).removesuffix(_IMAGES) if is_ours else name


def guid_of(endpoint: TopicEndpointInfo) -> Guid:
    """Id of a publisher or a subscription."""
    return Guid(bytes(endpoint.endpoint_gid))


def own_endpoint(node: Node) -> TopicEndpointInfo | None:
    """A publisher of the node itself, for the id of its participant; None if it is not found."""
    return _own(node, node.get_publishers_info_by_topic('/parameter_events'), {node.get_name()})


def own_subscription(node: Node, topic: str) -> TopicEndpointInfo | None:
    """The node's subscription to a topic, or that of its hidden node; None if it is not found."""
    names = {node.get_name(), images_node_name(node.get_name())}
    return _own(node, node.get_subscriptions_info_by_topic(topic), names)


def _own(
    node: Node, endpoints: list[TopicEndpointInfo], names: set[str]
) -> TopicEndpointInfo | None:
    """The endpoint that a node of this process and of one of these names has."""
    pid = os.getpid() % PID_MODULUS
    for info in endpoints:
        guid = guid_of(info)
        if (
            info.node_namespace == node.get_namespace()
            and info.node_name in names
            and guid.of_fast_dds
            and guid.pid_modulo == pid
        ):
            return info
    return None
