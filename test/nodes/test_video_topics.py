"""H.264 and H.265 topics, between real processes: the packages of their messages are built."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import video_message_packages
from nodes.support import complaints, log_lines, node_process, pixels_of
from onnx_models import color_segmentation
from sensor_msgs.msg import Image

FOLDER = Path(__file__).parent


@pytest.fixture
def model(tmp_path):
    return color_segmentation(tmp_path / 'colors.onnx')


@pytest.mark.skipif(video_message_packages.are_there(), reason='the packages are installed')
def test_a_node_without_the_messages_says_what_to_install(peer, start, model):
    node = start(
        node_process('seg_node', peer.namespace, model=str(model), image_transport='foxglove')
    )
    line = peer.wait_for_log(node, 'image_transport is foxglove: ')
    assert 'apt-get install ros-$ROS_DISTRO-foxglove-msgs' in line
    assert peer.state('seg_node') == 'inactive'


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    """What processes need to find the packages of messages, and the modules that tests share."""
    found = video_message_packages.build(tmp_path_factory.mktemp('messages'))
    shared = f'{FOLDER.parent}:{found.get("PYTHONPATH", "")}'
    return found | {'PYTHONPATH': shared}


@contextmanager
def sender(environment, *arguments):
    command = [sys.executable, str(FOLDER / 'video_sender.py'), *arguments]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def received(environment, topic, transport, count):
    command = [sys.executable, str(FOLDER / 'video_receiver.py'), topic, transport, str(count)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize(
    ('transport', 'codec'), [('ffmpeg', 'h264'), ('ffmpeg', 'hevc'), ('foxglove', 'h264')]
)
def test_pictures_arrive_as_they_were_sent(environment, transport, codec):
    """Whatever transport the parameter names: what is sent on the topic is taken."""
    topic = f'/test_{transport}_{codec}'
    with sender(environment, topic, transport, codec):
        answer, said = received(environment, topic, 'raw', 40)
    frames = answer['frames']
    assert len(frames) == 40
    assert answer['errors'] == 0
    assert min(frame['psnr'] for frame in frames) > 28
    assert {(frame['frame_id'], frame['encoding']) for frame in frames} == {
        ('camera_optical', codec)
    }
    assert f'on {topic} there is ' in said
    indices = [frame['index'] for frame in frames]
    assert indices[0] % 15 == 0  # it began with a keyframe
    assert [(each + 1) % 60 for each in indices[:-1]] == indices[1:]


@pytest.mark.alone
@pytest.mark.slow
def test_after_lost_packets_pictures_are_right_again(environment):
    topic = '/test_lost/ffmpeg'
    with sender(environment, topic, 'ffmpeg', 'h264', '3', '20', '21'):
        answer, said = received(environment, '/test_lost', 'ffmpeg', 60)
    assert answer['name'] == topic
    assert min(frame['psnr'] for frame in answer['frames']) > 28
    indices = {frame['index'] for frame in answer['frames']}
    assert not indices & ({*range(3, 15)} | {*range(20, 30)})
    assert answer['rejected'] > 0
    assert said.count('a packet was lost; waiting for the next keyframe') == 1


@pytest.mark.slow
def test_a_node_answers_with_masks(peer, start, environment, model):
    process = node_process('seg_node', peer.namespace, model=str(model))
    topic = f'/{peer.namespace}/video'
    process.remappings['image'] = topic
    process.environment.update(environment)
    masks = peer.collect('mask', Image)
    node = start(process)
    with sender(environment, topic, 'foxglove', 'h264'):
        peer.wait_for(lambda: len(masks) >= 20, 'masks')
    for mask in masks:
        index = mask.header.stamp.nanosec // 1000
        left = 5 * index % (320 - 40)
        assert mask.header.frame_id == 'camera_optical'
        assert (mask.width, mask.height) == (320, 240)
        # The red square of the scene; the model calls red 1.
        assert (pixels_of(mask)[44:76, left + 4 : left + 36] == 1).mean() > 0.95
    assert log_lines(node, r'first image 320×240 h264')
    assert [line for line in complaints(node) if 'waiting for the next' not in line] == []
    assert np.unique([mask.header.stamp.nanosec for mask in masks]).size >= 20
