"""The cameras that a node reads itself, several in one process: names, and what each takes."""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rclpy.node import Node

    from jetson_perception.ros.camera_parameters import OwnSourceParams

_PARAMETER = 'sources'
_NAMED = re.compile(r'\s*([^=:\s]+)\s*=\s*(\S.*)', re.DOTALL)
_NAME = '${NAME}'
"""Stands for the camera, as in the URLs of camera_info_manager."""
_OF_EACH = ('frame_id', 'calibration', 'calibration_output')
"""What no two cameras have in common."""


class SourceCamera(NamedTuple):
    """A source, and the camera that it is.

    Attributes
    ----------
    name : str
        As the user named it: 'front'.
    uri : str
        Of the source; it may have a password.
    prefix : str
        What the names of all its topics begin with: '/yolo/front/'.
    """

    name: str
    uri: str
    prefix: str

    @property
    def namespace(self) -> str:
        """Of its topics: '/yolo/front'."""
        return self.prefix.rstrip('/')

    @property
    def word(self) -> str:
        """The name as part of others: 'rig_front' of '/rig/front'."""
        return self.name.strip('~/').replace('/', '_')


def source_cameras(node: Node, params: OwnSourceParams) -> list[SourceCamera]:
    """The cameras that `sources` names; empty where it is.

    Raises
    ------
    ParameterError
        When an entry has no name, two have the same, or what each camera has of its own would be
        the same for several.
    """
    cameras = [_camera(node, entry) for entry in params.sources]
    _refuse_equal_names(cameras)
    for field in _OF_EACH if len(cameras) > 1 else ():
        given = getattr(params, field)
        if _NAME in given:
            _refuse_equal_words(cameras, field)
        if given and _NAME not in given:
            raise ParameterError(
                f'{field} is {printable(given)} for all cameras of {_PARAMETER}; write {_NAME} '
                "where the camera's name is to stand",
                field,
            )
    return cameras


def of_camera(params: OwnSourceParams, camera: SourceCamera) -> OwnSourceParams:
    """The parameters of one of the cameras."""
    own = {field: getattr(params, field).replace(_NAME, camera.word) for field in _OF_EACH}
    return replace(params, source=camera.uri, **own)


def _camera(node: Node, entry: str) -> SourceCamera:
    match = _NAMED.fullmatch(entry)
    if match is None:
        raise ParameterError(
            f'{_PARAMETER} has {shown(entry) or quoted(entry)}, which does not begin with the '
            'name of a camera; expected entries such as front=v4l2:///dev/video0',
            _PARAMETER,
        )
    name, uri = match[1], match[2].strip()
    try:
        topic: str = expand_topic_name(f'{name}/image_raw', node.get_name(), node.get_namespace())
        validate_full_topic_name(topic)
    except (InvalidTopicNameException, ValueError) as err:
        raise ParameterError(
            f'{_PARAMETER} names a camera {quoted(name, 60)}, which cannot be a namespace '
            f'({printable(err, 200)}); expected names such as front or /rig/front',
            _PARAMETER,
        ) from err
    return SourceCamera(name, uri, topic.removesuffix('image_raw'))


def _refuse_equal_names(cameras: Sequence[SourceCamera]) -> None:
    for other, camera in _alike(cameras, attrgetter('prefix')):
        raise ParameterError(
            f'{_PARAMETER} has {shown(other.uri)} and {shown(camera.uri)} for one camera, '
            f'{camera.namespace}; give each a name of its own',
            _PARAMETER,
        )


def _refuse_equal_words(cameras: Sequence[SourceCamera], field: str) -> None:
    for other, camera in _alike(cameras, attrgetter('word')):
        raise ParameterError(
            f'{field} has {_NAME}, which is {quoted(camera.word)} for {other.namespace} and '
            f'for {camera.namespace}; give one of them another name in {_PARAMETER}',
            field,
        )


def _alike(
    cameras: Sequence[SourceCamera], key: Callable[[SourceCamera], str]
) -> Iterator[tuple[SourceCamera, SourceCamera]]:
    """Each camera whose key an earlier one has, behind that one."""
    found: dict[str, SourceCamera] = {}
    for camera in cameras:
        other = found.setdefault(key(camera), camera)
        if other is not camera:
            yield other, camera
