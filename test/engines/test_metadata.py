import logging
import os
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jetson_perception.engines.metadata import read_onnx_metadata, read_sidecar, sidecar_path
from jetson_perception.engines.tensorrt.plan_file import SIDECAR_KEY, PlanFile
from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo, find_problem, merge, validate


@pytest.mark.parametrize(
    ('props', 'expected'),
    [
        pytest.param({}, ModelInfo(), id='nothing'),
        pytest.param({'producer': 'me', 'date': '2026'}, ModelInfo(), id='others_keys'),
        pytest.param({'task': 'obb'}, ModelInfo(task='obb'), id='task_kept_as_text'),
        pytest.param(
            {'names': "{0: 'person', 1: 'hair drier'}"},
            ModelInfo(class_names=('person', 'hair drier')),
            id='names_python_dict',
        ),
        pytest.param(
            {'names': '{"0": "a", "1": "it\'s"}'},
            ModelInfo(class_names=('a', "it's")),
            id='names_json_dict',
        ),
        pytest.param(
            {'names': '["on", null]'}, ModelInfo(class_names=('on', 'None')), id='names_json_list'
        ),
        pytest.param(
            {'names': "{2: 'c', 0: 'a'}"},
            ModelInfo(class_names=('a', 'class_1', 'c')),
            id='names_with_gap',
        ),
        pytest.param({'names': '{}'}, ModelInfo(), id='names_empty'),
        pytest.param(
            {'imgsz': '[480, 640]'},
            ModelInfo(input_size_wh=(640, 480)),
            id='imgsz_is_height_width',
        ),
        pytest.param({'imgsz': '320'}, ModelInfo(input_size_wh=(320, 320)), id='imgsz_square'),
        pytest.param({'stride': '32'}, ModelInfo(stride=32), id='stride'),
        pytest.param({'kpt_shape': '[17, 3]'}, ModelInfo(keypoint_shape=(17, 3)), id='kpt_shape'),
        pytest.param(
            {'kpt_names': "{0: ['tip', 'tail'], 1: ['x', 'y']}"},
            ModelInfo(keypoint_names=('tip', 'tail')),
            id='kpt_names_per_class',
        ),
        pytest.param({'end2end': 'True'}, ModelInfo(layout='end_to_end'), id='end2end'),
        pytest.param({'end2end': 'False'}, ModelInfo(), id='end2end_false'),
        pytest.param(
            {'end2end': 'False', 'args': "{'nms': True, 'batch': 1}"},
            ModelInfo(layout='end_to_end'),
            id='exported_with_nms',
        ),
        pytest.param({'args': "{'nms': False, 'half': True}"}, ModelInfo(), id='without_nms'),
    ],
)
def test_onnx_metadata(props, expected, caplog):
    assert read_onnx_metadata(props) == expected
    assert not caplog.records


@pytest.mark.parametrize(
    ('key', 'text'),
    [
        pytest.param('names', '', id='names_empty_text'),
        pytest.param('names', "{0: 'a'", id='names_cut_off'),
        pytest.param('names', "{'first': 'a'}", id='names_by_word'),
        pytest.param('names', "{-1: 'a'}", id='names_below_zero'),
        pytest.param('names', "{4000000000: 'a'}", id='names_index_of_billions'),
        pytest.param('names', '7', id='names_number'),
        pytest.param('names', '(' * 10000, id='names_nested_deep'),
        pytest.param('names', "__import__('os').getcwd()", id='names_code'),
        pytest.param('imgsz', '[640]', id='imgsz_one'),
        pytest.param('imgsz', '[0, 640]', id='imgsz_zero'),
        pytest.param('imgsz', "['a', 'b']", id='imgsz_text'),
        pytest.param('stride', '32.5', id='stride_fraction'),
        pytest.param('stride', '-32', id='stride_negative'),
        pytest.param('stride', 'True', id='stride_bool'),
        pytest.param('kpt_shape', '[17]', id='kpt_shape_short'),
        pytest.param('kpt_shape', '[17, 9]', id='kpt_shape_nine_values'),
        pytest.param('kpt_names', '5', id='kpt_names_number'),
        pytest.param('args', '{', id='args_cut_off'),
        pytest.param('end2end', 'maybe(', id='end2end_not_a_literal'),
    ],
)
def test_metadata_that_cannot_be_read_is_left_out_with_a_warning(key, text, caplog):
    with caplog.at_level(logging.WARNING):
        info = read_onnx_metadata({'task': 'detect', key: text})
    assert info == ModelInfo(task='detect')
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert f"the model's metadata '{key}' is ignored" in caplog.text


