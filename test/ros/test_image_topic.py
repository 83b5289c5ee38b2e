"""Which topic is meant, by every way in which a user can name it."""

import pytest
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros.image_topic import ImageTopic, image_topic


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
        pytest.param('raw', {}, ('/seg/image', False), id='nothing'),
        pytest.param('compressed', {}, ('/seg/image/compressed', True), id='parameter'),
        pytest.param('raw', {'image': RAW}, (RAW, False), id='raw_topic'),
        pytest.param('compressed', {'image': RAW}, (JPEG, True), id='raw_topic_and_parameter'),
        pytest.param('raw', {'image': JPEG}, (JPEG, True), id='compressed_topic'),
        pytest.param('compressed', {'image': JPEG}, (JPEG, True), id='both'),
        pytest.param('raw', {'image__compressed': JPEG}, (JPEG, True), id='compressed_alone'),
        pytest.param(
            'compressed', {'image__compressed': '/jpeg'}, ('/jpeg', True), id='another_name'
        ),
        pytest.param(
            'raw', {'image': RAW, 'image__compressed': JPEG}, (RAW, False), id='launch_raw'
        ),
        pytest.param(
            'compressed', {'image': RAW, 'image__compressed': JPEG}, (JPEG, True), id='launch'
        ),
        pytest.param(
            'raw',
            {'image': JPEG, 'image__compressed': f'{JPEG}/compressed'},
            (JPEG, True),
            id='launch_with_a_compressed_topic',
        ),
        pytest.param(
            'compressed',
            {'image': JPEG, 'image__compressed': f'{JPEG}/compressed'},
            (JPEG, True),
            id='launch_with_both',
        ),
    ],
)
def test_is_found_however_it_is_given(found, transport, remappings, expected):
    assert found(transport, **remappings) == expected


def test_two_kinds_of_images_on_a_topic():
    raw = ImageTopic(RAW, False)
    assert (raw.message_type, raw.type_name) == (Image, 'sensor_msgs/msg/Image')
    jpeg = raw.other
    assert (jpeg.name, jpeg.message_type) == (RAW, CompressedImage)
    assert jpeg.type_name == 'sensor_msgs/msg/CompressedImage'
    assert jpeg.other == raw
