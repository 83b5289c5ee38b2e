"""Names of frames as tf2 takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.camera.frame_names import ALONE, USUAL_NODE, frame_of_camera
from jetson_perception.printable import printable
from jetson_perception.ros.image_messages import MOST_FRAME_ID_CHARACTERS

if TYPE_CHECKING:
    from rclpy.node import Node


def below(node: Node, namespace: str) -> str:
    """A namespace in full, where it is not absolute."""
    return namespace if namespace.startswith('/') else f'{node.get_namespace()}/{namespace}'


def recorded_frame_id(recorded: str) -> str:
    """The frame that a recording gives an image, as tf2 takes it; empty where it gives none."""
    return recorded.lstrip('/') if len(recorded) <= MOST_FRAME_ID_CHARACTERS else ''


def usable_frame_id(node: Node, given: str, namespace: str = '') -> str:
    """The frame of a camera's images: as given, but without a leading slash, or by its name.

    tf2 refuses names that begin with a slash, and then nobody can use the images' place.

    Parameters
    ----------
    node : rclpy Node
        Whose log tells what was removed, and whose full name stands in for an empty one.
    given : str
        As the user wrote it; empty for `frame_of_camera`.
    namespace : str
        Of a camera that another node reads, below the node's or absolute: its frame is that
        which a camera_node there has. Empty where the node is the camera.
    """
    if not given:
        name = USUAL_NODE if namespace else node.get_name()
        return frame_of_camera(below(node, namespace), name)
    plain = given.lstrip('/') or ALONE
    if plain != given:
        node.get_logger().warning(
            f'frame_id {printable(given)} begins with a slash, which tf2 refuses; images are in '
            f'{printable(plain)}'
        )
    return plain
