"""yolo_node as a process: detectors and pose models side by side, over DDS."""

import json
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from jetson_perception.msg import KeypointDetection2DArray, PipelineStats
from nodes.support import (
    DEADLINE_S,
    LATCHED,
    image_message,
    log_lines,
    node_process,
    pixels_of,
    unique_header,
    value_of,
    with_stamp_of,
)
from onnx import helper, numpy_helper
from onnx_models import (
    color_classifier,
    color_segmentation,
    constant_model,
    depth_network,
    detector,
    end_to_end_detector,
    pose_detector,
    unknown_output,
)
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from jetson_perception.nodes.yolo_node import YoloNode, YoloParams
from jetson_perception.ros import diagnostics

#: In pixels of a 640×640 input; a 320×180 image lies in rows 140 to 500 of it, doubled.
LEFT = (100, 200, 100, 80, 0, 0.9)
RIGHT = (500, 400, 60, 120, 1, 0.6)
#: The same in pixels of the image: center x, center y, width, height.
LEFT_BOX = (50, 30, 50, 40)
RIGHT_BOX = (250, 130, 30, 60)

GRAY = 90
EXPORTS = Path(__file__).parents[1] / 'exports/data'
MOVENET = EXPORTS / 'movenet_multipose_documented.onnx'
ORIENTED = EXPORTS / 'yolov8_obb_ultralytics.onnx'


def floats_of(msg):
    return np.frombuffer(msg.data, np.float32).reshape(msg.height, msg.width)


def gray_image(header=None, size_wh=(320, 180)):
    return image_message(np.full((size_wh[1], size_wh[0], 3), GRAY, np.uint8), header=header)


def slow_detector(path, boxes, products=8):
    """`detector` that multiplies large matrices first: 17 GFLOP for nothing a frame."""
    model = onnx.load(str(detector(path, boxes)))
    side = 1024
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.zeros((side, side), np.float32), 'zeros'))
    # The zero that the model adds to its output goes through the products first.
    source = 'zero_of_the_input'
    for node in graph.node:
        if node.output[0] == 'nothing':
            node.output[0] = source
    work = [helper.make_node('Add', ['zeros', source], ['product0'])]
    work += [
        helper.make_node('MatMul', [f'product{i}', 'zeros'], [f'product{i + 1}'])
        for i in range(products)
    ]
    work.append(helper.make_node('ReduceMax', [f'product{products}'], ['nothing'], keepdims=0))
    nodes = [*graph.node[:2], *work, *graph.node[2:]]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def boxes(msg):
    return [
        (box.center.position.x, box.center.position.y, box.size_x, box.size_y)
        for box in (found.bbox for found in msg.detections)
    ]


def hypotheses(msg):
    return [
        (found.results[0].hypothesis.class_id, round(found.results[0].hypothesis.score, 4))
        for found in msg.detections
    ]


def has_outline(pixels, box):
    """Whether something was drawn along the whole left and right side of a box."""
    x, y, width, height = box
    rows = slice(int(y - height / 2) + 5, int(y + height / 2) - 5)
    sides = [round(x - width / 2), round(x + width / 2)]
    return all(
        (pixels[rows, side - 2 : side + 3] != GRAY).any(axis=(1, 2)).all() for side in sides
    )


