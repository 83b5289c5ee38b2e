"""`<engine>/annotations` of yolo_node, for Foxglove: made while somebody subscribes."""

import numpy as np
import pytest
from nodes.support import image_message, unique_header
from onnx_models import color_classifier, pose_detector
from vision_msgs.msg import Detection2DArray

from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros.image_annotations import AnnotationMessage

messages = pytest.importorskip(
    'foxglove_msgs.msg', reason='foxglove_msgs is not installed: ros-$ROS_DISTRO-foxglove-msgs'
)


def test_made_while_somebody_subscribes(peer, run, tmp_path, monkeypatch):
    fill, made = AnnotationMessage.fill, []

    def watched(*arguments):
        made.append(arguments)
        return fill(*arguments)

    monkeypatch.setattr(AnnotationMessage, 'fill', watched)
    run(
        YoloNode,
        engines=['pose', 'kind', 'color'],
        pose__model=str(pose_detector(tmp_path / 'pose.onnx')),
        pose__keypoint_score_threshold=0.7,
        kind__model=str(color_classifier(tmp_path / 'kind.onnx')),
        color__model=str(color_classifier(tmp_path / 'color.onnx')),
        color__crop_of='pose',
    )
    topics = {name for name, _ in peer.node.get_topic_names_and_types()}
    own = {each for each in topics if each.endswith('/annotations')}
    assert own == {f'/{peer.namespace}/{each}/annotations' for each in ('pose', 'color')}
    images, boxes = peer.image_publisher(), peer.collect('pose/detections', Detection2DArray)

    def image():
        return image_message(np.full((640, 640, 3), (255, 0, 0), np.uint8), header=unique_header())

    peer.ask(images, image(), boxes)
    assert made == [], 'nobody subscribes'

    found = {
        name: peer.collect(f'{name}/annotations', messages.ImageAnnotations)
        for name in ('pose', 'color')
    }
    peer.send_until(images, image, lambda: all(found.values()), 'annotations of both engines')
    newest = found['pose'][-1]
    dot, box = newest.points
    assert (dot.type, box.type) == (box.POINTS, box.LINE_LOOP)
    assert [(point.x, point.y) for point in dot.points] == [(300, 220)], 'the one above 0.7'
    corners = [(point.x, point.y) for point in box.points]
    assert corners == [(270, 200), (370, 200), (370, 280), (270, 280)]
    peer.wait_for(
        lambda: [each for each in boxes if each.header.stamp == dot.timestamp],
        'the detections of the same image',
    )
    (label,) = found['color'][-1].texts
    assert label.text.startswith('blue '), 'what the classifier says of the box'
