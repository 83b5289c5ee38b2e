"""Who publishes a topic: those of discovery, without processes that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.dds.ended_processes import EndedProcesses
from jetson_perception.dds.guids import Guid
from jetson_perception.ros.endpoint_names import own_endpoint

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo


class AlivePublishers:
    """Looks for the publishers of a topic now and then.

    Only of a process that was seen alive is it known that it has ended.

    Parameters
    ----------
    node : rclpy Node
        Which looks.
    topic : str
        Full name of the topic.
    type_name : str
        Of its messages; publishers of another type do not count. Any by default.

    Attributes
    ----------
    own : Guid or None
        Of an endpoint of the node, once it was found.
    """

    def __init__(self, node: Node, topic: str, type_name: str = '') -> None:
        self._node = node
        self._topic = topic
        self._type_name = type_name
        self._ended = EndedProcesses()
        self.own: Guid | None = None

    def find(self) -> list[TopicEndpointInfo]:
        """Those that are there now."""
        found = {
            Guid(bytes(info.endpoint_gid)): info
            for info in self._node.get_publishers_info_by_topic(self._topic)
            if self._type_name in ('', info.topic_type)
        }
        if self.own is None:
            endpoint = own_endpoint(self._node)
            self.own = None if endpoint is None else Guid(bytes(endpoint.endpoint_gid))
        if self.own is None:
            return list(found.values())
        ended = self._ended.of(found, self.own)
        return [info for guid, info in found.items() if guid not in ended]
