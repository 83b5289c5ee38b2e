"""Which topic a node takes images from, and in what form they are sent there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.errors import ParameterError
from jetson_perception.images.video_stream import video_problem
from jetson_perception.ros import qos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile


class _Form(NamedTuple):
    """How images are sent; image_transport calls it a transport.

    Attributes
    ----------
    type_name : str
        Of the messages, as the graph has it.
    suffix : str
        What image_transport adds to the name of the topic.
    is_video : bool
        Whether a message can be understood only after those before it.
    """

    type_name: str
    suffix: str = ''
    is_video: bool = False


_FORMS = {
    'raw': _Form('sensor_msgs/msg/Image'),
    'compressed': _Form('sensor_msgs/msg/CompressedImage', '/compressed'),
    'ffmpeg': _Form('ffmpeg_image_transport_msgs/msg/FFMPEGPacket', '/ffmpeg', is_video=True),
    'foxglove': _Form('foxglove_msgs/msg/CompressedVideo', '/foxglove', is_video=True),
}

FORMS: tuple[str, ...] = tuple(_FORMS)
"""Names of the forms, as image_transport has them; the plain one first."""


class ImageTopic(NamedTuple):
    """A topic with images of one form.

    Attributes
    ----------
    name : str
        Its full name.
    form : str
        One of `FORMS`.
    """

    name: str
    form: str = 'raw'

    @property
    def compressed(self) -> bool:
        """Whether these are CompressedImages."""
        return self.form == 'compressed'

    @property
    def is_video(self) -> bool:
        """Whether these are packets of a video."""
        return _FORMS[self.form].is_video

    @property
    def type_name(self) -> str:
        """Name of their type, as the graph has it."""
        return _FORMS[self.form].type_name

    @property
    def message_type(self) -> Any:
        """Class of its messages.

        Raises
        ------
        ImportError
            When their package is not installed; `problem` says so in words.
        """
        package, _, name = self.type_name.split('/')
        return getattr(importlib.import_module(f'{package}.msg'), name)

    @property
    def others(self) -> tuple[ImageTopic, ...]:
        """The same topic with images of each other form."""
        return tuple(ImageTopic(self.name, each) for each in FORMS if each != self.form)

    def sent_as(self, types: Iterable[str]) -> ImageTopic | None:
        """The same topic with images as they are sent, where all are of one other form."""
        sent = set(types)
        return next((each for each in self.others if {each.type_name} == sent), None)

    def problem(self) -> str:
        """Why these images cannot be taken here, and what to install; empty when they can."""
        try:
            _ = self.message_type
        except ImportError:
            package = self.type_name.partition('/')[0]
            return (
                f'messages of {self.type_name} need the package {package}, which is not '
                f'installed here: sudo apt-get install '
                f'ros-$ROS_DISTRO-{package.replace("_", "-")}, then source the environment again'
            )
        return video_problem() if self.is_video else ''

    def qos_profile(self, *, every_frame: bool) -> QoSProfile:
        """What to subscribe with."""
        if every_frame:
            return qos.EVERY_IMAGE
        if self.compressed:
            return qos.COMPRESSED_INPUT
        return qos.VIDEO_INPUT if self.is_video else qos.IMAGE_INPUT


def raw_topic(name: str) -> str:
    """The topic of raw images that belongs to an image topic, itself if that is one."""
    return name.removesuffix(_FORMS[_form_by_name(name)].suffix)


def image_topic(node: Node, topic: str, form: str) -> ImageTopic:
    """Where a node finds the images that its user means.

    Parameters
    ----------
    node : rclpy Node
        Whose remappings count.
    topic : str
        What the node calls the topic: 'image'.
    form : str
        One of `FORMS`, as the parameter image_transport has it.

    Returns
    -------
    ImageTopic
        Of a compressed form where `form` or the topic's name says so, or where the user
        remapped `<topic>/compressed` or the like alone.
    """
    name = node.resolve_topic_name(topic)
    by_name = _form_by_name(name)
    if by_name != 'raw':
        return ImageTopic(name, by_name)
    if form != 'raw':
        below = _remapped(node, f'{topic}{_FORMS[form].suffix}')
        return ImageTopic(below or f'{name}{_FORMS[form].suffix}', form)
    if not _remapped(node, topic):
        for each in FORMS[1:]:
            below = _remapped(node, f'{topic}{_FORMS[each].suffix}')
            if below:
                return ImageTopic(below, each)
    return ImageTopic(name)


def require_takeable(topic: ImageTopic) -> None:
    """Refuse a topic whose images cannot be taken here.

    Raises
    ------
    ParameterError
        When a package is missing.
    """
    problem = topic.problem()
    if problem:
        raise ParameterError(f'image_transport is {topic.form}: {problem}', 'image_transport')


def _form_by_name(name: str) -> str:
    return next((each for each in FORMS[1:] if name.endswith(_FORMS[each].suffix)), 'raw')


def _remapped(node: Node, topic: str) -> str:
    """Where a topic was remapped to; empty where it was not."""
    name: str = node.resolve_topic_name(topic)
    return name if name != node.resolve_topic_name(topic, only_expand=True) else ''
