"""Which topic a node takes images from, and whether they are compressed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sensor_msgs.msg import CompressedImage, Image

if TYPE_CHECKING:
    from rclpy.node import Node

#: Where drivers publish the compressed images of a topic.
SUFFIX = '/compressed'
_TYPE_NAMES = {False: 'sensor_msgs/msg/Image', True: 'sensor_msgs/msg/CompressedImage'}


class ImageTopic(NamedTuple):
    """A topic with images of one kind.

    Attributes
    ----------
    name : str
        Its full name.
    compressed : bool
        Whether they are CompressedImages, or Images.
    """

    name: str
    compressed: bool

    @property
    def message_type(self) -> Any:
        """Class of its messages."""
        return CompressedImage if self.compressed else Image

    @property
    def type_name(self) -> str:
        """Name of their type, as the graph has it."""
        return _TYPE_NAMES[self.compressed]

    @property
    def other(self) -> ImageTopic:
        """The same topic with images of the other kind."""
        return ImageTopic(self.name, not self.compressed)


def raw_topic(name: str) -> str:
    """The topic of raw images that belongs to an image topic, itself if that is one."""
    return name.removesuffix(SUFFIX)


def image_topic(node: Node, topic: str, transport: str) -> ImageTopic:
    """Where a node finds the images that its user means.

    Parameters
    ----------
    node : rclpy Node
        Whose remappings count.
    topic : str
        What the node calls the topic: 'image'.
    transport : str
        'raw' or 'compressed'.

    Returns
    -------
    ImageTopic
        Of compressed images where the transport or the topic's name says so, or where the user
        remapped `<topic>/compressed` alone.
    """
    name = node.resolve_topic_name(topic)
    if name.endswith(SUFFIX):
        return ImageTopic(name, True)
    below = node.resolve_topic_name(f'{topic}{SUFFIX}')
    named_itself = below != node.resolve_topic_name(f'{topic}{SUFFIX}', only_expand=True)
    remapped = name != node.resolve_topic_name(topic, only_expand=True)
    if transport == 'compressed':
        return ImageTopic(below if named_itself else f'{name}{SUFFIX}', True)
    if named_itself and not remapped:
        return ImageTopic(below, True)
    return ImageTopic(name, False)
