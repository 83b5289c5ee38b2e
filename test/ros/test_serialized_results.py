"""Bytes of results against the messages that ROS reads in them."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from jetson_perception.msg import KeypointDetection2DArray
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros.result_messages import DetectionMessage, KeypointMessage
from jetson_perception.ros.serialized_results import DetectionBytes, KeypointBytes
from jetson_perception.tasks.results import Detections

# Every length up to two alignments, and not only ASCII.
CLASSES = ('', 'a', 'ox', 'cat', 'bird', 'horse', 'person', 'bicycle', 'elephant', 'Äpfel', '馬')
KEYPOINTS = ('nose', 'left_eye', '', 'right_ear')
FRAME_IDS = ('', 'c', 'camera', 'camera_optical_frame', 'Kamera für oben')


def header(frame_id='camera', sec=1_700_000_000, nanosec=999_999_999):
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def detections(count, seed=0, keypoint_count=None, tracked=False):
    numbers = np.random.default_rng(seed)
    keypoints = None
    if keypoint_count is not None:
        keypoints = numbers.normal(0, 900, (count, keypoint_count, 3)).astype(np.float32)
    return Detections(
        numbers.uniform(0, 1280, (count, 4)).astype(np.float32),
        numbers.random(count, np.float32),
        numbers.integers(0, len(CLASSES) + 2, count).astype(np.int32),
        keypoints,
        # Every length, the longest and the empty one among them.
        track_id=(2 ** numbers.integers(0, 63, count) - 2).astype(np.int64) if tracked else None,
    )


def pairs():
    """Each writer with what makes the same message, and how many keypoints it wants."""
    return [
        pytest.param(
            DetectionBytes(CLASSES), DetectionMessage(CLASSES), Detection2DArray, None, id='boxes'
        ),
        pytest.param(
            KeypointBytes(CLASSES, KEYPOINTS),
            KeypointMessage(CLASSES, KEYPOINTS),
            KeypointDetection2DArray,
            len(KEYPOINTS),
            id='keypoints',
        ),
    ]


@pytest.mark.parametrize(('writer', 'twin', 'kind', 'keypoint_count'), pairs())
@pytest.mark.parametrize('count', [0, 1, 2, 50, 300])
@pytest.mark.parametrize('tracked', [False, True], ids=['untracked', 'tracked'])
def test_ros_reads_the_message(writer, twin, kind, keypoint_count, count, tracked):
    for frame_id in FRAME_IDS:
        for seed in range(3):
            found = detections(count, seed, keypoint_count, tracked)
            data = writer.fill(found, header(frame_id))
            assert type(data) is bytes
            assert deserialize_message(data, kind) == twin.fill(found, header(frame_id))


@pytest.mark.parametrize(('writer', 'twin', 'kind', 'keypoint_count'), pairs())
@pytest.mark.parametrize('count', [0, 1, 50])
def test_oriented_boxes(writer, twin, kind, keypoint_count, count):
    found = detections(count, 0, keypoint_count)
    oriented = np.random.default_rng(1).normal(0, 9, (count, 5)).astype(np.float32)
    turned = replace(found, oriented=oriented)
    read = deserialize_message(writer.fill(turned, header()), kind)
    assert read == twin.fill(turned, header())
    for box, (x, y, width, height, angle) in zip(read.detections, oriented.tolist(), strict=True):
        center = box.bbox.center
        assert (center.position.x, center.position.y, center.theta) == (x, y, angle)
        assert (box.bbox.size_x, box.bbox.size_y) == (width, height)
    upright = deserialize_message(writer.fill(found, header()), kind)
    assert upright == twin.fill(found, header())
    assert not any(box.bbox.center.theta for box in upright.detections)


@pytest.mark.parametrize(('writer', 'twin', 'kind', 'keypoint_count'), pairs())
@pytest.mark.parametrize(('sec', 'nanosec'), [(0, 0), (-1, 5), (2**31 - 1, 999_999_999)])
def test_every_stamp_is_the_images(writer, twin, kind, keypoint_count, sec, nanosec):
    found = detections(7, 1, keypoint_count)
    given = header('camera', sec, nanosec)
    read = deserialize_message(writer.fill(found, given), kind)
    assert read == twin.fill(found, given)
    assert read.header == given


def test_earlier_results_leave_no_trace():
    writer, twin = DetectionBytes(CLASSES), DetectionMessage(CLASSES)
    for count, frame_id in ((300, 'a'), (0, 'b'), (5, 'a'), (1, 'b'), (300, 'b'), (0, 'a')):
        found = detections(count, count)
        read = deserialize_message(writer.fill(found, header(frame_id)), Detection2DArray)
        assert read == twin.fill(found, header(frame_id))


def test_ids_come_and_go_with_the_same_classes_and_lengths():
    writer, twin = DetectionBytes(CLASSES), DetectionMessage(CLASSES)
    untracked = detections(3)
    for tracks in (None, [1, 2, 3], [4, 5, 6], [-1, 10, 6], None, [-1, -1, -1], [6, 10, -1]):
        found = untracked
        if tracks is not None:
            found = replace(untracked, track_id=np.array(tracks, np.int64))
        data = writer.fill(found, header())
        assert deserialize_message(data, Detection2DArray) == twin.fill(found, header())


def test_class_ids_without_end_do_not_fill_the_memory():
    writer, twin = DetectionBytes(()), DetectionMessage(())
    for first in range(0, 20_000, 250):
        ids = np.arange(first, first + 250, dtype=np.int32)
        found = Detections(np.zeros((250, 4), np.float32), np.zeros(250, np.float32), ids)
        data = writer.fill(found, header())
    assert deserialize_message(data, Detection2DArray) == twin.fill(found, header())
    assert len(writer._objects) < 5000
    assert len(writer._blanks) <= 64


def test_a_model_without_names_of_keypoints_has_an_empty_list():
    writer = KeypointBytes(CLASSES, ())
    read = deserialize_message(
        writer.fill(detections(3, 0, 0), header()), KeypointDetection2DArray
    )
    assert [len(each.keypoints) for each in read.detections] == [0, 0, 0]


@pytest.mark.parametrize(('writer', 'twin', 'kind', 'keypoint_count'), pairs())
def test_infinite_numbers_go_through(writer, twin, kind, keypoint_count):
    found = detections(2, 3, keypoint_count)
    found.xyxy[0] = (-np.inf, 0, 5, 5)
    assert deserialize_message(writer.fill(found, header()), kind) == twin.fill(found, header())


def test_where_ros_lays_messages_out_otherwise_they_are_filled_as_usual(caplog):
    class OfAnotherRos(DetectionBytes):
        def _write_object(self, cdr, class_name):
            cdr.string('a field that came later')
            super()._write_object(cdr, class_name)

    with caplog.at_level(logging.INFO):
        writer = OfAnotherRos(CLASSES)
    found = detections(4)
    message = writer.fill(found, header())
    assert isinstance(message, Detection2DArray)
    assert message == DetectionMessage(CLASSES).fill(found, header())
    assert 'OfAnotherRos: this ROS lays messages out otherwise' in caplog.text
