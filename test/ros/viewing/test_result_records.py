"""Messages of results as records; what they say is foreign."""

import json
import math

import pytest
from jetson_perception.msg import (
    ClassArea,
    Keypoint2D,
    KeypointDetection2D,
    KeypointDetection2DArray,
    SegmentationSummary,
)
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from jetson_perception.ros.viewing.result_follower import readable_record
from jetson_perception.ros.viewing.result_records import RECORDED, record_of
from jetson_perception.ros.viewing.topics import DETECTIONS

HEADER = Header()
HEADER.stamp.sec, HEADER.stamp.nanosec = 3, 5


def detection(theta=0.0, track='', scores=(0.2, 0.9)):
    made = Detection2D(id=track)
    for number, score in enumerate(scores):
        each = ObjectHypothesisWithPose()
        each.hypothesis.class_id, each.hypothesis.score = f'class {number}', score
        made.results.append(each)
    made.bbox.center.position.x, made.bbox.center.theta = 4.0, theta
    made.bbox.size_x, made.bbox.size_y = 2.0, math.nan
    return made


def record(msg):
    kind = next(kind for kind, each in RECORDED.items() if each.message_type is type(msg))
    made = record_of('/a', kind, serialize_message(msg))
    json.dumps(made, allow_nan=False)
    assert (made.pop('topic'), made.pop('stamp_ns')) == ('/a', 3_000_000_005)
    return made


@pytest.mark.parametrize(
    'message_type',
    [each.message_type for each in RECORDED.values()],
    ids=lambda each: each.__name__,
)
def test_nothing_found_is_a_record_too(message_type):
    (found,) = record(message_type(header=HEADER)).values()
    assert found == []


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        pytest.param(
            detection(track='12'),
            {
                'class_name': 'class 1',
                'score': 0.9,
                'xyxy': [3.0, None, 5.0, None],
                'track_id': 12,
            },
            id='the_best_class_and_no_nan',
        ),
        pytest.param(
            detection(track='no number', scores=()),
            {'xyxy': [3.0, None, 5.0, None], 'track_id': 'no number'},
            id='of_another_node',
        ),
        pytest.param(
            detection(theta=0.5, scores=(math.inf,)),
            {
                'class_name': 'class 0',
                'score': None,
                'oriented': {'x': 4.0, 'y': 0.0, 'width': 2.0, 'height': None, 'theta': 0.5},
            },
            id='oriented',
        ),
    ],
)
def test_detections(message, expected):
    made = record(Detection2DArray(header=HEADER, detections=[message]))
    assert made == {'detections': [expected]}


def test_a_damaged_message_is_none():
    damaged = b'\x00\x01\x00\x00\xff\xff'
    assert readable_record('/a', DETECTIONS, damaged) is None
    whole = serialize_message(Detection2DArray(header=HEADER))
    assert readable_record('/a', DETECTIONS, whole)['detections'] == []


def test_keypoints():
    person = KeypointDetection2D(hypothesis=ObjectHypothesis(class_id='person', score=0.5))
    person.keypoints = [Keypoint2D(name='nose', x=1.25, y=math.inf, score=0.125)]
    made = record(KeypointDetection2DArray(header=HEADER, detections=[person]))
    (found,) = made['detections']
    assert found['class_name'] == 'person'
    assert found['keypoints'] == [{'name': 'nose', 'x': 1.25, 'y': None, 'score': 0.125}]


def test_areas_and_classes():
    area = ClassArea(class_id=3, class_name='belt', pixels=12, ratio=0.25)
    assert record(SegmentationSummary(header=HEADER, classes=[area])) == {
        'classes': [{'class_id': 3, 'class_name': 'belt', 'pixels': 12, 'ratio': 0.25}]
    }
    best = ObjectHypothesis(class_id='ripe', score=0.75)
    assert record(Classification(header=HEADER, results=[best])) == {
        'classification': [{'class_name': 'ripe', 'score': 0.75}]
    }
