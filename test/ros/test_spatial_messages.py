import math

import numpy as np
import pytest
from jetson_perception.msg import KeypointDetection3DArray
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from jetson_perception.depth import SpatialObjects
from jetson_perception.ros.spatial_messages import SpatialDetectionMessage, SpatialKeypointMessage
from jetson_perception.tasks.results import Detections

NAMES = ('person', 'dog')
HEADER = Header(frame_id='camera_optical')


def objects(count, *, tracked=False, keypoints=False):
    points = None
    if keypoints:
        points = np.full((count, 2, 3), 0.75, np.float32)
    found = Detections(
        np.tile(np.array([[0, 0, 9, 9]], np.float32), (count, 1)),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.arange(count, dtype=np.int32),
        points,
        track_id=np.arange(count) - 1 if tracked else None,
    )
    center = np.arange(3 * count, dtype=np.float64).reshape(count, 3)
    placed = None
    if keypoints:
        placed = np.stack([center, np.full_like(center, np.nan)], axis=1)
    return SpatialObjects(found, center, center + 0.5, placed)


def over_the_wire(msg, kind):
    return deserialize_message(serialize_message(msg), kind)


def test_detections():
    message = SpatialDetectionMessage(NAMES)
    msg = over_the_wire(message.fill(objects(3, tracked=True), HEADER), Detection3DArray)
    assert msg.header == HEADER
    assert [each.header for each in msg.detections] == [HEADER] * 3
    assert [each.id for each in msg.detections] == ['', '0', '1']
    kinds = [each.results[0].hypothesis.class_id for each in msg.detections]
    assert kinds == ['person', 'dog', 'class_2']
    last = msg.detections[2]
    at, size = last.bbox.center.position, last.bbox.size
    assert (at.x, at.y, at.z, size.x, size.y, size.z) == (6, 7, 8, 6.5, 7.5, 8.5)
    assert last.results[0].pose.pose == last.bbox.center
    assert last.results[0].hypothesis.score == pytest.approx(0.5)
    turn = last.bbox.center.orientation
    assert (turn.x, turn.y, turn.z, turn.w) == (0, 0, 0, 1)
    # Nothing is left over from the frame before.
    assert message.fill(objects(0), HEADER).detections == []
    assert [each.id for each in message.fill(objects(1), HEADER).detections] == ['']


def test_boxes_of_another_frame_are_turned():
    turn = (-0.5, 0.5, -0.5, 0.5)
    moved = objects(1).moved((0.0, 0.0, 1.0), turn)
    (one,) = SpatialDetectionMessage(NAMES).fill(moved, HEADER).detections
    found = one.bbox.center.orientation
    assert (found.x, found.y, found.z, found.w) == turn


def test_keypoints():
    message = SpatialKeypointMessage(NAMES, ('nose', 'tail'))
    made = message.fill(objects(2, keypoints=True, tracked=True), HEADER)
    msg = over_the_wire(made, KeypointDetection3DArray)
    assert msg.header == HEADER
    second = msg.detections[1]
    assert (second.hypothesis.class_id, second.id) == ('dog', '0')
    assert second.bbox.center.position.z == 5
    nose, tail = second.keypoints
    assert (nose.name, nose.x, nose.y, nose.z, nose.score) == ('nose', 3, 4, 5, 0.75)
    assert tail.name == 'tail'
    assert all(map(math.isnan, (tail.x, tail.y, tail.z)))
    assert message.fill(objects(0, keypoints=True), HEADER).detections == []
