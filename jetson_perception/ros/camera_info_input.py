"""The rays of a camera, as its camera_info says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from jetson_perception.camera.calibration import (
    MOST_COEFFICIENTS,
    Calibration,
    calibration_of_part,
)
from jetson_perception.depth.rays import Rays
from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, printable
from jetson_perception.ros import qos
from jetson_perception.ros.quiet_events import NO_WARNINGS

if TYPE_CHECKING:
    from rclpy.node import Node

#: Hears any publisher; most drivers send one with every image.
_QOS = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT
)


class CameraInfoInput:
    """Subscribes to a camera_info topic from its making until `close`.

    Also hears one that was latched before: some drivers, and `ros2 topic pub`, send it once.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    topic : str
        Full name.
    is_rectified : bool
        As of `Rays`.
    """

    def __init__(self, node: Node, topic: str, *, is_rectified: bool) -> None:
        self._node = node
        self._topic = topic
        self._is_rectified = is_rectified
        self._calibration: Calibration | None = None
        self._rays: Rays | ParameterError | None = None
        self._subscriptions = [
            node.create_subscription(
                CameraInfo, topic, self._on_info, each, event_callbacks=NO_WARNINGS
            )
            for each in (_QOS, qos.LATCHED)
        ]

    def rays(self) -> Rays:
        """The camera's rays, for images of the size that it gave last.

        Raises
        ------
        ParameterError
            When nothing came yet, or the camera is not calibrated.
        """
        if self._rays is None:
            raise ParameterError(
                f'no camera_info on {printable(self._topic)} yet; set depth.camera_info_topics '
                "to the topic of the images' calibration",
                'depth.camera_info_topics',
            )
        if isinstance(self._rays, ParameterError):
            raise self._rays
        return self._rays

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._subscriptions:
            self._node.destroy_subscription(each)

    def _on_info(self, msg: CameraInfo) -> None:
        try:
            calibration = calibration_of(msg)
            if calibration == self._calibration:
                return
            self._calibration = calibration
            self._rays = Rays(calibration, is_rectified=self._is_rectified)
        except ParameterError as error:
            self._calibration, self._rays = None, error


def calibration_of(msg: CameraInfo) -> Calibration:
    """The calibration of the images beside a camera_info, with binning and region applied.

    K and P are of the camera's full resolution (sensor_msgs/CameraInfo).

    Raises
    ------
    ParameterError
        When it has no size, or absurdly many coefficients.
    """
    if len(msg.d) > MOST_COEFFICIENTS or not (msg.width and msg.height):
        raise ParameterError(
            f'camera_info is of {msg.width}×{msg.height} pixels with '
            f'{counted(len(msg.d), "coefficient")}; expected the size of the images and at most '
            f'{MOST_COEFFICIENTS}: mend the calibration of the camera'
        )
    full = Calibration(
        (msg.width, msg.height),
        '',
        msg.distortion_model,
        tuple(float(each) for each in msg.d),
        tuple(float(each) for each in msg.k),
        tuple(float(each) for each in msg.r),
        tuple(float(each) for each in msg.p),
    )
    roi = msg.roi
    region = roi.x_offset, roi.y_offset, roi.width, roi.height
    return calibration_of_part(full, region, (msg.binning_x, msg.binning_y))
