"""What a rendered scene knows of itself, as topics beside its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from jetson_perception.msg import KeypointDetection2DArray
from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import ImageMessage
from jetson_perception.ros.result_messages import (
    DetectionMessage,
    KeypointMessage,
    label_info_message,
)
from jetson_perception.tasks.keypoints import COCO_KEYPOINT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from jetson_perception.camera.source import CapturedFrame


class GroundTruthPublisher:
    """Topics under `ground_truth/`, each filled while somebody subscribes.

    `mask` (mono8) of a scene that knows its pixels; `detections`, and `keypoints` of those that
    have any, of one that knows its objects; `label_info` (latched) of both. A topic is there from
    the first frame on that has what it is for.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    class_names : sequence of str
        Name of class i at index i.
    prefix : str
        Put before the topics' names.
    """

    def __init__(self, node: Node, class_names: Sequence[str], prefix: str = '') -> None:
        self._node = node
        self._prefix = f'{prefix}ground_truth/'
        self._publishers: dict[str, Any] = {}
        self._labels = node.create_publisher(LabelInfo, f'{self._prefix}label_info', qos.LATCHED)
        self._mask_message = ImageMessage()
        self._detection_message = DetectionMessage(class_names)
        self._keypoint_message = KeypointMessage(class_names, COCO_KEYPOINT_NAMES)
        now = Header(stamp=node.get_clock().now().to_msg())
        self._labels.publish(label_info_message(class_names, 0.0, now))

    def publish(self, frame: CapturedFrame, header: Any) -> None:
        """Publish the truth of a frame under the header of its image."""
        if frame.truth_mask is not None:
            masks = self._publisher('mask', Image)
            if masks.get_subscription_count():
                masks.publish(self._mask_message.fill(frame.truth_mask, 'mono8', header))
        truth = frame.truth_detections
        if truth is None:
            return
        objects = self._publisher('detections', Detection2DArray)
        if objects.get_subscription_count():
            objects.publish(self._detection_message.fill(truth, header))
        if truth.keypoints is None:
            return
        people = self._publisher('keypoints', KeypointDetection2DArray)
        if people.get_subscription_count():
            articulated = truth[np.any(truth.keypoints != 0, axis=(1, 2))]
            people.publish(self._keypoint_message.fill(articulated, header))

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in (*self._publishers.values(), self._labels):
            self._node.destroy_publisher(publisher)

    def _publisher(self, name: str, message_type: type) -> Any:
        """That of a topic; made when the source first has something for it."""
        publisher = self._publishers.get(name)
        if publisher is None:
            publisher = self._node.create_publisher(
                message_type, f'{self._prefix}{name}', **qos.overridable(qos.RESULTS)
            )
            self._publishers[name] = publisher
        return publisher
