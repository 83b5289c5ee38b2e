"""Bags that are written: whole on a disk that is full, and never over another."""

import os

import pytest
from jetson_perception.msg import KeypointDetection2D, KeypointDetection2DArray
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from small_disk import file_size_limit, small_disk
from std_msgs.msg import String

from jetson_perception.errors import PerceptionError
from jetson_perception.ros.recording.bag import Bag, BagFullError
from jetson_perception.ros.recording.message_types import MessageTypes, message_class


def read(folder):
    with AnyReader([folder]) as bag:
        return [
            (connection.topic, received_ns, bag.deserialize(data, connection.msgtype))
            for connection, received_ns, data in bag.messages()
        ]


def test_nothing_recorded_is_a_bag_too(tmp_path):
    bag = Bag(tmp_path / 'a', reserve_bytes=0)
    bag.close()
    bag.close()
    assert read(tmp_path / 'a') == []


def test_messages_of_ours_come_back_as_they_were(tmp_path):
    bag = Bag(tmp_path / 'new' / 'bag', reserve_bytes=0)
    bag.add_topic('/keypoints', 'jetson_perception/msg/KeypointDetection2DArray')
    bag.add_topic('/text', 'std_msgs/msg/String')
    sent = KeypointDetection2DArray(detections=[KeypointDetection2D(id='7')])
    bag.write('/keypoints', 5, serialize_message(sent))
    bag.write('/text', 6, serialize_message(String(data='ü')))
    bag.close()
    (keypoints, text) = read(tmp_path / 'new' / 'bag')
    assert keypoints[:2] == ('/keypoints', 5)
    assert keypoints[2].detections[0].id == '7'
    assert (text[1], text[2].data) == (6, 'ü')
    assert (bag.messages, bag.topics) == (2, 2)


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'file').write_text('mine')
    for folder in (tmp_path / 'a', tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(PerceptionError, match='cannot record into'):
            Bag(folder, reserve_bytes=0)
    assert (tmp_path / 'file').read_text() == 'mine'


def test_types_that_are_not_known():
    for name in ('none/msg/None', 'std_msgs/msg/None', '', '/msg/', 'std_msgs/msg/../../x'):
        with pytest.raises(PerceptionError):
            message_class(name)
        with pytest.raises(PerceptionError):
            MessageTypes().add(name)


def fill(bag):
    """Write what does not compress until no more can be written."""
    bag.add_topic('/t', 'std_msgs/msg/String')
    for number in range(100):
        bag.write('/t', number, os.urandom(1 << 20))


def test_the_disk_is_nearly_full_and_the_bag_is_whole(tmp_path):
    with small_disk(tmp_path, 16) as disk:
        bag = Bag(disk / 'a', reserve_bytes=6 << 20)
        with pytest.raises(BagFullError, match='MB left, and 6 MB are left free'):
            fill(bag)
        bag.close()
        with AnyReader([disk / 'a']) as reader:
            assert sum(1 for _ in reader.messages()) == bag.messages >= 5
        with pytest.raises(BagFullError):
            Bag(disk / 'b', reserve_bytes=15 << 20)
        assert not (disk / 'b').exists()


def test_a_file_that_may_not_grow_ends_the_recording(tmp_path):
    bag = Bag(tmp_path / 'a', reserve_bytes=0)
    with file_size_limit(3 << 20):
        with pytest.raises(BagFullError, match='cannot write to'):
            fill(bag)
        with pytest.raises(PerceptionError, match=r'has no end: .*mcap recover'):
            bag.close()
    bag.close()
