"""The results of a node in space: one matcher for each camera, where depth is wanted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jetson_perception.ros.depth_parameters import DepthParams
from jetson_perception.ros.depth_report import DepthReport
from jetson_perception.ros.depth_topics import depth_topics
from jetson_perception.ros.result_publishers import ResultPublishers
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.ros.target_frame import TargetFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.timer import Timer

    from jetson_perception.models.task import ResultTopic
    from jetson_perception.pipeline import Frame
    from jetson_perception.pipeline.activity import Activity
    from jetson_perception.ros.camera_depth import CameraDepth
    from jetson_perception.ros.managed_node import ManagedNode
    from jetson_perception.ros.node_input import NodeInput

    Offer = Callable[[Frame, Any], None]

#: How often it looks whether somebody subscribes.
_LOOK_S = 0.25
#: How long the threads may take to end.
_END_S = 0.2


class NodeDepth:
    """Declares the parameters of depth; without a topic in them it does nothing.

    Parameters
    ----------
    node : ManagedNode
        Which subscribes and publishes.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._params = node.declare(DepthParams, 'depth', is_listed=False)
        self._cameras: list[CameraDepth] = []
        self._timer: Timer | None = None
        self._target: TargetFrame | None = None
        self._inputs: NodeInput | None = None

    def configure(self, inputs: NodeInput) -> None:
        """Find the topics of each camera.

        Raises
        ------
        ParameterError
            When they do not suit the cameras, or tf2_ros is needed and missing.
        """
        self._inputs = inputs
        params = self._params.value
        places = inputs.places()
        topics = depth_topics(self._node, params, [each.topic for each in places])
        if not topics:
            self._cameras = []
            return
        from jetson_perception.ros.camera_depth import CameraDepth  # most nodes have no depth

        if params.target_frame:
            self._target = TargetFrame(self._node, params.target_frame)
        self._cameras = [
            CameraDepth(
                self._node,
                each,
                self._params,
                DepthReport(self._node, f' {place.prefix.rstrip("/")}' if place.prefix else ''),
                inputs.max_image_pixels,
            )
            for each, place in zip(topics, places, strict=False)
        ]

    def publishers(
        self, topics: Callable[[], Sequence[ResultTopic]], prefixes: Sequence[str]
    ) -> list[SpatialPublishers]:
        """What publishes an engine's results in space, for each camera; empty without depth.

        Parameters
        ----------
        topics : callable
            Returns the topics; it is called once for each camera.
        prefixes : sequence of str
            Put before their names, for each camera.
        """
        made = []
        for camera, prefix in zip(self._cameras, prefixes, strict=False):
            listed = topics()
            if listed:
                made.append(
                    SpatialPublishers(camera, ResultPublishers(self._node, listed, prefix))
                )
        return made

    @property
    def activities(self) -> list[Activity]:
        """What the threads are doing."""
        return [each.activity for each in self._cameras]

    def start(self) -> None:
        """Begin to follow who subscribes."""
        if self._inputs is None:
            return
        for each in self._cameras:
            each.start(self._inputs.udp_participant, self._target)
        if self._cameras:
            self._timer = steady_timer(self._node, _LOOK_S, self._follow)

    def stop(self) -> None:
        """Unsubscribe, and end the threads."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._node.destroy_timer(timer)
        deadline_s = time.monotonic() + _END_S
        for each in self._cameras:
            self._node.left_behind.add(each.close(max(deadline_s - time.monotonic(), 0.0)))

    def cleanup(self) -> None:
        """Let go of what `configure` made."""
        self._cameras = []
        target, self._target = self._target, None
        if target is not None:
            target.close()

    def diagnose(self) -> list[DiagnosticStatus]:
        """One line for each camera."""
        return [each.diagnose() for each in self._cameras]

    def _follow(self) -> None:
        for each in self._cameras:
            each.follow()


class SpatialPublishers:
    """Publishes an engine's results of one camera in space."""

    def __init__(self, camera: CameraDepth, publishers: ResultPublishers) -> None:
        self._camera = camera
        self._publishers = publishers
        camera.add(publishers)

    def renewed(self, topics: Sequence[ResultTopic]) -> SpatialPublishers:
        """The same publishers for another model's results; raises ModelError for other topics."""
        return SpatialPublishers(self._camera, self._publishers.renewed(topics))

    def retire(self) -> None:
        """Be looked after no more; the publishers remain."""
        self._camera.remove(self._publishers)

    def offer(self, frame: Frame, result: Any) -> None:
        """Have a result located and published, if somebody wants that; never waits."""
        self._camera.offer(self._publishers, frame, result)

    def destroy(self) -> None:
        """Take the topics down."""
        self.retire()
        self._publishers.destroy()
