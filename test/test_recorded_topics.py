"""Which topics are recorded: results and images as asked, nothing that is drawn for people."""

import re

import pytest

from jetson_perception.recorded_topics import recorded_topics


def are_recorded(expression, *topics):
    return [topic for topic in topics if re.search(expression, topic)]


def test_nothing_asked_for_leaves_what_every_robot_has():
    named = ('/tf', '/tf_static', '/diagnostics')
    assert are_recorded(recorded_topics([]), *named, '/', '', '/mask', '/x/tf') == list(named)


@pytest.mark.parametrize('namespace', ['yolo', '/yolo', '/yolo/'])
def test_results_of_engines_and_cameras(namespace):
    taken = [
        f'/yolo/{each}'
        for each in (
            'mask',
            'det/detections',
            'det/detections_3d',
            'det/annotations',
            'pose/keypoints',
            'depth/depth/relative',
            'front/det/stats',
            'camera/camera_info',
            'camera/image_raw/compressed',
        )
    ]
    left = [
        f'/yolo/{each}'
        for each in (
            'annotated',
            'annotated/compressed',
            'mask/color',
            'depth/depth/color',
            'camera/image_raw',
            'camera/image_raw/done',
            'camera/ground_truth/mask',
            'yolo_node/transition_event',
        )
    ]
    others = ['/det/detections', '/yolo2/mask', '/my/yolo/mask', '/yolo']
    assert are_recorded(recorded_topics([namespace]), *taken, *left, *others) == taken


@pytest.mark.parametrize(
    ('record_images', 'image', 'expected'),
    [
        ('compressed', '/a/front', ['/a/front/compressed', '/a/camera_info']),
        ('raw', '/a/front', ['/a/front', '/a/camera_info']),
        ('none', '/a/front', ['/a/camera_info']),
        ('compressed', '/a/front/compressed', ['/a/front/compressed', '/a/camera_info']),
        ('raw', '/a/front/compressed', ['/a/front/compressed', '/a/camera_info']),
        ('none', '/a/front/compressed', ['/a/camera_info']),
    ],
)
def test_images_of_others(record_images, image, expected):
    expression = recorded_topics(['yolo'], [image], record_images)
    named = ('/a/front', '/a/front/compressed', '/a/camera_info', '/a/det/detections', '/front')
    assert are_recorded(expression, *named) == expected


def test_own_images_raw_or_not_at_all():
    raw, none = (recorded_topics(['seg'], (), each) for each in ('raw', 'none'))
    topics = ('/seg/camera/image_raw', '/seg/camera/image_raw/compressed')
    assert are_recorded(raw, *topics) == [topics[0]]
    assert are_recorded(none, *topics) == []


def test_names_are_no_expressions():
    expression = recorded_topics(['a.b'], ['/x+/y'])
    assert are_recorded(expression, '/acb/mask', '/xx/y/compressed') == []
    assert are_recorded(expression, '/a.b/mask', '/x+/y/compressed') != []


def test_no_namespace_is_the_whole_graph():
    assert are_recorded(recorded_topics(['']), '/mask', '/any/mask') == ['/mask', '/any/mask']
