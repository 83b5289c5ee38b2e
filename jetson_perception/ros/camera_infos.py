"""The camera_info of a camera's images: its calibration, at their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.camera.calibration import Calibration
from jetson_perception.errors import ParameterError
from jetson_perception.ros.camera_messages import camera_info_message

if TYPE_CHECKING:
    from rclpy.node import Node
    from sensor_msgs.msg import CameraInfo
    from std_msgs.msg import Header

_LOG_EVERY_S = 10.0


class CameraInfos:
    """Makes the message for one image after the other.

    Parameters
    ----------
    node : rclpy Node
        Whose log tells of a calibration that does not fit.
    calibration : Calibration or str, optional
        Of the camera; a text is why there is none, which is told as an error.

    Attributes
    ----------
    problem : str
        Why the camera counts as uncalibrated, for people; empty when nothing is wrong.
    """

    def __init__(self, node: Node, calibration: Calibration | str | None) -> None:
        self._node = node
        self._calibration = calibration
        self.begin()

    def begin(self) -> None:
        """Begin anew: nothing is known of images yet."""
        self.problem = ''
        #: The message for the newest image; made anew when the size changes.
        self._info: CameraInfo | None = None
        self._info_of: Calibration | str | None = None

    def calibrate(self, calibration: Calibration) -> None:
        """Use this calibration from the next image on; any thread may call it."""
        self._calibration = calibration

    def image_size_wh(self) -> tuple[int, int] | None:
        """Width and height of the newest image; None before the first one."""
        info = self._info
        return None if info is None else (info.width, info.height)

    def message(
        self, size_wh: tuple[int, int], recorded: Calibration | None, header: Header
    ) -> CameraInfo:
        """The message for an image, valid until the next call.

        Parameters
        ----------
        size_wh : tuple of int
            The image's.
        recorded : Calibration or None
            What its recording says, where nothing else was given.
        header : std_msgs Header
            The image's.
        """
        info, calibration = self._info, self._calibration
        if calibration is None:
            calibration = recorded
        if (
            info is None
            or (info.width, info.height) != size_wh
            or calibration is not self._info_of
        ):
            info = self._info = camera_info_message(self._scaled(calibration, size_wh))
            self._info_of = calibration
        info.header = header
        return info

    def _scaled(
        self, calibration: Calibration | str | None, size_wh: tuple[int, int]
    ) -> Calibration:
        self.problem = ''
        problem = calibration
        if isinstance(calibration, Calibration):
            try:
                return calibration.scaled_to(size_wh)
            except ParameterError as error:
                problem = str(error)
        if problem:
            # Images are worth having without one; wrong geometry would be worse than none.
            self.problem = f'camera_info says uncalibrated: {problem}'
            self._node.get_logger().error(self.problem, throttle_duration_sec=_LOG_EVERY_S)
        return Calibration.uncalibrated(size_wh)