class TestDetections:
    def test_boxes_of_the_image_and_names_of_the_classes(self, peer, start, tmp_path):
        model = detector(tmp_path / 'my.onnx', [RIGHT, LEFT])
        start(node_process('yolo_node', peer.namespace, det__model=str(model)))
        found = peer.collect('det/detections', Detection2DArray)
        images = peer.image_publisher()
        msg = gray_image(unique_header('front_optical'))
        answer = peer.ask(images, msg, found)
        assert boxes(answer) == [LEFT_BOX, RIGHT_BOX]
        assert hypotheses(answer) == [('name_0', 0.9), ('name_1', 0.6)]
        assert [len(each.results) for each in answer.detections] == [1, 1]
        headers = [answer.header, *(each.header for each in answer.detections)]
        assert headers == [msg.header] * 3

        # The next frame has another size: 160×120 lies in rows 80 to 560 of the network's input.
        small = gray_image(size_wh=(160, 120))
        answer = peer.ask(images, small, found)
        assert boxes(answer) == [(25, 30, 25, 20), (125, 80, 15, 30)]
        assert answer.header == small.header

        names = {name for name, _ in peer.node.get_topic_names_and_types()}
        assert f'/{peer.namespace}/det/detections' in names
        assert f'/{peer.namespace}/det/keypoints' not in names

    def test_a_threshold_takes_effect_with_the_next_frame(self, peer, start, tmp_path):
        """Down to a frame with nothing on it, which is published all the same."""
        model = detector(tmp_path / 'my.onnx', [LEFT, RIGHT])
        start(node_process('yolo_node', peer.namespace, det__model=str(model)))
        found = peer.collect('det/detections', Detection2DArray)
        images = peer.image_publisher()
        assert len(peer.ask(images, gray_image(), found).detections) == 2

        assert peer.set_parameter('yolo_node', 'det.score_threshold', 0.7).successful
        assert boxes(peer.ask(images, gray_image(), found)) == [LEFT_BOX]
        labels = peer.collect('det/label_info', LabelInfo, LATCHED)
        peer.wait_for(lambda: labels, 'label_info')
        assert labels[-1].threshold == pytest.approx(0.7)

        assert peer.set_parameter('yolo_node', 'det.score_threshold', 0.95).successful
        msg = gray_image(unique_header('nothing_here'))
        answer = peer.ask(images, msg, found)
        assert answer.detections == []
        assert answer.header == msg.header

        refused = peer.set_parameter('yolo_node', 'det.score_threshold', 1.5)
        assert not refused.successful
        assert 'det.score_threshold' in refused.reason
        assert peer.ask(images, gray_image(), found).detections == []

        assert peer.set_parameter('yolo_node', 'det.score_threshold', 0.25).successful
        assert peer.set_parameter('yolo_node', 'det.max_detections', 1).successful
        assert boxes(peer.ask(images, gray_image(), found)) == [LEFT_BOX]

    def test_a_model_that_names_no_classes(self, peer, start, tmp_path):
        model = end_to_end_detector(
            tmp_path / 'my.onnx', [(270, 200, 370, 280, 0.875, 41)], metadata={}
        )
        start(node_process('yolo_node', peer.namespace, det__model=str(model)))
        found = peer.collect('det/detections', Detection2DArray)
        answer = peer.ask(peer.image_publisher(), gray_image(), found)
        assert hypotheses(answer) == [('class_41', 0.875)]

    def test_class_names_of_the_user(self, peer, start, tmp_path):
        model = detector(tmp_path / 'my.onnx', [RIGHT], metadata={})
        process = node_process(
            'yolo_node',
            peer.namespace,
            det__model=str(model),
            det__task='detect',
            det__class_names=['on: off', 'Größe "1"'],
        )
        start(process)
        found = peer.collect('det/detections', Detection2DArray)
        answer = peer.ask(peer.image_publisher(), gray_image(), found)
        assert hypotheses(answer) == [('Größe "1"', 0.6)]

    def test_oriented_boxes(self, peer, start):
        process = node_process(
            'yolo_node',
            peer.namespace,
            det__model=str(ORIENTED),
            det__score_threshold=0.5,
            det__iou_threshold=0.45,
        )
        start(process)
        found = peer.collect('det/detections', Detection2DArray)
        image = image_message(np.zeros((480, 640, 3), np.uint8))
        answer = peer.ask(peer.image_publisher(), image, found)
        expected = json.loads(ORIENTED.with_suffix('.json').read_text())
        assert len(answer.detections) == len(expected)
        for one, wanted in zip(answer.detections, expected, strict=True):
            center = one.bbox.center
            box = center.position.x, center.position.y, one.bbox.size_x, one.bbox.size_y
            assert [*box, center.theta] == pytest.approx(wanted['oriented'], abs=0.001)


