"""The topics of several cameras: where results go, and what is refused."""

from contextlib import contextmanager

import pytest
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from jetson_perception.errors import ParameterError
from jetson_perception.ros.camera_topics import CameraTopicsParams, camera_topics


@contextmanager
def node(*remappings):
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    arguments = ['--ros-args', *(word for each in remappings for word in ('-r', each))]
    made = rclpy.create_node(
        'perception', context=context, namespace='yolo', cli_args=arguments, enable_rosout=False
    )
    try:
        yield made
    finally:
        made.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ('names', 'prefixes'),
    [
        pytest.param([], [], id='none'),
        pytest.param(['/front/image_raw'], ['/front/'], id='one'),
        pytest.param(['/front/image_raw', '/rear/color'], ['/front/', '/rear/'], id='two'),
        pytest.param(['/a/left/image', '/a/right/image'], ['/a/left/', '/a/right/'], id='deep'),
        pytest.param(['front/image_raw', 'image'], ['/yolo/front/', '/yolo/'], id='relative'),
        pytest.param(['/image', '/front/image'], ['/', '/front/'], id='root'),
        pytest.param(['/front/image_raw/compressed'], ['/front/'], id='compressed'),
        pytest.param(['/front/image_raw/ffmpeg'], ['/front/'], id='video'),
        pytest.param(['~/image'], ['/yolo/perception/'], id='private'),
    ],
)  # fmt: skip
def test_results_go_to_the_namespace_of_the_topic(names, prefixes):
    with node() as made:
        found = camera_topics(made, names)
    assert [each.topic for each in found] == names
    assert [each.prefix for each in found] == prefixes


def test_the_name_counts_that_was_not_remapped():
    with node('left/image:=/cam/left', 'right/image:=/cam/right') as made:
        found = camera_topics(made, ['left/image', 'right/image'])
    assert [each.prefix for each in found] == ['/yolo/left/', '/yolo/right/']


@pytest.mark.parametrize(
    ('names', 'told'),
    [
        pytest.param(['/cam/left', '/cam/right'], r'left and /cam/right, .* would go to /cam, .*'
                     r'-r a/image:=/cam/left -r b/image:=/cam/right', id='one_namespace'),
        pytest.param(['/left', '/right'], r'would go to /, ', id='the_root'),
        pytest.param(['/front/image', '/front/image'], r'/front/image twice', id='twice'),
        pytest.param(['/front/image', '/front/image/compressed'], r'would go to /front,',
                     id='raw_and_compressed'),
        pytest.param(['/fr ont/image'], r"has '/fr ont/image', which is no name", id='no_name'),
        pytest.param([''], r"has '', which is no name of a topic", id='empty'),
        pytest.param(['/front/\nx'], r'which is no name of a topic', id='not_printable'),
    ],
)  # fmt: skip
def test_what_is_refused(names, told):
    with node() as made, pytest.raises(ParameterError, match=told) as caught:
        camera_topics(made, names)
    assert caught.value.parameter == 'image_topics'
    assert '\n' not in str(caught.value)


def test_image_and_cameras_exclude_each_other():
    with node('image:=/front/color') as made:
        assert camera_topics(made, []) == []
        with pytest.raises(ParameterError, match='image is remapped to /front/color; give one'):
            camera_topics(made, ['/front/image_raw'])


def test_there_may_not_be_any_number():
    topics = tuple(f'/camera_{index}/image' for index in range(33))
    assert CameraTopicsParams(topics[:32]).problem() == ''
    assert 'has 33 topics; at most 32' in CameraTopicsParams(topics).problem()
