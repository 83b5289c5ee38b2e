"""`jetson-perception doctor --topic` of real cameras, and of what is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from nodes.support import BEST_EFFORT, EVERY_RESULT, image_message, node_process
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from jetson_perception.commands.main import main
from jetson_perception.ros.measuring import camera_topic


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('NO_COLOR', '1')


@pytest.fixture
def camera(peer, start):
    """Starts camera_node; gives its process once the first image has come."""

    def started(**parameters):
        source = {'source': 'scene://oranges', 'width': 320, 'height': 240, 'frame_rate': 20.0}
        node = start(node_process('camera_node', peer.namespace, **{**source, **parameters}))
        images = peer.collect('image_raw', Image, BEST_EFFORT)
        peer.wait_for(lambda: images, 'an image')
        peer.stop_collecting('image_raw')
        return node

    return started


def test_a_camera(peer, camera, capsys):
    node = camera()
    peer.node.create_subscription(Image, 'image_raw', lambda msg: None, EVERY_RESULT)
    topic = f'/{peer.namespace}/image_raw'
    main(['doctor', '--topic', topic, '--seconds', '1', '--json'])  # a busy machine may lose some
    record = json.loads(capsys.readouterr().out)
    measured = record['measured']
    assert measured['topic'] == topic
    assert measured['received'] > 0
    assert 0 < measured['rate_hz'] < 40
    assert measured['counted_by'] == 'numbers'
    assert 0 <= measured['age_ms']['before_sending'] <= measured['age_ms']['max'] < 60_000
    assert measured['image'] == '320×240 bgr8'
    assert measured['nbytes'] >= 320 * 240 * 3
    (publisher,) = measured['publishers']
    assert publisher['node'] == f'/{peer.namespace}/camera_node'
    assert (publisher['pid'], publisher['program']) == (node.pid, 'camera_node')
    assert publisher['same_host'] is True
    assert measured['transport'] in ('shared memory', 'UDP')
    reliable = publisher['reliability'] == 'reliable'
    assert bool(measured['subscribers_without']) is not reliable
    names = [each['name'] for each in record['findings']]
    assert {'publisher', 'messages', 'rate', 'age', 'transport', 'lost'} <= set(names)


def test_a_camera_that_sends_nothing(peer, capsys):
    peer.node.create_publisher(Image, 'image', BEST_EFFORT)
    measured = camera_topic.measure_topic(f'{peer.namespace}/image', 0.5)
    assert (measured.received, measured.rate_hz, measured.silent_s) == (0, 0.0, 0.5)
    (finding,) = measured.findings
    assert finding['cause'] == 'the publisher is silent'
    assert measured.publishers[0]['same_host'] is True


@pytest.mark.slow
def test_as_text(peer, camera, capsys):
    camera()
    main(['doctor', '--topic', f'/{peer.namespace}/image_raw', '--seconds', '1'])
    printed = capsys.readouterr().out
    assert f'/{peer.namespace}/image_raw arrives at' in printed
    assert '320×240 bgr8' in printed


@pytest.mark.slow
def test_compressed_images_and_other_messages(peer, camera):
    camera()
    measured = camera_topic.measure_topic(f'/{peer.namespace}/camera_info', 1.0)
    assert measured.type_name == 'sensor_msgs/msg/CameraInfo'
    assert (measured.image, measured.received > 0) == ('', True)


@pytest.mark.slow
def test_stamps_of_another_clock(peer):
    """A camera's clock that is an hour ahead: ages mean nothing, all else does."""
    publisher = peer.node.create_publisher(CameraInfo, 'camera_info', BEST_EFFORT)
    messages = []

    def send():
        message = CameraInfo()
        message.header.stamp.sec = int(time.time()) + 3600
        publisher.publish(message)
        messages.append(message)

    peer.node.create_timer(0.05, send)
    command = [sys.executable, '-m', 'jetson_perception', 'doctor', '--json', '--seconds', '1']
    with subprocess.Popen(
        [*command, '--topic', f'/{peer.namespace}/camera_info'],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        peer.wait_for(lambda: process.poll() is not None, 'the end of the command')
        measured = json.loads(process.stdout.read())['measured']
    assert measured['received'] > 0
    assert measured['age_ms'] is None
    assert "60.0 min ahead of this machine's clock" in measured['clock_problem']


def test_a_stamp_behind_the_last_second(peer):
    """Any 32 bits may come as nanoseconds, and Humble refuses the time that they make."""
    publisher = peer.node.create_publisher(CameraInfo, 'camera_info', BEST_EFFORT)
    message = CameraInfo()
    message.header.stamp.sec, message.header.stamp.nanosec = 2**31 - 1, 2**32 - 1
    peer.node.create_timer(0.05, lambda: publisher.publish(message))
    command = [sys.executable, '-m', 'jetson_perception', 'doctor', '--json', '--seconds', '1']
    with subprocess.Popen(
        [*command, '--topic', f'/{peer.namespace}/camera_info'],
        env=os.environ | {'ROS_PYTHON_CHECK_FIELDS': '1'},  # as it always does in Humble
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        peer.wait_for(lambda: process.poll() is not None, 'the end of the command')
        measured = json.loads(process.stdout.read())['measured']
    assert measured['received'] > 0
    assert 'ahead of' in measured['clock_problem']


@pytest.mark.slow
class TestRefused:
    def error(self, capsys, *options):
        assert main(['doctor', *options]) == 1
        return capsys.readouterr().err

    def test_nobody_publishes(self, peer, capsys):
        peer.node.create_publisher(Image, 'image', BEST_EFFORT)
        said = self.error(capsys, '--topic', '/nowhere', '--seconds', '1')
        assert (
            f'nobody publishes /nowhere; images are published on /{peer.namespace}/image' in said
        )

    def test_messages_without_a_header(self, peer, capsys):
        peer.node.create_publisher(String, 'words', 1)
        said = self.error(capsys, '--topic', f'/{peer.namespace}/words')
        assert 'std_msgs/msg/String have no header' in said


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        pytest.param(['--topic', '/a', '--seconds', '0'], '--seconds is 0', id='no time'),
        pytest.param(['--topic', '/a', '--seconds', 'nan'], '--seconds is nan', id='no number'),
        pytest.param(['--topic', '/a', '--seconds', '1e9'], '--seconds is 1e+09', id='for ever'),
        pytest.param(['--seconds', '3'], 'name it by --topic', id='no topic'),
    ],
)
def test_options(options, text, capsys):
    assert main(['doctor', *options]) == 1
    assert text in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c(peer):
    publisher = peer.node.create_publisher(Image, 'image', BEST_EFFORT)
    command = [sys.executable, '-m', 'jetson_perception', 'doctor', '--seconds', '600']
    with subprocess.Popen(
        [*command, '--topic', f'/{peer.namespace}/image'], stderr=subprocess.PIPE, text=True
    ) as process:
        peer.wait_for(publisher.get_subscription_count, 'the subscription of the doctor')
        publisher.publish(image_message(np.zeros((2, 2, 3), np.uint8)))
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert 'Traceback' not in said
    peer.wait_for(lambda: not publisher.get_subscription_count(), 'the end of its process')