class TestKeypoints:
    def test_every_point_with_its_name_and_score(self, peer, start, tmp_path):
        """Also the one of score 0, and the one outside the image, which is put at its edge."""
        points = [(100, 200, 0.875), (110, 210, 0.0), (700, 90, 0.25)]
        model = pose_detector(tmp_path / 'my.onnx', [LEFT], points)
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['pose'],
            pose__model=str(model),
            pose__keypoint_names=['nose', 'ear', 'tail'],
        )
        start(process)
        found = peer.collect('pose/keypoints', KeypointDetection2DArray)
        boxes_too = peer.collect('pose/detections', Detection2DArray)
        images = peer.image_publisher()
        msg = gray_image()
        answer, same = peer.ask(images, msg, found, boxes_too)
        assert answer.header == same.header == msg.header
        assert boxes(same) == [LEFT_BOX]
        (one,) = answer.detections
        assert (one.bbox.size_x, one.bbox.center.position.y) == (50, 30)
        assert one.hypothesis.class_id == 'name_0'
        assert one.hypothesis.score == pytest.approx(0.9)
        assert [(p.name, p.x, p.y, p.score) for p in one.keypoints] == [
            ('nose', 50, 30, 0.875),
            ('ear', 55, 35, 0.0),
            ('tail', 320, 0, 0.25),
        ]

        assert peer.set_parameter('yolo_node', 'pose.score_threshold', 0.95).successful
        msg = gray_image()
        nothing, same = peer.ask(images, msg, found, boxes_too)
        assert (nothing.detections, same.detections) == ([], [])
        assert nothing.header == same.header == msg.header

    def test_seventeen_points_are_those_of_coco(self, peer, start, tmp_path):
        points = [(10 * i, 200, i / 16) for i in range(17)]
        model = pose_detector(tmp_path / 'my.onnx', [LEFT], points)
        start(node_process('yolo_node', peer.namespace, det__model=str(model)))
        found = peer.collect('det/keypoints', KeypointDetection2DArray)
        answer = peer.ask(peer.image_publisher(), gray_image(), found)
        names = [point.name for point in answer.detections[0].keypoints]
        assert (names[0], names[5], names[16]) == ('nose', 'left_shoulder', 'right_ankle')
        xs = [point.x for point in answer.detections[0].keypoints]
        assert xs == [5 * i for i in range(17)]

    def test_movenet_which_takes_integers_with_channels_last(self, peer, start):
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['pose'],
            pose__model=str(MOVENET),
            pose__score_threshold=0.5,
        )
        start(process)
        found = peer.collect('pose/keypoints', KeypointDetection2DArray)
        boxes_too = peer.collect('pose/detections', Detection2DArray)
        expected = json.loads(MOVENET.with_suffix('.json').read_text())
        image = np.zeros((480, 640, 3), np.uint8)
        answer, same = peer.ask(peer.image_publisher(), image_message(image), found, boxes_too)
        assert [name for name, _ in hypotheses(same)] == ['person'] * len(expected)
        for one, person in zip(answer.detections, expected, strict=True):
            points = [(point.x, point.y, point.score) for point in one.keypoints]
            assert np.abs(np.array(points) - person['keypoints']).max() < 0.01
            assert one.keypoints[0].name == 'nose'


