"""Objects in space in, markers out.

Subscribes to `detections_3d` (vision_msgs/Detection3DArray), publishes `markers`
(visualization_msgs/MarkerArray) in the same frame of tf and with the same stamp.
"""

from __future__ import annotations

import signal
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from detection_markers.markers import markers_of


class DetectionMarkers(Node):
    """A MarkerArray for each Detection3DArray."""

    def __init__(self, **options: Any) -> None:
        super().__init__('detection_markers', **options)
        self._shown_for_s = max(0.0, self.declare_parameter('shown_for', 1.0).value)
        self._text_height = self.declare_parameter('text_height', 0.1).value
        self._markers = self.create_publisher(MarkerArray, 'markers', 1)
        self.create_subscription(
            Detection3DArray, 'detections_3d', self._on_detections, qos_profile_sensor_data
        )

    def _on_detections(self, msg: Detection3DArray) -> None:
        self._markers.publish(markers_of(msg, self._shown_for_s, self._text_height))


def main(args: list[str] | None = None) -> None:
    """Publish markers until Ctrl-C or SIGTERM."""
    # rclpy ends spin; a KeyboardInterrupt as well would come in the middle of ending, as Ctrl-C in
    # a terminal reaches a launched node twice.
    signal.signal(signal.SIGINT, lambda *_: None)
    rclpy.init(args=args)
    node = DetectionMarkers()
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
