"""The image topics of a node with several cameras, and where the results of each go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted
from jetson_perception.ros.image_topic import raw_topic
from jetson_perception.ros.parameters import param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

_PARAMETER = 'image_topics'
MOST_CAMERAS = 32
"""That one node takes, by topics or as sources."""


@dataclass(frozen=True)
class CameraTopicsParams:
    """Parameters of a node that can take images of several cameras."""

    image_topics: tuple[str, ...] = param(
        (),
        'Image topics of several cameras, in place of image. The results of each are published in '
        'the namespace of its topic: /front/image_raw has them under /front, so no two topics '
        'may be in the same one.',
        at_configure=True,
        example='[/front/image_raw, /rear/image_raw]',
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        if len(self.image_topics) > MOST_CAMERAS:
            return (
                f'{_PARAMETER} has {len(self.image_topics)} topics; at most {MOST_CAMERAS} are '
                'taken'
            )
        return ''


class CameraTopic(NamedTuple):
    """Where the images of a camera come from, and where its results go.

    Attributes
    ----------
    topic : str
        As the user named it; the node's remappings hold for it.
    prefix : str
        What the names of results begin with: '/front/'.
    """

    topic: str
    prefix: str


def camera_topics(node: Node, names: Sequence[str]) -> list[CameraTopic]:
    """The cameras that a user names.

    A prefix comes from the topic's name before it is remapped, so that whoever has two topics in
    one namespace can choose other names.

    Raises
    ------
    ParameterError
        When a name is no name of a topic, two topics are in one namespace, or `image` is remapped
        as well.
    """
    if names:
        _refuse_remapped_image(node)
    found: dict[str, str] = {}
    for name in names:
        prefix = f'{_namespace(node, name)}/'
        other = found.setdefault(prefix, name)
        if other != name or list(names).count(name) > 1:
            raise _same_namespace(other, name, prefix)
    return [CameraTopic(topic, prefix) for prefix, topic in found.items()]


def _namespace(node: Node, name: str) -> str:
    """The namespace of a topic: /front of /front/image_raw/compressed; '' for the root."""
    try:
        expanded: str = expand_topic_name(name, node.get_name(), node.get_namespace())
        validate_full_topic_name(expanded)
    except (InvalidTopicNameException, ValueError) as err:
        raise ParameterError(
            f'{_PARAMETER} has {quoted(name, 60)}, which is no name of a topic '
            f'({printable(err, 200)}); expected names such as /front/image_raw',
            _PARAMETER,
        ) from err
    return raw_topic(expanded).rpartition('/')[0]


def _same_namespace(one: str, other: str, prefix: str) -> ParameterError:
    where = prefix.rstrip('/') or '/'
    if one == other:
        return ParameterError(
            f'{_PARAMETER} has {printable(one)} twice; each camera may stand there once',
            _PARAMETER,
        )
    return ParameterError(
        f'{_PARAMETER} has {printable(one)} and {printable(other)}, and the results of both would '
        f'go to {where}, the namespace of their topics. Give names in namespaces of their own, '
        f'and remap these: {_PARAMETER}:=[a/image, b/image] with -r a/image:={printable(one)} -r '
        f'b/image:={printable(other)}',
        _PARAMETER,
    )


def _refuse_remapped_image(node: Node) -> None:
    remapped = node.resolve_topic_name('image')
    if remapped != node.resolve_topic_name('image', only_expand=True):
        raise ParameterError(
            f'{_PARAMETER} names cameras, and image is remapped to {printable(remapped)}; give '
            f'one of them: image for one camera, {_PARAMETER} for several',
            _PARAMETER,
        )