class TestSeveralEngines:
    def test_each_under_its_own_name(self, peer, start, tmp_path):
        """Their own classes, thresholds, topics, label_info for those who come late, and stats."""
        names = "{0: 'car', 1: 'bus'}"
        traffic = detector(
            tmp_path / 'traffic.onnx', [LEFT, RIGHT], metadata={'task': 'detect', 'names': names}
        )
        hands = pose_detector(tmp_path / 'hands.onnx', [(*RIGHT[:4], 0, 0.75)])
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['Traffic_1', 'hands'],
            Traffic_1__model=str(traffic),
            Traffic_1__score_threshold=0.7,
            hands__model=str(hands),
        )
        start(process)
        cars = peer.collect('Traffic_1/detections', Detection2DArray)
        people = peer.collect('hands/keypoints', KeypointDetection2DArray)
        stats = [peer.collect(f'{name}/stats', PipelineStats) for name in ('Traffic_1', 'hands')]
        msg = gray_image()
        car, person = peer.ask(peer.image_publisher(), msg, cars, people)
        assert car.header == person.header == msg.header
        assert hypotheses(car) == [('car', 0.9)]
        assert [len(one.keypoints) for one in person.detections] == [3]

        # Subscribed to only now, long after they were published.
        labels = [
            peer.collect(f'{name}/label_info', LabelInfo, LATCHED)
            for name in ('Traffic_1', 'hands')
        ]
        peer.wait_for(lambda: all(labels), 'label_info of both')
        told = [[(c.class_id, c.class_name) for c in each[0].class_map] for each in labels]
        assert told == [[(0, 'car'), (1, 'bus')], [(0, 'name_0')]]
        assert labels[0][0].threshold == pytest.approx(0.7)

        peer.wait_for(lambda: all(stats), 'stats of both')
        assert [each[-1].engine for each in stats] == ['Traffic_1', 'hands']
        assert all(each[-1].header == msg.header for each in stats)
        for name in ('Traffic_1', 'hands'):
            status = peer.wait_for_status(f'yolo_node: {name}', lambda status: True, name)
            assert int(value_of(status, 'frames processed')) >= 1

    def test_a_slow_one_does_not_hold_the_other_back(self, peer, start, tmp_path):
        """And works on the newest frame when it is free; a picture has what both found in it."""
        quick = detector(tmp_path / 'quick.onnx', [LEFT])
        slow = slow_detector(tmp_path / 'slow.onnx', [RIGHT])
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['quick', 'slow'],
            quick__model=str(quick),
            slow__model=str(slow),
            quick__threads=1,
            slow__threads=1,
            draw_frame_rate=False,
        )
        start(process)
        quickly = peer.collect('quick/detections', Detection2DArray)
        slowly = peer.collect('slow/detections', Detection2DArray)
        images = peer.image_publisher()
        sent, taken = [gray_image()], []
        peer.ask(images, sent[0], quickly, slowly)
        pictures = peer.collect('annotated', Image)
        deadline = time.monotonic() + DEADLINE_S
        while not any(after - before > 3 for before, after in pairwise(taken)):
            assert time.monotonic() < deadline, f'of {len(sent)} frames it took {taken}'
            sent.append(gray_image())
            peer.ask(images, sent[-1], quickly)
            stamps = [msg.header.stamp for msg in sent]
            taken = [stamps.index(msg.header.stamp) for msg in slowly]
        assert taken == sorted(taken)
        # It ends up with the newest frame, sent once, as nothing is left in a queue.
        peer.wait_for(lambda: with_stamp_of(slowly, sent[-1]), 'the newest frame, slowly')

        peer.wait_for(lambda: len(pictures) > 1, 'pictures')
        for picture in pictures:
            # The quick one took many frames that the slow one did not; none of them is shown.
            peer.wait_for(partial(with_stamp_of, slowly, picture), 'the slow result of a picture')
            pixels = pixels_of(picture)
            assert has_outline(pixels, LEFT_BOX)
            assert has_outline(pixels, RIGHT_BOX)
        status = peer.wait_for_status(
            'yolo_node: slow',
            lambda status: int(value_of(status, 'frames skipped (a newer one came)')) > 0,
            'skipped frames of the slow engine',
        )
        assert status.level == diagnostics.OK


class TestAnnotated:
    def test_shows_the_boxes_of_all_engines(self, peer, start, tmp_path):
        one = detector(tmp_path / 'one.onnx', [LEFT])
        other = pose_detector(tmp_path / 'other.onnx', [(*RIGHT[:4], 0, 0.8)], [(500, 420, 0.9)])
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['one', 'other'],
            one__model=str(one),
            other__model=str(other),
            draw_frame_rate=False,
        )
        start(process)
        pictures = peer.collect('annotated', Image)
        jpegs = peer.collect('annotated/compressed', CompressedImage)
        images = peer.image_publisher()
        # The first frame has warmed everything up; both engines are then quick.
        peer.ask(images, gray_image(), pictures, jpegs)
        msg = gray_image(unique_header('drawn'))
        answer, jpeg = peer.ask(images, msg, pictures, jpegs)
        assert answer.header == jpeg.header == msg.header
        assert (answer.encoding, answer.width, answer.height) == ('bgr8', 320, 180)
        pixels = pixels_of(answer)
        assert has_outline(pixels, LEFT_BOX)
        assert has_outline(pixels, RIGHT_BOX)
        assert (pixels[140, 250] != GRAY).any()  # the keypoint
        drawn = (pixels != GRAY).any(axis=2)
        # Nothing but boxes and labels: the inside of a box, and what lies between them, is left.
        assert not drawn[30:45, 30:70].any()
        assert not drawn[60:, 120:200].any()
        decoded = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(decoded.astype(int) - pixels).mean() < 4

    def test_a_frame_without_objects_is_shown_as_it_is(self, peer, start, tmp_path):
        model = detector(tmp_path / 'my.onnx', [])
        process = node_process(
            'yolo_node', peer.namespace, det__model=str(model), draw_frame_rate=False
        )
        start(process)
        pictures = peer.collect('annotated', Image)
        images = peer.image_publisher()
        answer = peer.ask(images, gray_image(), pictures)
        assert (pixels_of(answer) == GRAY).all()
        assert peer.set_parameter('yolo_node', 'draw_frame_rate', True).successful
        answer = peer.ask(images, gray_image(), pictures)
        drawn = np.argwhere((pixels_of(answer) != GRAY).any(axis=2))
        assert len(drawn)
        assert (drawn.max(axis=0) < (40, 120)).all()  # in the upper left corner alone


