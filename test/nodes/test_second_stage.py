"""Engines that look at the boxes of another: in step with its frames, and tied to its objects."""

import numpy as np
import pytest
from jetson_perception.msg import KeypointDetection2DArray
from nodes.support import image_message, pixels_of, value_of
from nodes.test_tracked_results import stamped
from onnx_models import (
    bright_pose,
    color_classifier,
    depth_network,
    detector,
    instance_segmenter,
    pose_detector,
)
from ros.encoded import encode
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, Detection2DArray

from jetson_perception.nodes.yolo_node import YoloNode

#: In pixels of the detector's input, which has the size of the images.
SIZE_WH = (320, 192)
CARS = [(40, 40, 40, 40, 0, 0.9), (120, 40, 40, 40, 0, 0.8), (200, 40, 40, 40, 1, 0.7)]
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def street():
    """Blue, green and red where the detector sees something, on gray."""
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
    for (x, y, width, height, *_), color in zip(CARS, COLORS, strict=True):
        picture[y - height // 2 : y + height // 2, x - width // 2 : x + width // 2] = color
    return picture


@pytest.fixture
def models(tmp_path):
    """Models by their engines' names, as parameters."""
    files = {
        'det': detector(tmp_path / 'det.onnx', CARS, size_wh=SIZE_WH),
        'color': color_classifier(tmp_path / 'color.onnx', batch='batch'),
        'pose': bright_pose(tmp_path / 'pose.onnx', [(32, 32, 32, 32, 1.0)]),
        'seg': instance_segmenter(
            tmp_path / 'seg.onnx', [(32, 32, 64, 64, 1, 0.9)], size_wh=(64, 64)
        ),
    }

    def parameters(*engines, of='det', **more):
        given = {f'{name}__model': str(files[name]) for name in engines}
        followers = {f'{name}__crop_of': of for name in engines if name != 'det'}
        return {'engines': list(engines), **given, **followers, **more}

    return parameters


def classes(msg):
    return [[each.hypothesis.class_id for each in found.results][:1] for found in msg.detections]


def places(msg):
    return [
        (each.bbox.center.position.x, each.bbox.center.position.y, each.bbox.size_x)
        for each in msg.detections
    ]


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_the_classes_of_each_object(peer, run, models, encoding):
    run(YoloNode, **models('color', 'det', color__top_k=2))
    cars, colors = (
        peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'color')
    )
    images = peer.image_publisher()
    msg = image_message(encode(street(), encoding), encoding)
    msg.width, msg.height = SIZE_WH
    found, looked = peer.ask(images, msg, cars, colors)
    assert looked.header == msg.header
    assert all(each.header == msg.header for each in looked.detections)
    assert classes(looked) == [['blue'], ['green'], ['red']]
    assert [len(each.results) for each in looked.detections] == [1, 1, 1]  # above the threshold
    assert [each.id for each in looked.detections] == ['#0', '#1', '#2']
    assert places(looked) == places(found)
    # No topic of a classifier of whole images.
    names = [name for name, _ in peer.node.get_topic_names_and_types()]
    assert not any(name.endswith('/color/classification') for name in names)


def test_which_boxes_can_be_changed_and_what_is_left_out_is_told(peer, run, models):
    run(YoloNode, **models('det', 'color', color__max_crops=2))
    colors, images = peer.collect('color/detections', Detection2DArray), peer.image_publisher()

    def ask():
        return peer.ask(images, image_message(street()), colors)

    assert classes(ask()) == [['blue'], ['green']]
    key = 'boxes left out (max_crops)'
    status = peer.wait_for_status(
        'yolo_node: color', lambda status: value_of(status, key) != '0', 'boxes left out'
    )
    assert int(value_of(status, 'boxes looked at')) == 2 * int(value_of(status, key))
    assert peer.set_parameter('yolo_node', 'color.crop_classes', ['name_1']).successful
    only = ask()
    assert (classes(only), only.detections[0].id) == ([['red']], '#2')
    refused = peer.set_parameter('yolo_node', 'color.crop_classes', ['lorry'])
    assert not refused.successful
    assert "color.crop_classes has 'lorry'" in refused.reason
    assert 'of engine det' in refused.reason
    assert (
        'is used when the node configures'
        in peer.set_parameter('yolo_node', 'color.crop_of', '').reason
    )
    assert peer.set_parameter('yolo_node', 'det.score_threshold', 0.95).successful
    nothing = ask()
    assert len(nothing.detections) == 0


