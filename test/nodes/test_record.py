"""`record` as launch files start it: what was published is in the bag, and plays back whole."""

import os

import cv2
import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import EVERY_RESULT, LATCHED, begin, node_process, wait_for_exit
from onnx_models import detector
from rclpy.qos import qos_profile_sensor_data
from rosbags.highlevel import AnyReader
from small_disk import small_disk
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from jetson_perception.bringup import NodeProcess
from jetson_perception.recorded_topics import recorded_topics
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.processes import RunningProcess
from jetson_perception.ros.recording.bag import RESERVE_BYTES


def recorder(peer, folder, topics=''):
    topics = topics or recorded_topics([peer.namespace])
    return NodeProcess(
        'record', arguments=(str(folder), '--topics', topics, '--recorder', 'rosbags')
    )


def messages(folder):
    """Messages of the only recording in a folder, by topic."""
    (bag,) = folder.iterdir()
    found = {}
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append(message)
    return found


def test_all_that_is_published_until_ctrl_c(peer, start, tmp_path):
    publishers = {
        name: peer.node.create_publisher(String, f'mine/{name}', qos)
        for name, qos in (('plain', 10), ('latched', LATCHED), ('sensor', qos_profile_sensor_data))
    }
    publishers['latched'].publish(String(data='before'))
    expression = f'^/{peer.namespace}/mine/'
    node = start(recorder(peer, tmp_path / 'bags', topics=expression))
    for publisher in publishers.values():
        peer.wait_for_subscriber(publisher)
    for number in range(20):
        publishers['plain'].publish(String(data=str(number)))
        publishers['sensor'].publish(String(data=str(number)))
    assert publishers['plain'].wait_for_all_acked()
    peer.watched.remove(node)
    assert node.end() == 0
    found = {
        topic.rpartition('/')[2]: [each.data for each in of_topic]
        for topic, of_topic in messages(tmp_path / 'bags').items()
    }
    assert found['plain'] == [str(number) for number in range(20)]
    assert found['latched'] == ['before']
    assert set(found) == {'plain', 'latched', 'sensor'}
    assert 'messages of 3 topics are in' in node.log.read_text()


def test_a_full_disk_is_said_before_anything_is_written(peer, tmp_path):
    mounted = tmp_path / 'disk'
    mounted.mkdir()
    with small_disk(mounted, RESERVE_BYTES >> 20) as disk:
        node = RunningProcess(recorder(peer, disk / 'bags'), tmp_path / 'log')
        assert wait_for_exit(node) == 1
        assert '64 MB are left free' in node.log.read_text()
        assert list((disk / 'bags').iterdir()) == []


def test_rosbag2_gets_a_folder_that_is_new_and_the_topics(tmp_path):
    """By a stand-in for the command ros2, as rosbag2 is not installed everywhere."""
    ros2 = tmp_path / 'ros2'
    ros2.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    ros2.chmod(0o755)
    process = NodeProcess(
        'record',
        arguments=(str(tmp_path / 'bags'), '--topics', '^/a b$', '--recorder', 'rosbag2'),
        environment={'PATH': f'{tmp_path}:{os.environ["PATH"]}'},
    )
    node = RunningProcess(process, tmp_path / 'log')
    assert wait_for_exit(node) == 0
    said = node.log.read_text().splitlines()
    assert said[:4] == ['bag', 'record', '-s', 'mcap']
    assert said[-2:] == ['-e', '^/a b$']
    folder = said[said.index('-o') + 1]
    assert folder.startswith(f'{tmp_path}/bags/2')
    assert list((tmp_path / 'bags').iterdir()) == []


COUNT = 30


@pytest.mark.slow
def test_a_recording_plays_back_through_every_frame_without_loss(peer, start, tmp_path):
    """What a camera sent is recorded, and each recorded image gets its result."""
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(COUNT):
        cv2.imwrite(str(pictures / f'{index:02}.png'), np.full((48, 64, 3), 4 * index, np.uint8))
    topic = f'/{peer.namespace}/camera/image_raw/compressed'
    node = start(recorder(peer, tmp_path / 'bags'))
    camera = node_process(
        'camera_node',
        f'{peer.namespace}/camera',
        source=f'images://{pictures}',
        frame_rate=20.0,
        loop=True,
    )
    camera = start(camera)
    stats = peer.collect('camera/stats', PipelineStats)
    peer.wait_for(lambda: any(each.frames_processed >= COUNT for each in stats), 'the images')
    for each in (camera, node):
        peer.watched.remove(each)
        assert each.end() == 0
    recorded = messages(tmp_path / 'bags')[topic]
    assert len(recorded) > COUNT / 2
    assert len({stamp_ns(each.header) for each in recorded}) == len(recorded)

    (bag,) = (tmp_path / 'bags').iterdir()
    answers = peer.collect('again/det/detections', Detection2DArray, EVERY_RESULT)
    start(
        node_process(
            'yolo_node',
            f'{peer.namespace}/again',
            engines=['det'],
            det__model=str(detector(tmp_path / 'detector.onnx')),
            source=f'bag://{bag}?topic={topic}',
            every_frame=True,
            frame_rate=0.0,
            autostart=False,
        )
    )
    begin(peer, 'again/yolo_node')
    stamps = [stamp_ns(each.header) for each in recorded]
    peer.wait_for(lambda: len(answers) >= len(stamps), 'a result of each recorded image')
    assert [stamp_ns(each.header) for each in answers] == stamps
