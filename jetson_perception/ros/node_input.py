"""Where the frames of a perception node come from: its parameters say, and make the input."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.camera.shown import shown
from jetson_perception.dds import transports
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.ros.camera_parameters import OwnSourceParams
from jetson_perception.ros.camera_topics import CameraTopic, camera_topics
from jetson_perception.ros.image_input import ImageInput, ImageInputParams
from jetson_perception.ros.picture_parameters import JpegParams
from jetson_perception.ros.source_input import SourceInput
from jetson_perception.ros.source_reader import SourceReader
from jetson_perception.ros.udp_participant import UdpParticipant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.errors import PerceptionError
    from jetson_perception.ros.camera_publisher import FrameHandler
    from jetson_perception.ros.frame_input import FrameInput
    from jetson_perception.ros.managed_node import ManagedNode

    OnError = Callable[[PerceptionError], None]

_TOPIC = 'image'
_CAMERA = 'camera'
"""Namespace of an own source, as that of the camera_node that a launch file starts."""


class InputPlace(NamedTuple):
    """Where the images of an input are, where its results go, and how it is made.

    Attributes
    ----------
    topic : str
        Its raw images, as the node names their topic.
    prefix : str
        What the names of results begin with: '/front/'; '' for the only input.
    make : callable
        Called as make(on_error); on_error(error) is then called for an image that cannot be used.
    """

    topic: str
    prefix: str
    make: Callable[[OnError], FrameInput]


class NodeInput:
    """Declares the parameters of a node's inputs, and makes these from them.

    Parameters
    ----------
    node : ManagedNode
        Whose inputs they are.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._params = node.declare(ImageInputParams)
        self._source_params = node.declare(OwnSourceParams)
        self._jpeg_params = node.declare(JpegParams, 'image_raw.compressed', is_listed=False)
        self._udp_participant = UdpParticipant(node)

    @property
    def every_frame(self) -> bool:
        """Whether engines handle every frame."""
        wanted: bool = self._params.value.every_frame
        return wanted

    @property
    def max_image_pixels(self) -> int:
        """The most pixels that an image may have."""
        most: int = self._params.value.max_image_pixels
        return most

    @property
    def udp_participant(self) -> UdpParticipant:
        """Where a topic is subscribed to if its images have to come over UDP."""
        return self._udp_participant

    def places(self) -> list[InputPlace]:
        """The inputs that the parameters name; each is to be destroyed.

        Raises
        ------
        ParameterError
            When both a source and a topic are named, or a parameter cannot be used.
        """
        names = self._params.value.image_topics
        source = self._source_params.value.source
        if source:
            self._refuse_topic(source, names)
            return [InputPlace(f'{_CAMERA}/image_raw', '', self._own_source)]
        topics = camera_topics(self._node, names) or [CameraTopic(_TOPIC, '')]
        return [
            InputPlace(each.topic, each.prefix, partial(self._topic, each.topic))
            for each in topics
        ]

    def open(self) -> None:
        """Be ready for topics that are received over UDP, before the first of them is.

        A participant hears of a driver when that announces itself again: with what Fast DDS does
        by default, 3 s later.
        """
        if self._source_params.value.source or not transports.udp_alone():
            return
        # Who needs it tries again, and says what is lost without it.
        with suppress(Exception):
            self._udp_participant.opened()

    def close(self) -> None:
        """Let go of what inputs share; they have been closed."""
        self._udp_participant.close()

    def _topic(self, topic: str, on_error: OnError) -> FrameInput:
        return ImageInput(self._node, self._params, on_error, topic, self._udp_participant)

    def _own_source(self, on_error: OnError) -> FrameInput:
        return SourceInput(self._node, self._reader, every_frame=self.every_frame)

    def _reader(self, handler: FrameHandler) -> SourceReader:
        return SourceReader(
            self._node,
            _CAMERA,
            lambda: self._source_params.value,
            lambda: self._jpeg_params.value,
            every_frame=self.every_frame,
            max_image_pixels=self._params.value.max_image_pixels,
            on_failure=self._node.fail_soon,
            handler=handler,
        )

    def facts(self) -> dict[str, Any]:
        """Where the images of an own source come, for those who wait for them."""
        if not self._source_params.value.source:
            return {}
        return {'image topic': self._node.resolve_topic_name(f'{_CAMERA}/image_raw')}

    def _refuse_topic(self, source: str, names: Sequence[str]) -> None:
        if names:
            raise ParameterError(
                f'source is {shown(source)}, and image_topics names cameras; give one of them',
                'source',
            )
        named = self._node.resolve_topic_name(_TOPIC)
        if named != self._node.resolve_topic_name(_TOPIC, only_expand=True):
            raise ParameterError(
                f'source is {shown(source)}, and {_TOPIC} is remapped to {printable(named)}; give '
                'one of them: source for a camera that this node reads itself, the topic for '
                'images that another node publishes',
                'source',
            )
