"""Names of frames as tf2 takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from rclpy.node import Node

_IN_NO_NAMESPACE = 'camera'


def usable_frame_id(node: Node, given: str) -> str:
    """The frame of a camera's images: as given, but without a leading slash, or by the namespace.

    tf2 refuses names that begin with a slash, and then nobody can use the images' place. Two
    cameras in two namespaces have two frames, whoever started them.

    Parameters
    ----------
    node : rclpy Node
        Whose log tells what was removed, and whose namespace stands in for an empty name.
    given : str
        As the user wrote it; empty for the namespace.
    """
    if not given:
        return node.get_namespace().strip('/') or _IN_NO_NAMESPACE
    plain = given.lstrip('/') or _IN_NO_NAMESPACE
    if plain != given:
        node.get_logger().warning(
            f'frame_id {printable(given)} begins with a slash, which tf2 refuses; images are in '
            f'{printable(plain)}'
        )
    return plain