def test_poses_and_masks_have_the_ids_of_a_tracker(peer, run, models):
    more = {'det__tracker': 'bytetrack', 'det__track_min_hits': 1, 'pose__crop_margin': 0.1}
    run(YoloNode, **models('det', 'pose', 'seg', **more))
    tracked = peer.collect('det/detections', Detection2DArray)
    boxes = peer.collect('pose/detections', Detection2DArray)
    points = peer.collect('pose/keypoints', KeypointDetection2DArray)
    masks = peer.collect('seg/instances', Image)
    objects = peer.collect('seg/detections', Detection2DArray)
    pictures = peer.collect('annotated', Image)
    msg = stamped(0)
    msg.height, msg.width, msg.step = SIZE_WH[1], SIZE_WH[0], 3 * SIZE_WH[0]
    msg.data = street().tobytes()
    found, *others, mask = peer.ask(
        peer.image_publisher(), msg, tracked, boxes, points, objects, masks
    )
    ids = [each.id for each in found.detections]
    assert len(set(ids)) == 3
    for other in others:
        assert [each.id for each in other.detections] == ids
    # The network's box is the middle half of what it sees, 48 pixels with the margin.
    assert places(others[0]) == [(x, y, 24.0) for x, y, *_ in CARS]
    assert [(each.keypoints[0].x, each.keypoints[0].y) for each in others[1].detections] == [
        (x - 12, y - 12) for x, y, *_ in CARS
    ]
    instances = pixels_of(mask)
    assert instances.shape == SIZE_WH[::-1]
    assert [instances[y, x] for x, y, *_ in CARS] == [1, 2, 3]
    assert (instances > 0).sum() == 3 * 40 * 40
    peer.wait_for(lambda: pictures, 'a picture with the results of all')


def test_a_slow_second_engine_leaves_frames_out_and_keeps_nobody_waiting(peer, run, tmp_path):
    """It looks at as many boxes as the first finds, in turn, which takes it much longer."""
    many = [(8 + 10 * i, 100, 8, 8, 0, 0.9) for i in range(30)]
    det = detector(tmp_path / 'det.onnx', many, size_wh=SIZE_WH)
    slow = pose_detector(tmp_path / 'slow.onnx', size_wh=(640, 640))
    given = {'det__model': str(det), 'pose__model': str(slow), 'pose__max_crops': 30}
    node = run(YoloNode, engines=['det', 'pose'], pose__crop_of='det', **given)
    quick, late = (
        peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'pose')
    )
    images = peer.image_publisher()
    for _ in range(12):
        peer.ask(images, image_message(street()), quick)
    lanes = {lane.name: lane for lane in node._pipeline.lanes}
    peer.wait_for(lambda: late and not lanes['pose'].counts.under_way, 'the last result')
    counts = lanes['pose'].counts
    assert counts.received == lanes['det'].counts.processed
    assert counts.skipped > 0
    assert counts.skipped + counts.processed == counts.received
    assert {each.header.stamp.nanosec for each in late} <= {
        each.header.stamp.nanosec for each in quick
    }


@pytest.mark.parametrize(
    ('more', 'told'),
    [
        pytest.param(
            {'det__crop_of': 'color'},
            'crop_of leads in a circle, det of color of det; expected one of them to look at the '
            'whole image',
            id='circle',
        ),
        pytest.param(
            {'color__tracker': 'ocsort'},
            'engine color: tracker is ocsort, and crop_of is det: its objects have the ids',
            id='tracker',
        ),
        pytest.param(
            {'color__crop_classes': ['lorry']},
            "crop_classes has 'lorry', but the model has no class of that name; it has",
            id='no_such_class',
        ),
    ],
)
def test_what_cannot_be_is_told_at_configure(run, models, more, told):
    node = run(YoloNode, **models('det', 'color', **more))
    assert told in node.problem
    assert not node._engines


def test_the_other_engine_must_find_objects(run, models):
    node = run(YoloNode, **models('det', 'color', 'pose', pose__crop_of='color'))
    assert 'engine pose: crop_of is color, whose model, ' in node.problem
    assert 'is an image classifier; expected an engine that finds objects' in node.problem


def test_depth_of_boxes_is_refused(run, models, tmp_path):
    given = models('det', 'color') | {'color__model': str(depth_network(tmp_path / 'depth.onnx'))}
    node = run(YoloNode, **given)
    assert 'depth.onnx is a' in node.problem
    assert 'the parameter is color.crop_of' in node.problem


