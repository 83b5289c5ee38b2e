"""Where the frames of a perception node come from: its parameters say, and make the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable
from jetson_perception.ros.camera_parameters import OwnSourceParams
from jetson_perception.ros.image_input import ImageInput, ImageInputParams
from jetson_perception.ros.picture_parameters import JpegParams
from jetson_perception.ros.source_input import SourceInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.errors import PerceptionError
    from jetson_perception.ros.frame_input import FrameInput
    from jetson_perception.ros.managed_node import ManagedNode

_TOPIC = 'image'
_CAMERA = 'camera'
"""Namespace of an own source, as that of the camera_node that a launch file starts."""


class NodeInput:
    """Declares the parameters of a node's input, and makes it from them.

    Parameters
    ----------
    node : ManagedNode
        Whose input it is.
    on_error : callable
        Called as on_error(error) for an image that cannot be used.
    """

    def __init__(self, node: ManagedNode, on_error: Callable[[PerceptionError], None]) -> None:
        self._node = node
        self._on_error = on_error
        self._params = node.declare(ImageInputParams)
        self._source_params = node.declare(OwnSourceParams)
        self._jpeg_params = node.declare(JpegParams, 'image_raw.compressed', is_listed=False)

    @property
    def every_frame(self) -> bool:
        """Whether engines handle every frame."""
        wanted: bool = self._params.value.every_frame
        return wanted

    def make(self) -> FrameInput:
        """The input that the parameters name; to be destroyed.

        Raises
        ------
        ParameterError
            When both a source and a topic are named, or a parameter cannot be used.
        SourceError
            When the source's URI cannot.
        """
        source = self._source_params.value.source
        if not source:
            return ImageInput(self._node, self._params, self._on_error)
        self._refuse_topic(source)
        return SourceInput(
            self._node,
            _CAMERA,
            lambda: self._source_params.value,
            lambda: self._jpeg_params.value,
            every_frame=self.every_frame,
            max_image_pixels=self._params.value.max_image_pixels,
            on_failure=self._node.fail_soon,
        )

    def facts(self) -> dict[str, Any]:
        """Where the images of an own source come, for those who wait for them."""
        if not self._source_params.value.source:
            return {}
        return {'image topic': self._node.resolve_topic_name(f'{_CAMERA}/image_raw')}

    def _refuse_topic(self, source: str) -> None:
        named = self._node.resolve_topic_name(_TOPIC)
        if named != self._node.resolve_topic_name(_TOPIC, only_expand=True):
            raise ParameterError(
                f'source is {shown(source)}, and {_TOPIC} is remapped to {printable(named)}; give '
                'one of them: source for a camera that this node reads itself, the topic for '
                'images that another node publishes',
                'source',
            )