# Neither time limit: Hypothesis builds its tables of Unicode on the first run.
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(['task', 'names', 'imgsz', 'stride', 'kpt_shape', 'args', 'end2end']),
        st.text()
        | st.recursive(
            st.integers() | st.text() | st.none() | st.booleans() | st.floats(),
            lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
        ).map(repr),
    )
)
@pytest.mark.slow
def test_no_metadata_stops_a_model(props):
    assert find_problem(read_onnx_metadata(props)) is None


def test_later_info_wins_where_it_says_something():
    first = ModelInfo(task='detect', class_names=('a', 'b'), stride=32, scale=1.0)
    second = ModelInfo(class_names=('c',), resize='stretch')
    assert merge() == ModelInfo()
    assert merge(first) == first
    assert merge(first, second, ModelInfo()) == ModelInfo(
        task='detect', class_names=('c',), stride=32, scale=1.0, resize='stretch'
    )


SIDECAR = """
task: semantic
class_names: [background, ulcer]
input_size_wh: [224, 160]
stride: 16
output: logits
resize: letterbox
color_order: bgr
scale: 1
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
"""


def test_sidecar(tmp_path):
    path = tmp_path / 'my.yaml'
    path.write_text(SIDECAR)
    assert read_sidecar(path) == ModelInfo(
        task='semantic',
        class_names=('background', 'ulcer'),
        input_size_wh=(224, 160),
        stride=16,
        output='logits',
        resize='letterbox',
        color_order='bgr',
        scale=1.0,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        pytest.param('', ModelInfo(), id='empty'),
        pytest.param('# nothing\n', ModelInfo(), id='comment'),
        pytest.param(
            'names: {0: a, 1: b}\nimgsz: [480, 640]\nkpt_shape: [5, 2]\n',
            ModelInfo(class_names=('a', 'b'), input_size_wh=(640, 480), keypoint_shape=(5, 2)),
            id='ultralytics_spelling',
        ),
        pytest.param('names: [1, 2]', ModelInfo(class_names=('1', '2')), id='names_of_digits'),
        pytest.param('input_size_wh: 96', ModelInfo(input_size_wh=(96, 96)), id='square'),
        pytest.param('class_names: [café]', ModelInfo(class_names=('café',)), id='utf8'),
        pytest.param(
            'task: pose\nkeypoint_names: [tip, tail]\nskeleton: [[0, 1]]\nlayout: anchor_free',
            ModelInfo(
                task='pose',
                keypoint_names=('tip', 'tail'),
                skeleton=((0, 1),),
                layout='anchor_free',
            ),
            id='pose',
        ),
    ],
)
def test_sidecar_spellings(tmp_path, text, expected):
    path = tmp_path / 'my.yaml'
    path.write_text(text, encoding='utf-8')
    assert read_sidecar(path) == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        pytest.param(
            'class_name: [a]',
            r"my\.yaml: unknown key 'class_name'; did you mean 'class_names'\? Known keys: task, ",
            id='near_key',
        ),
        pytest.param(
            'zebra: 1', r"unknown key 'zebra'\. Known keys: task, class_names", id='far_key'
        ),
        pytest.param('5: 1', r'unknown key 5\. Known keys', id='key_not_text'),
        pytest.param('path: x.onnx', r"unknown key 'path'", id='path_is_not_a_key'),
        pytest.param(
            'names: [a]\nclass_names: [b]',
            r'class_names and names set the same value; keep one of them',
            id='said_twice',
        ),
        pytest.param('just text', r'holds one value; expected lines of `key: value`', id='text'),
        pytest.param('[1, 2]', r'expected lines of `key: value`', id='list'),
        pytest.param('task: [', r'my\.yaml cannot be read as YAML: line 2', id='not_yaml'),
        pytest.param(
            'a: !!python/object:os.system {}', r'line 1: it has a tag', id='python_object'
        ),
        pytest.param(
            'task: detection',
            r"task: 'detection' is not one of detect, pose, segment, obb, semantic, classify, "
            r"depth; did you mean 'detect'\?",
            id='task_unknown',
        ),
        pytest.param('task: 5', r'task: expected text, found 5', id='task_number'),
        pytest.param(
            'class_names: orange',
            r"class_names: expected a list of names, or index: name, found 'orange'",
            id='names_text',
        ),
        pytest.param(
            'input_size_wh: [640]', r'input_size_wh: expected \[width, height\]', id='size_one'
        ),
        pytest.param(
            'input_size_wh: [640, 0]',
            r'\(640, 0\) must be a width and a height above 0',
            id='size_zero',
        ),
        pytest.param('{.inf: a}', 'a number that is not finite', id='infinite_key'),
        pytest.param('scale: 1.0e+400', 'a number that is not finite', id='beyond_float'),
        pytest.param('stride: 2020-13-45', "whole number, found '2020-13-45'", id='no_date'),
        pytest.param('names: {a: b}', 'expected whole numbers as keys', id='names_by_text'),
        pytest.param('names: {yes: b}', 'expected whole numbers as keys', id='names_by_bool'),
        pytest.param('names: {1.5: b}', 'expected whole numbers as keys', id='names_by_float'),
        pytest.param('names: {65536: b}', 'expected indices from 0 to 65535', id='far_index'),
        pytest.param('names: [[a]]', r"expected a name, found \['a'\]", id='names_of_lists'),
        pytest.param('names: ["a\\nb"]', 'a control character in the name', id='newline'),
        pytest.param(f'names: [{"x" * 201}]', 'a name of 201 characters', id='long_name'),
        pytest.param(f'names: [{"x, " * 70000}]', 'has 70000 names', id='many_names'),
        pytest.param('kpt_names: {1: a, b: c}', 'expected whole numbers as keys', id='mixed_keys'),
        pytest.param('kpt_names: ["\\e[2J"]', 'keypoint_names: has a control', id='keypoint_name'),
        pytest.param(
            'class_names_file: "a\\0b"', 'expected a file below the folder', id='nul_in_a_path'
        ),
        pytest.param(
            'class_names_file: ~no-such-user-here/x', 'No such file', id='home_of_nobody'
        ),
        pytest.param(f'class_names_file: {"n" * 256}', 'File name too long', id='long_path'),
        pytest.param('stride: yes', r'expected a whole number, found True', id='stride_yes'),
        pytest.param('scale: 1/255', r"scale: expected a number, found '1/255'", id='scale_text'),
        pytest.param('scale: 0', r'scale: 0\.0 must be a number other than 0', id='scale_zero'),
        pytest.param('scale: .nan', r'a number that is not finite', id='scale_nan'),
        pytest.param('mean: 0.5', r'mean: expected three numbers', id='mean_one'),
        pytest.param('std: [1, 1, 0]', r'std: .* values are divided by them', id='std_zero'),
        pytest.param(
            'resize: letterboxed',
            r"resize: 'letterboxed' is not one of letterbox, .*did you mean 'letterbox'\?",
            id='resize_unknown',
        ),
        pytest.param(
            'layout: yolov8', r"layout: 'yolov8' is not one of objectness, ", id='layout'
        ),
        pytest.param('kpt_shape: [3, 4]', r'keypoint_shape: \(3, 4\) must be', id='kpt_shape'),
        pytest.param(
            'kpt_shape: [3, 2]\nkeypoint_names: [a, b]', r'2 names for 3 keypoints', id='kpt_names'
        ),
        pytest.param(
            'kpt_shape: [3, 2]\nskeleton: [[0, 3]]',
            r'skeleton: joins keypoint 3; the model has 0 to 2',
            id='skeleton_outside',
        ),
        pytest.param('skeleton: [[0, -1]]', r'keypoint indices count from 0', id='skeleton_below'),
        pytest.param(
            'skeleton: [0, 1]', r'a list of \[keypoint index, keypoint index\]', id='skeleton_flat'
        ),
    ],
)
def test_sidecar_errors_name_the_key(tmp_path, text, message):
    path = tmp_path / 'my.yaml'
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        read_sidecar(path)