def test_boxes_on_boxes_at_a_rate_of_their_own(peer, run, models):
    """Poses on cars, and colors on the poses' boxes, of every second frame."""
    run(YoloNode, **models('det', 'pose', 'color', color__crop_of='pose', color__every=2))
    colors, poses = (
        peer.collect('color/detections', Detection2DArray),
        peer.collect('pose/detections', Detection2DArray),
    )
    images = peer.image_publisher()
    first, found = peer.ask(images, image_message(street()), colors, poses)
    assert classes(first) == [['blue'], ['green'], ['red']]
    assert places(first) == places(found) == [(x, y, 20.0) for x, y, *_ in CARS]
    assert [each.id for each in first.detections] == ['#0', '#1', '#2']
    peer.ask(images, image_message(street()), poses)
    peer.ask(images, image_message(street()), poses, colors)
    assert len(colors) < len(poses)


def test_a_classifier_of_whole_images_is_as_before(peer, run, models):
    run(YoloNode, **models('det', 'color', color__crop_of=''))
    found = peer.collect('color/classification', Classification)
    msg = image_message(np.full((64, 64, 3), (0, 0, 255), np.uint8))
    assert peer.ask(peer.image_publisher(), msg, found).results[0].class_id == 'red'


def test_cameras_and_their_boxes_are_apart(peer, run, models):
    topics = ['front/image_raw', 'rear/image_raw']
    run(YoloNode, image_topics=topics, **models('det', 'color'))
    heard = {
        side: peer.collect(f'{side}/color/detections', Detection2DArray)
        for side in ('front', 'rear')
    }
    for side, picture in (('front', street()), ('rear', street()[..., ::-1])):
        msg = image_message(np.ascontiguousarray(picture))
        looked = peer.ask(peer.image_publisher(f'{side}/image_raw'), msg, heard[side])
        expected = [['blue'], ['green'], ['red']]
        assert classes(looked) == (expected if side == 'front' else expected[::-1])


def test_either_engine_is_reloaded_and_switched_off_by_itself(peer, run, models):
    """With other classes, `crop_classes` are those that the first engine has now."""
    given = models('det', 'color', color__crop_classes=['name_1'])
    run(YoloNode, **given)
    cars, colors = (
        peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'color')
    )
    images = peer.image_publisher()

    def ask(*topics):
        return peer.ask(images, image_message(street()), *topics)

    assert classes(ask(colors)) == [['red']]
    names = {'task': 'detect', 'names': "{0: 'name_1', 1: 'other'}"}
    detector(given['det__model'], CARS, size_wh=SIZE_WH, metadata=names)
    color_classifier(given['color__model'], batch=1)
    for name in ('det', 'color'):
        answer = peer.call(Trigger, f'yolo_node/{name}/reload', Trigger.Request())
        assert answer.success, answer.message
    assert classes(ask(colors)) == [['blue'], ['green']]
    assert peer.set_parameter('yolo_node', 'color.enable', False).successful
    ask(cars)
    before = len(colors)
    ask(cars)
    assert len(colors) == before
    assert peer.set_parameter('yolo_node', 'color.enable', True).successful
    assert classes(ask(colors)) == [['blue'], ['green']]


def test_a_model_without_a_class_that_is_looked_at_is_refused(peer, run, models):
    """Else the second engine would fail on every image from then on."""
    given = models('det', 'color', color__crop_classes=['name_1'])
    run(YoloNode, **given)
    colors = peer.collect('color/detections', Detection2DArray)
    names = {'task': 'detect', 'names': "{0: 'cat', 1: 'dog'}"}
    detector(given['det__model'], CARS, size_wh=SIZE_WH, metadata=names)
    answer = peer.call(Trigger, 'yolo_node/det/reload', Trigger.Request())
    assert not answer.success
    assert answer.message.startswith('engine det was not reloaded: engine color: crop_classes')
    assert "'name_1'" in answer.message
    assert 'the parameter is color.crop_classes' in answer.message
    assert classes(peer.ask(peer.image_publisher(), image_message(street()), colors)) == [['red']]
    assert peer.set_parameter('yolo_node', 'color.crop_classes', ['']).successful
    assert peer.call(Trigger, 'yolo_node/det/reload', Trigger.Request()).success
