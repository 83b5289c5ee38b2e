"""The list of tasks: every word in metadata belongs to one task, and each task is complete."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from onnx_models import (
    color_classifier,
    color_segmentation,
    depth_network,
    instance_segmenter,
    pose_detector,
)

from jetson_perception.model_info import TASKS, ModelInfo
from jetson_perception.models import Model, open_model
from jetson_perception.models.registry import tasks
from jetson_perception.tasks.network_outputs import NetworkOutputs


def test_every_word_belongs_to_one_task():
    words = [word for task in tasks() for word in task.words]
    assert sorted(words) == sorted(TASKS)


@pytest.mark.parametrize('task', tasks(), ids=lambda task: task.title)
def test_parameters_have_what_a_node_declares(task):
    fields = dataclasses.fields(task.params)
    assert fields
    for field in fields:
        assert field.metadata['description'].endswith('.')
        assert field.default is not dataclasses.MISSING
    params = task.params_with(score_threshold=0.5, no_such_parameter=1, top_k=None)
    assert getattr(params, 'score_threshold', 0.5) == 0.5


@pytest.mark.parametrize(
    ('shape', 'dtype', 'info', 'word'),
    [
        pytest.param((1, 84, 8400), np.float32, {}, 'detect', id='anchors'),
        pytest.param((1, 300, 6), np.float16, {}, 'detect', id='rows'),
        pytest.param((1, 48, 64), np.float32, {'output': 'class_ids'}, 'semantic', id='told'),
        pytest.param((1, 48, 64), np.int64, {}, 'semantic', id='class_ids'),
        pytest.param((1, 4, 48, 64), np.float32, {}, 'semantic', id='scores'),
        pytest.param((1, 1000), np.float32, {}, 'classify', id='classes'),
        pytest.param((1, 1000), np.float32, {'output': 'logits'}, 'classify', id='logits'),
        pytest.param((1, 1000, 1, 1), np.float32, {}, 'classify', id='trailing_ones'),
        pytest.param((1, 1, 48, 64), np.float32, {}, 'depth', id='one_value_a_place'),
        pytest.param((1, 48, 64), np.float32, {}, 'depth', id='one_value_a_place_squeezed'),
        pytest.param(
            (1, 1, 48, 64), np.float32, {'output': 'logits'}, 'semantic', id='foreground'
        ),
        pytest.param((1, 1), np.float32, {}, 'semantic', id='one_number'),
        pytest.param((), np.float32, {}, 'semantic', id='scalar'),
    ],
)
def test_the_first_that_takes_an_output(shape, dtype, info, word):
    outputs = NetworkOutputs(['output0'], [np.zeros(shape, dtype)], (640, 480))
    taker = next(task for task in tasks() if task.takes(outputs, ModelInfo(**info)))
    assert word in taker.words


ALL = [
    pytest.param(pose_detector, ['detections', 'keypoints'], id='pose'),
    pytest.param(instance_segmenter, ['detections', 'instances'], id='instances'),
    pytest.param(color_segmentation, ['mask', 'summary', 'confidence'], id='semantic'),
    pytest.param(color_classifier, ['classification'], id='classifier'),
    pytest.param(depth_network, ['depth'], id='depth'),
]


@pytest.mark.parametrize(('write', 'topics'), ALL)
def test_messages_of_a_result_have_its_header(tmp_path, write, topics):
    header_type = pytest.importorskip('std_msgs.msg').Header
    with open_model(write(tmp_path / 'my.onnx')) as model:
        assert isinstance(model, Model)
        result = model(np.zeros((48, 64, 3), np.uint8))
        header = header_type(frame_id='camera')
        found = model.task.topics(model)
        assert [topic.name for topic in found] == topics
        for topic in found:
            message = topic.fill(result, header)
            if isinstance(message, topic.message_type):  # else it is the bytes of one
                assert message.header.frame_id == 'camera'


WITHOUT_ROS = """
import sys

for name in ('rclpy', 'std_msgs', 'sensor_msgs', 'vision_msgs'):
    sys.modules[name] = None  # an import of it fails

import numpy as np
from jetson_perception.models import open_model

for path in sys.argv[1:]:
    with open_model(path) as model:
        canvas = np.zeros((48, 64, 3), np.uint8)
        result = model(canvas)
        model.task.draw(canvas, model, result)
        print(dict(model.task.describe(model))['task'], *model.task.record(model, result))
assert 'pycuda' not in sys.modules
"""


def test_everything_but_messages_works_without_ros(tmp_path):
    paths = [
        str(write(tmp_path / f'{index}.onnx'))
        for index, write in enumerate(each.values[0] for each in ALL)
    ]
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_ROS, *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'pose detections',
        'instance segmentation detections',
        'semantic segmentation classes',
        'classification classification',
        'depth from one image depth',
    ]


def test_ids_are_recorded_where_something_tracks(tmp_path):
    boxes = [(100, 240, 100, 80, 0, 0.9), (500, 400, 60, 120, 0, 0.6)]
    with open_model(pose_detector(tmp_path / 'my.onnx', boxes)) as model:
        result = model(np.zeros((640, 640, 3), np.uint8))
        untracked = model.task.record(model, result)['detections']
        tracked = dataclasses.replace(result, track_id=np.array([7, -1], np.int64))
        records = model.task.record(model, tracked)['detections']
    assert [record['track_id'] for record in records] == [7, None]
    assert json.loads(json.dumps(records)) == records
    for record, plain in zip(records, untracked, strict=True):
        assert 'track_id' not in plain
        assert {key: record[key] for key in plain} == plain