class TestClassifiers:
    def test_classes_beside_boxes_at_thresholds_that_may_change(self, peer, start, tmp_path):
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['kind', 'det'],
            kind__model=str(color_classifier(tmp_path / 'kind.onnx')),
            det__model=str(detector(tmp_path / 'det.onnx', [LEFT])),
        )
        start(process)
        classes = peer.collect('kind/classification', Classification)
        found = peer.collect('det/detections', Detection2DArray)
        labels = peer.collect('kind/label_info', LabelInfo, LATCHED)
        images = peer.image_publisher()
        # Green at both ends, red in the middle that counts.
        pixels = np.zeros((90, 270, 3), np.uint8)
        pixels[..., 1] = 255
        pixels[:, 90:180] = 0, 0, 255
        msg = image_message(pixels, header=unique_header('front_optical'))
        answer = peer.ask(images, msg, classes)
        assert answer.header == msg.header
        assert [each.class_id for each in answer.results] == ['red']
        assert answer.results[0].score > 0.99
        assert peer.ask(images, image_message(pixels), found).detections
        peer.wait_for(lambda: labels, 'the labels')
        assert [each.class_name for each in labels[-1].class_map] == ['red', 'green', 'blue']
        assert peer.set_parameter('yolo_node', 'kind.score_threshold', 0.0).successful
        answer = peer.ask(images, image_message(pixels), classes)
        assert [each.class_id for each in answer.results] == ['red', 'green', 'blue']
        assert peer.set_parameter('yolo_node', 'kind.top_k', 2).successful
        answer = peer.ask(images, image_message(pixels), classes)
        assert [each.class_id for each in answer.results] == ['red', 'green']
        refused = peer.set_parameter('yolo_node', 'kind.classes', ['purple'])
        assert not refused.successful
        assert 'purple' in refused.reason


class TestMonocularDepth:
    def test_metres_and_others_have_topics_of_their_own(self, peer, start, tmp_path):
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['near', 'far', 'det'],
            near__model=str(depth_network(tmp_path / 'near.onnx')),
            far__model=str(depth_network(tmp_path / 'far.onnx')),
            far__depth_values='relative',
            det__model=str(detector(tmp_path / 'det.onnx', [LEFT])),
        )
        start(process)
        metres = peer.collect('near/depth', Image)
        relative = peer.collect('far/depth/relative', Image)
        images = peer.image_publisher()
        pixels = np.zeros((90, 270, 3), np.uint8)
        pixels[:, 135:, 2] = 255
        msg = image_message(pixels, header=unique_header('front_optical'))
        answers = peer.ask(images, msg, metres, relative)
        for answer in answers:
            assert answer.header == msg.header
            assert (answer.encoding, answer.step) == ('32FC1', 4 * 270)
            assert floats_of(answer)[:, 200:] == pytest.approx(10, abs=1e-4)
        assert np.isnan(floats_of(answers[0])[:, :60]).all()
        assert (floats_of(answers[1])[:, :60] == 0).all()
        topics = dict(peer.node.get_topic_names_and_types())
        mine = {name.removeprefix(f'/{peer.namespace}') for name in topics}
        assert mine >= {'/near/depth/color', '/far/depth/relative/color', '/det/label_info'}
        assert not mine & {'/far/depth', '/near/depth/relative', '/near/label_info'}

    def test_colors_are_drawn_while_somebody_looks(self, peer, start, tmp_path):
        path = str(depth_network(tmp_path / 'depth.onnx'))
        start(node_process('yolo_node', peer.namespace, det__model=path, draw_frame_rate=False))
        depth = peer.collect('det/depth', Image)
        images = peer.image_publisher()
        pixels = np.full((90, 270, 3), (0, 0, 100), np.uint8)
        pixels[:, 135:, 2] = 255
        peer.ask(images, image_message(pixels), depth)
        status = peer.wait_for_status('yolo_node: pictures', lambda _: True, 'pictures')
        assert value_of(status, 'det/depth/color sent') == '0'
        colors = peer.collect('det/depth/color', Image)
        annotated = peer.collect('annotated', Image)
        msg = image_message(pixels, header=unique_header())
        drawn = pixels_of(peer.ask(images, msg, colors))
        assert colors[-1].encoding == 'bgr8'
        near, far = drawn[45, 60].tolist(), drawn[45, 200].tolist()
        assert near[2] > near[0]  # red
        assert far[0] > far[2]  # blue
        tinted = pixels_of(peer.ask(images, msg, annotated))
        wanted = 0.4 * pixels[45, 60] + 0.6 * drawn[45, 60]
        assert tinted[45, 60] == pytest.approx(wanted, abs=2)


