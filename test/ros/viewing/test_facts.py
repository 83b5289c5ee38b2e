import json
import math

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from jetson_perception.msg import PipelineStats, StageLatency
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from jetson_perception.ros.viewing.facts import CONVERSIONS, diagnosis


def converted(kind, topic, msg):
    """What the page is told; all of it has to be JSON."""
    told = CONVERSIONS[kind].convert(topic, msg)
    return json.loads(json.dumps(told, allow_nan=False))


def detection(class_id, score):
    made = ObjectHypothesisWithPose()
    made.hypothesis.class_id, made.hypothesis.score = class_id, score
    return made


def test_no_detections():
    told = converted(
        'vision_msgs/msg/Detection2DArray', '/yolo/det/detections', Detection2DArray()
    )
    assert told == {'engine': '/yolo/det', 'count': 0, 'objects': []}


def test_what_is_not_finite_without_class_or_printable():
    detections = [
        Detection2D(id='\x1b[2J' + 'x' * 500),
        Detection2D(results=[detection('cat', 0.25), detection('dog\n', 0.5)]),
        Detection2D(results=[detection('cat', math.nan)]),
    ]
    detections[0].bbox.size_x = math.inf
    told = converted(
        'vision_msgs/msg/Detection2DArray', '/d', Detection2DArray(detections=detections)
    )
    first, second, third = told['objects']
    assert first['id'].startswith('\\x1b[2J')
    assert len(first['id']) == 100
    assert (first['class'], first['score'], first['size']) == ('', None, [None, 0])
    assert (second['class'], second['score']) == ('dog\\n', 0.5)
    assert third['score'] is None


def test_more_objects_than_are_shown():
    msg = Detection2DArray(detections=[Detection2D()] * 1000)
    told = converted('vision_msgs/msg/Detection2DArray', '/d', msg)
    assert (told['count'], len(told['objects'])) == (1000, 50)


def test_all_labels_are_known_as_they_are():
    """Those that are chosen are said to the node, which knows them by these names alone."""
    names = [f'class {number}\n' for number in range(1200)]
    msg = LabelInfo(class_map=[VisionClass(class_name=each) for each in names])
    assert converted('vision_msgs/msg/LabelInfo', '/d/label_info', msg) == names


def test_stages_without_frames_are_left_out():
    stages = [StageLatency(name='total', median_ms=1.5, p99_ms=2.0, samples=3), StageLatency()]
    told = converted('jetson_perception/msg/PipelineStats', '/s', PipelineStats(stages=stages))
    assert told['stages'] == [{'name': 'total', 'median': 1.5, 'p99': 2.0}]


@pytest.mark.parametrize(
    ('level', 'word'), [(b'\x00', 'ok'), (b'\x02', 'error'), (b'\x09', 'stale')]
)
def test_levels_in_words(level, word):
    assert diagnosis(DiagnosticStatus(level=level))['level'] == word
