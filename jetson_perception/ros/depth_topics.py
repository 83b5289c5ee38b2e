"""The depth topics that belong to the cameras of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, printable, quoted
from jetson_perception.ros.image_topic import ImageTopic, raw_topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from jetson_perception.ros.depth_parameters import DepthParams

_COMPRESSED_DEPTH = '/compressedDepth'


class DepthTopics(NamedTuple):
    """Where a camera's depth images and its calibration come from, as full names."""

    image: str
    camera_info: str


def depth_topics(
    node: Node, params: DepthParams, image_topics: Sequence[str]
) -> list[DepthTopics]:
    """The topics for each camera; empty where no depth is wanted.

    Parameters
    ----------
    node : rclpy Node
        Whose remappings count.
    params : DepthParams
        What the user set.
    image_topics : sequence of str
        The image topic of each camera, as the node names it.

    Raises
    ------
    ParameterError
        When there are more or fewer topics than cameras, or a name is no name of a topic.
    """
    if not params.image_topics:
        _refuse_without_images(params)
        return []
    if len(params.image_topics) != len(image_topics):
        raise ParameterError(
            f'depth.image_topics has {counted(len(params.image_topics), "topic")}, and this node '
            f'has {counted(len(image_topics), "camera")}; give one for each, in the order of '
            'image_topics',
            'depth.image_topics',
        )
    images = [_resolved(node, each, 'depth.image_topics') for each in params.image_topics]
    if len(set(images)) < len(images):
        raise ParameterError(
            f'depth.image_topics is {list(params.image_topics)}; each camera has a topic of its '
            'own',
            'depth.image_topics',
        )
    named = params.camera_info_topics or [_beside(node, each) for each in image_topics]
    infos = [_resolved(node, each, 'depth.camera_info_topics') for each in named]
    return [DepthTopics(*each) for each in zip(images, infos, strict=True)]


def depth_topic(name: str) -> ImageTopic:
    """A depth topic by its full name: raw, or compressedDepth where the name ends so."""
    return ImageTopic(name, 'compressed' if name.endswith(_COMPRESSED_DEPTH) else 'raw')


def _refuse_without_images(params: DepthParams) -> None:
    for name in ('camera_info_topics', 'target_frame'):
        if getattr(params, name):
            raise ParameterError(
                f'depth.{name} is set, but depth.image_topics is empty, so nothing is published '
                'in space; set depth.image_topics too',
                'depth.image_topics',
            )


def _beside(node: Node, image_topic: str) -> str:
    """camera_info beside an image topic, wherever that was remapped to."""
    name: str = raw_topic(node.resolve_topic_name(image_topic))
    return f'{name.rpartition("/")[0]}/camera_info'


def _resolved(node: Node, name: str, parameter: str) -> str:
    try:
        expanded = expand_topic_name(name, node.get_name(), node.get_namespace())
        validate_full_topic_name(expanded)
    except (InvalidTopicNameException, ValueError) as err:
        raise ParameterError(
            f'{parameter} has {quoted(name, 60)}, which is no name of a topic '
            f'({printable(err, 200)})',
            parameter,
        ) from err
    resolved: str = node.resolve_topic_name(name)
    return resolved
