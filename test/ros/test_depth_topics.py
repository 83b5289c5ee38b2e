import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.ros.depth_parameters import DepthParams
from jetson_perception.ros.depth_topics import depth_topic, depth_topics


@pytest.fixture
def node(make_node):
    return make_node()


TWO = ('front/image_raw', 'rear/image_raw/compressed')


def test_none(node):
    assert depth_topics(node, DepthParams(), ['image']) == []


def test_one_camera(node):
    params = DepthParams(image_topics=('/depth/image_raw',))
    (found,) = depth_topics(node, params, ['/color/image_raw'])
    assert found == ('/depth/image_raw', '/color/camera_info')


def test_several_cameras(node):
    params = DepthParams(image_topics=('/front/depth', '/rear/depth'))
    found = depth_topics(node, params, [f'/{each}' for each in TWO])
    assert found == [
        ('/front/depth', '/front/camera_info'),
        ('/rear/depth', '/rear/camera_info'),
    ]


def test_named_calibrations(node):
    params = DepthParams(image_topics=('/depth',), camera_info_topics=('/rig/info',))
    assert depth_topics(node, params, ['image'])[0].camera_info == '/rig/info'


@pytest.mark.parametrize(
    ('params', 'images', 'problem'),
    [
        pytest.param(
            DepthParams(image_topics=('/a', '/b')),
            ['image'],
            'depth.image_topics has 2 topics, and this node has 1 camera; give one for each',
            id='too_many',
        ),
        pytest.param(
            DepthParams(image_topics=('/a',)),
            TWO,
            'depth.image_topics has 1 topic, and this node has 2 cameras',
            id='too_few',
        ),
        pytest.param(
            DepthParams(image_topics=('/a', '/a')), TWO, 'a topic of its own', id='twice'
        ),
        pytest.param(
            DepthParams(image_topics=('a b',)), ['image'], 'which is no name of a topic', id='name'
        ),
        pytest.param(
            DepthParams(camera_info_topics=('/a',)),
            ['image'],
            'depth.camera_info_topics is set, but depth.image_topics is empty',
            id='no_images',
        ),
        pytest.param(
            DepthParams(target_frame='base_link'),
            ['image'],
            'depth.target_frame is set, but depth.image_topics is empty',
            id='a_frame_alone',
        ),
    ],
)
def test_topics_that_do_not_suit_the_cameras(node, params, images, problem):
    with pytest.raises(ParameterError, match=problem):
        depth_topics(node, params, images)


def test_parameters_that_disagree():
    params = DepthParams(image_topics=('/a',), camera_info_topics=('/b', '/c'))
    assert 'give one for each camera' in params.problem()
    assert DepthParams(image_topics=('/a',), camera_info_topics=('/b',)).problem() == ''


@pytest.mark.parametrize(
    ('name', 'form'), [('/a/image_raw', 'raw'), ('/a/image_raw/compressedDepth', 'compressed')]
)
def test_form(name, form):
    assert depth_topic(name) == (name, form)