class TestTrouble:
    def test_an_unusable_model_is_reported_until_it_is_fixed(self, peer, start, tmp_path):
        (tmp_path / 'text.onnx').write_text('no model')
        unknown_output(tmp_path / 'unknown.onnx')
        color_segmentation(tmp_path / 'colors.onnx')
        good = detector(tmp_path / 'good.onnx', [LEFT])
        process = node_process(
            'yolo_node',
            peer.namespace,
            engines=['good', 'bad'],
            good__model=str(good),
            allow_source_changes=True,
        )
        node = start(process)
        assert 'bad.model is not set' in peer.wait_for_log(node, 'not configured: engine bad')
        for name, reason in {
            'missing.onnx': 'missing.onnx',
            'text.onnx': 'text.onnx',
            'unknown.onnx': r'\(1, 7, 5, 3, 2\)',
            'colors.onnx': 'segmentation',
        }.items():
            result = peer.set_parameter('yolo_node', 'bad.model', str(tmp_path / name))
            assert result.successful
            assert not peer.change_state('yolo_node', 'configure')
            assert peer.state('yolo_node') == 'unconfigured'
            line = log_lines(node, 'not configured: engine bad')[-1]
            status = peer.wait_for_status(
                'yolo_node', lambda status, name=name: name in status.message, name
            )
            assert status.level == diagnostics.ERROR
            assert status.message.startswith('engine bad: ')
            assert status.message in line
            peer.wait_for_log(node, f'not configured: engine bad: .*{reason}')
        assert peer.set_parameter('yolo_node', 'bad.model', str(good)).successful
        assert peer.change_state('yolo_node', 'configure')
        assert peer.change_state('yolo_node', 'activate')
        found = peer.collect('bad/detections', Detection2DArray)
        assert len(peer.ask(peer.image_publisher(), gray_image(), found).detections) == 1
        status = peer.wait_for_status('yolo_node', lambda status: True, 'a status')
        assert (status.level, status.message) == (diagnostics.OK, 'active')

    @pytest.mark.parametrize(
        ('names', 'reason'),
        [
            pytest.param(['left-right'], "the name 'left-right'", id='a_dash'),
            pytest.param(['ok', '1st'], "the name '1st'", id='a_digit_first'),
            pytest.param(['Größe'], "the name 'Größe'", id='beyond_ascii'),
            pytest.param(['a', 'b', 'a'], 'each name may stand there once', id='twice'),
        ],
    )
    def test_names_that_no_topic_can_have(self, peer, start, tmp_path, names, reason):
        """The node says so and stays; with a good name it works."""
        model = detector(tmp_path / 'my.onnx', [LEFT])
        process = node_process(
            'yolo_node', peer.namespace, engines=names, allow_source_changes=True
        )
        node = start(process)
        line = peer.wait_for_log(node, 'engines (has|is)')
        assert reason in line
        peer.wait_for_log(node, 'not configured')
        refused = peer.set_parameter('yolo_node', 'engines', names)
        assert not refused.successful
        assert reason in refused.reason
        if len(names) > 1:
            return
        assert peer.set_parameter('yolo_node', 'engines', ['front']).successful
        # Configuring declares the parameters of the engine, and tells what it still needs.
        assert not peer.change_state('yolo_node', 'configure')
        peer.wait_for_log(node, 'front.model is not set')
        assert peer.set_parameter('yolo_node', 'front.model', str(model)).successful
        assert peer.change_state('yolo_node', 'configure')
        assert peer.change_state('yolo_node', 'activate')
        found = peer.collect('front/detections', Detection2DArray)
        assert len(peer.ask(peer.image_publisher(), gray_image(), found).detections) == 1

    def test_an_old_name_of_an_engine_that_comes_later(self, peer, run, tmp_path):
        """Not dropped when the engine's parameters are declared, but told with the new name."""
        model = str(detector(tmp_path / 'my.onnx', [LEFT]))
        given = {'pose.model': model, 'pose.engine': 'onnxruntime_cpu', 'other.model': model}
        node = run(YoloNode, autostart=False, **given)
        assert 'parameters for pose (engine, model)' in str(node.parameter_problems)
        assert peer.set_parameter('yolo_node', 'engines', ['pose']).successful
        assert not peer.change_state('yolo_node', 'configure')
        told = 'parameter pose.engine is now called pose.runtime; set pose.runtime to'
        assert node.problem.startswith(told)
        (unknown,) = node.parameter_problems  # what is declared by now is none of them
        assert 'parameters for other (model)' in unknown
        assert peer.set_parameter('yolo_node', 'pose.runtime', 'onnxruntime_cpu').successful
        assert peer.change_state('yolo_node', 'configure')
        assert node.problem == ''

    def test_an_ambiguous_output_names_the_parameter_to_set(self, peer, start, tmp_path):
        """56 rows are 52 classes, or one class and 17 keypoints."""
        rows = np.zeros((1, 56, 8400), np.float32)
        rows[0, :5, 0] = (*LEFT[:4], 0.875)
        model = constant_model(tmp_path / 'my.onnx', [rows])
        process = node_process(
            'yolo_node', peer.namespace, engines=['person'], person__model=str(model)
        )
        node = start(process)
        line = peer.wait_for_log(node, 'not configured: engine person')
        assert "set 'task': detect or pose; the parameter is person.task." in line
        status = peer.wait_for_status(
            'yolo_node', lambda status: status.level == diagnostics.ERROR, 'the error'
        )
        assert status.message.endswith('; the parameter is person.task')
        assert peer.set_parameter('yolo_node', 'person.task', 'pose').successful
        # Then it is the keypoints that are not known: again by their parameter.
        assert not peer.change_state('yolo_node', 'configure')
        peer.wait_for_log(node, r'the parameter is person\.keypoint_shape\.')
        assert peer.set_parameter('yolo_node', 'person.keypoint_shape', [17, 3]).successful
        assert peer.change_state('yolo_node', 'configure')
        assert peer.change_state('yolo_node', 'activate')
        found = peer.collect('person/keypoints', KeypointDetection2DArray)
        answer = peer.ask(peer.image_publisher(), gray_image(), found)
        assert [len(one.keypoints) for one in answer.detections] == [17]

    def test_a_model_cannot_be_exchanged_under_way(self, peer, start, tmp_path):
        model = detector(tmp_path / 'my.onnx', [LEFT])
        other = detector(tmp_path / 'other.onnx', [LEFT, RIGHT])
        process = node_process(
            'yolo_node', peer.namespace, det__model=str(model), allow_source_changes=True
        )
        start(process)
        peer.wait_for_state('yolo_node', 'active')
        refused = peer.set_parameter('yolo_node', 'det.model', str(other))
        assert not refused.successful
        assert 'ros2 lifecycle set' in refused.reason
        for transition in ('deactivate', 'cleanup'):
            assert peer.change_state('yolo_node', transition)
        assert peer.set_parameter('yolo_node', 'det.model', str(other)).successful
        for transition in ('configure', 'activate'):
            assert peer.change_state('yolo_node', transition)
        found = peer.collect('det/detections', Detection2DArray)
        assert len(peer.ask(peer.image_publisher(), gray_image(), found).detections) == 2


@pytest.mark.parametrize(
    ('names', 'reason'),
    [
        pytest.param(
            [f'e{number}' for number in range(3000)], 'engines has 3000 names', id='many'
        ),
        pytest.param(['x' * 100_000], 'at most 64 characters', id='long'),
    ],
)
def test_engines_without_measure(names, reason):
    problem = YoloParams(engines=tuple(names)).problem()
    assert reason in problem
    assert len(problem) < 200
