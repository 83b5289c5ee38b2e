"""Where the frames of a perception node come from: its parameters say, and make the input."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.camera.shown import shown
from jetson_perception.dds import transports
from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, printable
from jetson_perception.ros.camera_parameters import OwnSourceParams
from jetson_perception.ros.camera_topics import CameraTopic, camera_topics
from jetson_perception.ros.image_input import ImageInput, ImageInputParams
from jetson_perception.ros.picture_parameters import JpegParams
from jetson_perception.ros.source_cameras import SourceCamera, of_camera, source_cameras
from jetson_perception.ros.udp_participant import UdpParticipant

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.errors import PerceptionError
    from jetson_perception.ros.camera_publisher import FrameHandler
    from jetson_perception.ros.frame_input import FrameInput
    from jetson_perception.ros.managed_node import ManagedNode
    from jetson_perception.ros.source_reader import SourceReader

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
        self._gave_up: set[str] = set()

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
    def jpeg_decoder(self) -> str:
        """Who decodes JPEGs for engines on a GPU."""
        wanted: str = self._params.value.jpeg_decoder
        return wanted

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
        params: OwnSourceParams = self._source_params.value
        self._refuse_two_kinds(params)
        if params.source:
            return [InputPlace(f'{_CAMERA}/image_raw', '', self._own_source)]
        if params.sources:
            return [
                InputPlace(f'{each.prefix}image_raw', each.prefix, partial(self._camera, each))
                for each in source_cameras(self._node, params)
            ]
        names = self._params.value.image_topics
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
        if self._reads_itself or not transports.udp_alone():
            return
        # Who needs it tries again, and says what is lost without it.
        with suppress(Exception):
            self._udp_participant.opened()

    def close(self) -> None:
        """Let go of what inputs share; they have been closed."""
        self._udp_participant.close()
        self._gave_up.clear()

    def _topic(self, topic: str, on_error: OnError) -> FrameInput:
        return ImageInput(self._node, self._params, on_error, topic, self._udp_participant)

    @property
    def _reads_itself(self) -> bool:
        params: OwnSourceParams = self._source_params.value
        return bool(params.source or params.sources)

    def _own_source(self, on_error: OnError) -> FrameInput:
        make = partial(
            self._reader, _CAMERA, lambda: self._source_params.value, self._node.fail_soon
        )
        return self._source_input(make)

    def _camera(self, camera: SourceCamera, on_error: OnError) -> FrameInput:
        make = partial(
            self._reader,
            camera.namespace,
            lambda: of_camera(self._source_params.value, camera),
            partial(self._give_up, camera),
        )
        return self._source_input(make, label=f' {camera.namespace}')

    def _source_input(
        self, make: Callable[[FrameHandler], SourceReader], **options: Any
    ) -> FrameInput:
        from jetson_perception.ros.source_input import SourceInput  # most nodes have a topic

        return SourceInput(self._node, make, every_frame=self.every_frame, **options)

    def _reader(
        self,
        namespace: str,
        params: Callable[[], OwnSourceParams],
        on_failure: OnError,
        handler: FrameHandler,
    ) -> SourceReader:
        from jetson_perception.ros.source_reader import SourceReader

        return SourceReader(
            self._node,
            namespace,
            params,
            lambda: self._jpeg_params.value,
            every_frame=self.every_frame,
            max_image_pixels=self._params.value.max_image_pixels,
            on_failure=on_failure,
            handler=handler,
        )

    def _give_up(self, camera: SourceCamera, error: PerceptionError) -> None:
        """Go on with the other cameras, if any is left; in the camera's capturing thread."""
        self._gave_up.add(camera.prefix)
        if len(self._gave_up) == len(self._source_params.value.sources):
            self._node.fail_soon(error)
        else:
            self._node.get_logger().error(
                f'{camera.namespace}: {error}; the other cameras go on. To read it again, '
                'deactivate and activate this node'
            )

    def facts(self) -> dict[str, Any]:
        """Where the images of own sources come, for those who wait for them."""
        if not self._reads_itself:
            return {}
        try:
            topics = [self._node.resolve_topic_name(place.topic) for place in self.places()]
        except ParameterError:  # told as the node configures
            return {}
        return {'image topic': ', '.join(topics)}

    def _refuse_two_kinds(self, params: OwnSourceParams) -> None:
        """Raise if more than one of the parameters and remappings says where images come from."""
        given = [f'source is {shown(params.source)}'] if params.source else []
        if params.sources:
            given.append(f'sources names {counted(len(params.sources), "camera")}')
        if not given:
            return
        names = self._params.value.image_topics
        if names:
            given.append(f'image_topics names {counted(len(names), "camera")}')
        parameter = given[0].partition(' ')[0]
        if len(given) > 1:
            raise ParameterError(f'{" and ".join(given)}; give one of them', parameter)
        named = self._node.resolve_topic_name(_TOPIC)
        if named != self._node.resolve_topic_name(_TOPIC, only_expand=True):
            raise ParameterError(
                f'{given[0]}, and {_TOPIC} is remapped to {printable(named)}; give one of them: '
                f'{parameter} for what this node reads itself, the topic for images that another '
                'node publishes',
                parameter,
            )