def test_names_in_a_file_beside_the_sidecar(tmp_path, monkeypatch):
    monkeypatch.chdir('/')
    path = tmp_path / 'my.yaml'
    path.write_text('class_names_file: coco.names')
    with pytest.raises(
        ModelError, match=r'my\.yaml: class_names_file: .*coco.names cannot be read'
    ):
        read_sidecar(path)
    (tmp_path / 'coco.names').write_text('person\ntraffic light\n')
    assert read_sidecar(path) == ModelInfo(class_names=('person', 'traffic light'))
    path.write_text('class_names_file: coco.names\nnames: [a]')
    with pytest.raises(ModelError, match='names and class_names_file set the same value'):
        read_sidecar(path)
    path.write_text('class_names_file: [a]')
    with pytest.raises(ModelError, match='class_names_file: expected text, found'):
        read_sidecar(path)


@pytest.mark.parametrize('location', ['/etc/passwd', '../names.txt', 'a/../../names.txt', '~/x'])
def test_names_in_a_file_elsewhere(tmp_path, monkeypatch, location):
    """Neither opened nor quoted, also where a plan carries the words of a sidecar."""
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'names.txt').write_text('secret')
    (tmp_path / 'x').write_text('secret')
    folder = tmp_path / 'model'
    folder.mkdir()
    (folder / 'my.yaml').write_text(f'class_names_file: {location}')
    match = r'my\.yaml: class_names_file: expected a file below the folder|cannot be read'
    with pytest.raises(ModelError, match=match) as caught:
        read_sidecar(folder / 'my.yaml')
    assert 'secret' not in str(caught.value)
    plan = PlanFile(b'', {SIDECAR_KEY: {'class_names_file': location}})
    with pytest.raises(ModelError, match='class_names_file') as caught:
        plan.info(str(folder / 'my.engine'))
    assert 'secret' not in str(caught.value)


