"""Who publishes topics of a kind: nodes whose names are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.ros.endpoint_names import is_named, node_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rclpy.node import Node


def publishers(
    node: Node, types: Mapping[str, str], kind: str
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Topic, node and id of each publisher of a kind of messages, as `node` sees them.

    Parameters
    ----------
    node : Node
        Which is asked for the graph.
    types : mapping of str to str
        Types of topics, by name.
    kind : str
        The type whose publishers are wanted.
    """
    for topic, its_kind in types.items():
        if its_kind == kind:
            for info in node.get_publishers_info_by_topic(topic):
                if is_named(info):
                    yield topic, node_name(info), tuple(info.endpoint_gid)
