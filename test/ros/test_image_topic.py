"""Which topic is meant, by every way in which a user can name it."""

import sys
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.errors import ParameterError
from jetson_perception.ros.image_topic import (
    ImageTopic,
    image_topic,
    raw_topic,
    require_takeable,
)


@pytest.fixture
def found():
    """The topic that a node finds which was started with remappings."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    nodes = []

    def find(transport, **remappings):
        rules = [f'{name.replace("__", "/")}:={topic}' for name, topic in remappings.items()]
        arguments = ['--ros-args', *(word for rule in rules for word in ('-r', rule))]
        nodes.append(
            rclpy.create_node('node', context=context, namespace='seg', cli_args=arguments)
        )
        return image_topic(nodes[-1], 'image', transport)

    yield find
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


RAW, JPEG = '/camera/image_raw', '/camera/image_raw/compressed'


@pytest.mark.parametrize(
    ('transport', 'remappings', 'expected'),
    [
        pytest.param('raw', {}, ('/seg/image', 'raw'), id='nothing'),
        pytest.param('compressed', {}, ('/seg/image/compressed', 'compressed'), id='parameter'),
        pytest.param('raw', {'image': RAW}, (RAW, 'raw'), id='raw_topic'),
        pytest.param(
            'compressed', {'image': RAW}, (JPEG, 'compressed'), id='raw_topic_and_parameter'
        ),
        pytest.param('raw', {'image': JPEG}, (JPEG, 'compressed'), id='compressed_topic'),
        pytest.param('compressed', {'image': JPEG}, (JPEG, 'compressed'), id='both'),
        pytest.param(
            'raw', {'image__compressed': JPEG}, (JPEG, 'compressed'), id='compressed_alone'
        ),
        pytest.param(
            'compressed',
            {'image__compressed': '/jpeg'},
            ('/jpeg', 'compressed'),
            id='another_name',
        ),
        pytest.param(
            'raw', {'image': RAW, 'image__compressed': JPEG}, (RAW, 'raw'), id='launch_raw'
        ),
        pytest.param(
            'compressed',
            {'image': RAW, 'image__compressed': JPEG},
            (JPEG, 'compressed'),
            id='launch',
        ),
        pytest.param(
            'raw',
            {'image': JPEG, 'image__compressed': f'{JPEG}/compressed'},
            (JPEG, 'compressed'),
            id='launch_with_a_compressed_topic',
        ),
        pytest.param(
            'compressed',
            {'image': JPEG, 'image__compressed': f'{JPEG}/compressed'},
            (JPEG, 'compressed'),
            id='launch_with_both',
        ),
    ],
)
def test_is_found_however_it_is_given(found, transport, remappings, expected):
    assert found(transport, **remappings) == expected


FFMPEG, FOXGLOVE = '/camera/image_raw/ffmpeg', '/camera/image_raw/foxglove'


@pytest.mark.parametrize(
    ('transport', 'remappings', 'expected'),
    [
        pytest.param('ffmpeg', {}, ('/seg/image/ffmpeg', 'ffmpeg'), id='parameter'),
        pytest.param('foxglove', {'image': RAW}, (FOXGLOVE, 'foxglove'), id='raw_topic'),
        pytest.param('raw', {'image': FFMPEG}, (FFMPEG, 'ffmpeg'), id='video_topic'),
        pytest.param('compressed', {'image': FFMPEG}, (FFMPEG, 'ffmpeg'), id='name_counts_most'),
        pytest.param('raw', {'image__ffmpeg': '/h264'}, ('/h264', 'ffmpeg'), id='alone'),
        pytest.param(
            'ffmpeg', {'image': RAW, 'image__compressed': JPEG}, (FFMPEG, 'ffmpeg'), id='launch'
        ),
    ],
)
def test_video_is_found_however_it_is_given(found, transport, remappings, expected):
    assert found(transport, **remappings) == expected


def test_forms_of_images_on_a_topic():
    raw = ImageTopic(RAW)
    assert (raw.message_type, raw.type_name) == (Image, 'sensor_msgs/msg/Image')
    assert [each.form for each in raw.others] == ['compressed', 'ffmpeg', 'foxglove']
    assert (raw.compressed, raw.is_video, raw.problem()) == (False, False, '')
    jpeg = raw.others[0]
    assert (jpeg.name, jpeg.message_type) == (RAW, CompressedImage)
    assert (jpeg.type_name, jpeg.compressed) == ('sensor_msgs/msg/CompressedImage', True)
    assert raw in jpeg.others
    assert raw_topic(FFMPEG) == raw_topic(JPEG) == raw_topic(RAW) == RAW


@pytest.mark.parametrize(
    ('types', 'expected'),
    [
        pytest.param([], None, id='nothing'),
        pytest.param(['sensor_msgs/msg/Image'] * 2, None, id='what_it_is'),
        pytest.param(['sensor_msgs/msg/CompressedImage'] * 2, 'compressed', id='another'),
        pytest.param(['foxglove_msgs/msg/CompressedVideo'], 'foxglove', id='video'),
        pytest.param(
            ['sensor_msgs/msg/CompressedImage', 'foxglove_msgs/msg/CompressedVideo'],
            None,
            id='two_others',
        ),
        pytest.param(['std_msgs/msg/String'], None, id='no_image'),
    ],
)
def test_the_form_in_which_all_are_sent(types, expected):
    sent = ImageTopic(RAW).sent_as(types)
    assert sent == (ImageTopic(RAW, expected) if expected else None)


@pytest.mark.parametrize(
    ('transport', 'package'),
    [('ffmpeg', 'ffmpeg-image-transport-msgs'), ('foxglove', 'foxglove-msgs')],
)
def test_a_missing_package_of_messages_is_named(transport, package):
    """They are not there where tests run; see test/nodes/test_video_topics.py."""
    topic = ImageTopic(FFMPEG, transport)
    assert f'apt-get install ros-$ROS_DISTRO-{package}' in topic.problem()
    with pytest.raises(ParameterError, match=f'image_transport is {transport}: messages of '):
        require_takeable(topic)


def test_missing_pyav_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', SimpleNamespace(CompressedVideo=Image))
    monkeypatch.setitem(sys.modules, 'foxglove_msgs', SimpleNamespace())
    topic = ImageTopic(FOXGLOVE, 'foxglove')
    assert topic.problem().endswith(": pip install 'av>=17'")
    monkeypatch.setitem(sys.modules, 'av', SimpleNamespace(__version__='12.3.0'))
    assert 'needs PyAV 17, and 12.3.0 is here: ' in topic.problem()
