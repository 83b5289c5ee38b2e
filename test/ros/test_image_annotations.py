"""Annotations for Foxglove: what the messages hold, and that nothing is there without them."""

import importlib.util
import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from onnx_models import pose_detector
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from jetson_perception.models import YoloModel
from jetson_perception.ros.image_annotations import AnnotationMessage, EngineAnnotations
from jetson_perception.tasks.results import Detections

needs_messages = pytest.mark.skipif(
    importlib.util.find_spec('foxglove_msgs') is None,
    reason='foxglove_msgs is not installed: ros-$ROS_DISTRO-foxglove-msgs',
)
HEADER = Header(stamp=Time(sec=7, nanosec=9), frame_id='camera_optical')
SIZE_WH = (1280, 720)
MAGENTA, CYAN, WHITE, BLACK = (1, 0, 1, 1), (0, 1, 1, 1), (1, 1, 1, 1), (0, 0, 0, 1)


def detections(count=2, **more):
    """Boxes of classes 0, 1, …, the best first."""
    boxes = np.array([[10, 200, 110, 300], [600, 2, 700, 50]], np.float32)[:count]
    scores = np.array([0.9, 0.6], np.float32)[:count]
    return Detections(boxes, scores, np.arange(count, dtype=np.int32), **more)


def made(found, skeleton=(), threshold=0.5, names=('person', 'dog')):
    """The message as a subscriber has it."""
    from foxglove_msgs.msg import ImageAnnotations

    message = AnnotationMessage(names, skeleton).fill(found, HEADER, SIZE_WH, threshold)
    return deserialize_message(serialize_message(message), ImageAnnotations)


def rgba(color):
    return (color.r, color.g, color.b, color.a)


def at(points):
    return [(round(point.x, 3), round(point.y, 3)) for point in points]


@pytest.mark.parametrize(
    'there',
    [
        pytest.param(None, id='not_installed'),
        pytest.param(object(), id='without_annotations'),
        pytest.param(SimpleNamespace(ImageAnnotations=int), id='without_type_support'),
    ],
)
def test_without_the_messages_there_is_no_topic(make_node, monkeypatch, tmp_path, there):
    for name in ('foxglove_msgs', 'foxglove_msgs.msg'):
        monkeypatch.setitem(sys.modules, name, there)
    with YoloModel.open(pose_detector(tmp_path / 'pose.onnx')) as model:
        node = make_node()
        before = [each.topic_name for each in node.publishers]
        annotations = EngineAnnotations(node, model.task, model, ['det/'])
        assert [each.topic_name for each in node.publishers] == before
        annotations.publish(None, None, 0.5)
        annotations.renewed(model.task, model).destroy()


@needs_messages
class TestMessage:
    def test_nothing_found(self):
        empty = made(Detections.empty(3), [(0, 1)])
        assert (len(empty.points), len(empty.texts), len(empty.circles)) == (0, 0, 0)
        assert getattr(empty, 'timestamp', HEADER.stamp) == HEADER.stamp

    def test_boxes_with_labels_the_best_on_top(self):
        message = made(detections(track_id=None))
        second, best = message.points
        assert {each.type for each in message.points} == {best.LINE_LOOP}
        assert at(best.points) == [(10, 200), (110, 200), (110, 300), (10, 300)]
        assert at(second.points) == [(600, 2), (700, 2), (700, 50), (600, 50)]
        assert [rgba(each.outline_color) for each in message.points] == [CYAN, MAGENTA]
        assert rgba(best.fill_color)[3] == 0
        assert best.thickness == 2
        assert [each.text for each in message.texts] == ['dog 0.60', 'person 0.90']
        assert [rgba(each.background_color) for each in message.texts] == [CYAN, MAGENTA]
        assert [rgba(each.text_color) for each in message.texts] == [BLACK, WHITE]
        low, usual = message.texts
        assert at([usual.position]) == [(10, 200)]
        assert usual.font_size == 17
        assert low.position.y >= low.font_size, 'inside the image, where no room is above'
        stamps = [each.timestamp for each in (*message.points, *message.texts)]
        assert stamps == [HEADER.stamp] * 4

    def test_tracked_objects_keep_colors_of_their_own(self):
        first, second = (
            made(replace(detections(1), track_id=np.array([number]))) for number in (0, 1)
        )
        assert [each.texts[0].text for each in (first, second)] == [
            'person 0.90 #0',
            'person 0.90 #1',
        ]
        assert [rgba(each.points[0].outline_color) for each in (first, second)] == [MAGENTA, CYAN]

    def test_turned_boxes(self):
        turned = np.array([[60, 250, 100, 20, math.pi / 2]], np.float32)
        (box,) = made(detections(1, oriented=turned)).points
        assert sorted(at(box.points)) == [(50, 200), (50, 300), (70, 200), (70, 300)]

    def test_keypoints_that_score_enough_and_the_lines_between_them(self):
        points = np.array([[[1, 2, 0.9], [3, 4, 0.5], [5, 6, 0.4]]], np.float32)
        skeleton = [(0, 1), (1, 2), (0, 9)]
        lines, dots, box = made(detections(1, keypoints=points), skeleton).points
        assert (lines.type, dots.type, box.type) == (box.LINE_LIST, box.POINTS, box.LINE_LOOP)
        assert at(lines.points) == at(dots.points) == [(1, 2), (3, 4)]
        assert [rgba(each) for each in lines.outline_colors] == [CYAN], 'one for each line'
        assert [rgba(each) for each in dots.outline_colors] == [MAGENTA, CYAN]
        assert dots.thickness == 6
        assert [each.timestamp for each in (lines, dots)] == [HEADER.stamp] * 2
        assert len(made(detections(1, keypoints=points), skeleton, threshold=1.0).points) == 1

    def test_hostile_values_and_names(self):
        points = np.array([[[np.nan, np.inf, np.nan], [-1e30, 1e30, 1.0]]], np.float32)
        found = detections(1, keypoints=points)
        names = ('\x00\ud800' + 'long ' * 200,)
        found = replace(found, xyxy=np.full((1, 4), np.nan, np.float32))
        message = made(found, [(0, 1)], 0, names)
        assert [len(each.points) for each in message.points] == [1, 4]
        assert message.texts[0].text.isprintable()
        assert len(message.texts[0].text) < 200

    def test_many(self):
        number = 300
        found = Detections(
            np.zeros((number, 4), np.float32),
            np.ones(number, np.float32),
            np.arange(number, dtype=np.int32),
        )
        assert len(made(found).texts) == number
