"""Engine files: a plan, with the metadata of the model in front of it."""

import json
import os

import pytest
from tensorrt_there import requires_tensorrt

from jetson_perception.engines.tensorrt.plan_file import (
    PlanFile,
    join_plan,
    plan_version,
    read_plan_file,
    split_plan,
)
from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo

PLAN = b'ftrt' + bytes(20) + bytes([10, 3, 0, 26]) + bytes(range(200))


def front(text):
    return len(text).to_bytes(4, 'little') + text


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(b'', id='empty'),
        pytest.param(b'\0', id='a_byte'),
        pytest.param(PLAN, id='bare_plan'),
        pytest.param(front(b'{}')[:5], id='cut_off'),
        pytest.param((10**6).to_bytes(4, 'little') + b'{}', id='longer_than_the_file'),
        pytest.param(front(b'[1, 2]') + PLAN, id='json_of_another_kind'),
        pytest.param(front(b'{"a": ') + PLAN, id='half_json'),
        pytest.param(front(b'\xff\xfe{}') + PLAN, id='not_utf8'),
        pytest.param(front(b'{"a": 1}'.ljust(2 << 20)) + PLAN, id='too_long'),
    ],
)
def test_without_metadata_all_is_the_plan(content):
    assert split_plan(content) == PlanFile(content, {})


def test_ultralytics_front():
    metadata = {
        'description': 'Ultralytics YOLOv8n model',
        'task': 'pose',
        'stride': 32,
        'imgsz': [480, 640],
        'names': {'0': 'person'},
        'kpt_shape': [17, 3],
        'args': {'nms': False},
    }
    found = split_plan(front(json.dumps(metadata).encode()) + PLAN)
    assert found.plan == PLAN
    assert found.info('my.engine') == ModelInfo(
        task='pose',
        class_names=('person',),
        input_size_wh=(640, 480),
        stride=32,
        keypoint_shape=(17, 3),
    )


def test_the_yaml_file_takes_precedence(tmp_path):
    props = {'task': 'detect', 'names': "{0: 'cat'}"}
    said = {'names': ['dog'], 'resize': 'stretch'}
    path = tmp_path / 'my.engine'
    path.write_bytes(join_plan(PLAN, {**props, 'jetson_perception': said}))
    found = read_plan_file(path)
    assert found.plan == PLAN
    assert found.info(str(path)) == ModelInfo(
        task='detect', class_names=('dog',), resize='stretch'
    )


def test_a_bad_key_of_the_yaml_file(tmp_path):
    found = split_plan(join_plan(PLAN, {'jetson_perception': {'resise': 'stretch'}}))
    with pytest.raises(ModelError, match=r"my\.engine: unknown key 'resise'"):
        found.info('my.engine')


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match=r'my\.engine cannot be read: No such file'):
        read_plan_file(tmp_path / 'my.engine')


def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / 'my.engine')
    with pytest.raises(ModelError, match=r'my\.engine is a pipe'):
        read_plan_file(tmp_path / 'my.engine')


@pytest.mark.parametrize(
    'front',
    [
        pytest.param(b'{"a":' * 2000 + b'1' + b'}' * 2000, id='deep'),
        pytest.param(b'{"a": ' + b'9' * 5000 + b'}', id='5000_digits'),
        pytest.param(b'{"a": 1e400}', id='beyond_float'),
        pytest.param(b'{"a": "\\ud800"}', id='half_of_a_pair'),
    ],
)
def test_metadata_beyond_the_limits_are_ignored(front):
    content = len(front).to_bytes(4, 'little') + front + PLAN
    assert split_plan(content) == PlanFile(content)


def test_an_empty_file(tmp_path):
    (tmp_path / 'my.engine').touch()
    with pytest.raises(ModelError, match='is empty; build the engine again'):
        read_plan_file(tmp_path / 'my.engine')


@pytest.mark.parametrize(
    ('plan', 'version'),
    [
        pytest.param(b'', '', id='empty'),
        pytest.param(PLAN[:27], '', id='cut_off'),
        pytest.param(b'x' * 100, '', id='no_plan'),
        pytest.param(PLAN, 'TensorRT 10.3.0.26', id='tensorrt'),
        pytest.param(b'vtrt' + PLAN[4:], 'TensorRT-RTX 10.3.0.26', id='rtx'),
    ],
)
def test_version(plan, version):
    assert plan_version(plan) == version


@requires_tensorrt
def test_version_of_a_real_plan():
    import tensorrt_rtx_bindings as trt

    from jetson_perception.engines.tensorrt.api import process_logger

    builder = trt.Builder(process_logger())
    network = builder.create_network(0)
    network.mark_output(
        network.add_identity(network.add_input('x', trt.float32, (2,))).get_output(0)
    )
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    assert plan_version(bytes(plan)) == f'TensorRT-RTX {trt.__version__}'