def test_sidecar_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError, match=r'none\.yaml cannot be read: .*No such file'):
        read_sidecar(tmp_path / 'none.yaml')
    (tmp_path / 'latin.yaml').write_bytes(b'names: [caf\xe9]')
    with pytest.raises(
        ModelError, match=r'latin\.yaml cannot be read as YAML: line 1: it is not UTF-8'
    ):
        read_sidecar(tmp_path / 'latin.yaml')


def test_a_pipe_in_its_place_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'my.yaml')
    assert sidecar_path(tmp_path / 'my.onnx') == tmp_path / 'my.yaml'
    with pytest.raises(ModelError, match=r'my\.yaml is a pipe \(FIFO\); expected a regular file'):
        read_sidecar(tmp_path / 'my.yaml')


def test_a_long_name_has_no_sidecar(tmp_path):
    assert sidecar_path(tmp_path / ('n' * 254)) is None


def test_every_key_except_path_can_be_set_in_a_sidecar(tmp_path):
    path = tmp_path / 'my.yaml'
    for field in fields(ModelInfo):
        path.write_text(f'{field.name}: null')
        with pytest.raises(ModelError) as error:
            read_sidecar(path)
        assert ('unknown key' in str(error.value)) == (field.name == 'path')


def test_sidecar_path(tmp_path):
    model = tmp_path / 'my.v2.onnx'
    assert sidecar_path(model) is None
    (tmp_path / 'my.v2.yml').touch()
    assert sidecar_path(model) == tmp_path / 'my.v2.yml'
    (tmp_path / 'my.v2.yaml').touch()
    assert sidecar_path(model) == tmp_path / 'my.v2.yaml'


def test_validate_names_the_origin():
    good = ModelInfo(path='a.onnx', layout='end_to_end', std=(1.0, 1.0, 2.0))
    validate(good)
    with pytest.raises(ModelError, match=r'a\.onnx: color_order: .gray. is not one of rgb, bgr'):
        validate(replace(good, color_order='gray'))
    with pytest.raises(ModelError, match=r'^overrides: mean: '):
        validate(ModelInfo(mean=(0.0, float('inf'), 0.0)), 'overrides')
