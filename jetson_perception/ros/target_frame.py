"""Another frame of tf that objects in space are published in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

from jetson_perception.errors import ImageError, ParameterError
from jetson_perception.printable import printable, quoted

if TYPE_CHECKING:
    from rclpy.node import Node

    from jetson_perception.depth import SpatialObjects

#: How long a transform may be later than the image that it is for.
_PATIENCE = Duration(seconds=0.1)
#: An image that is earlier by more is of a recording that began anew, or of a clock that was set.
_JUMP_NS = 10**9


class TargetFrame:
    """Listens to tf from its making until `close`.

    Parameters
    ----------
    node : rclpy Node
        Which listens.
    frame : str
        That objects are wanted in.

    Raises
    ------
    ParameterError
        When tf2_ros is not installed.
    """

    def __init__(self, node: Node, frame: str) -> None:
        try:
            import tf2_ros
        except ImportError as err:
            raise ParameterError(
                f'depth.target_frame is {quoted(frame, 60)}, which needs tf2_ros, and that cannot '
                f'be imported ({printable(err, 200)}): sudo apt-get install '
                'ros-$ROS_DISTRO-tf2-ros-py, then source the environment again; or leave it empty '
                'for the frame of the camera',
                'depth.target_frame',
            ) from err
        self._frame = frame
        self._error: Any = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)
        self._latest_ns = 0

    def moved(self, objects: SpatialObjects, header: Header) -> tuple[SpatialObjects, Header]:
        """Objects in the camera's frame, in this one; and the header that goes with them.

        Waits a moment for a transform that is not there yet: not for the executor's thread.

        Raises
        ------
        ImageError
            When tf does not know how the frames lie at the time of the image.
        """
        stamp = Time.from_msg(header.stamp)
        self._follow(stamp.nanoseconds)
        try:
            found = self._buffer.lookup_transform(
                self._frame, header.frame_id, stamp, _PATIENCE
            ).transform
        except self._error as err:
            raise ImageError(
                f'no transform from {printable(header.frame_id, 60)} to '
                f'{printable(self._frame, 60)} at the time of the image ({printable(err, 200)}); '
                'have somebody publish it on /tf or /tf_static, or leave depth.target_frame empty'
            ) from err
        at, turn = found.translation, found.rotation
        moved = objects.moved((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))
        return moved, Header(stamp=header.stamp, frame_id=self._frame)

    def _follow(self, stamp_ns: int) -> None:
        """Forget transforms of a time that is over: tf2 refuses all that are older than those.

        Its buffer does so by itself where it has a node's clock, but not in Python. Static
        transforms stay.
        """
        if stamp_ns < self._latest_ns - _JUMP_NS:
            self._buffer.clear()
            self._latest_ns = stamp_ns
        self._latest_ns = max(self._latest_ns, stamp_ns)

    def close(self) -> None:
        """Listen no more."""
        self._listener.unregister()
