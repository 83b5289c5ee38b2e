"""What is told to who gives a launch file an argument that it does not have."""

from __future__ import annotations

import re

import pytest

from jetson_perception.bringup import parameter_names
from jetson_perception.launch_arguments import (
    CAMERA_ARGUMENTS,
    CONCURRENT_ARGUMENTS,
    OF_LAUNCH,
    SEG_ARGUMENTS,
    YOLO_ARGUMENTS,
    unknown_argument_problem,
)

ALL = {
    'seg.launch.py': SEG_ARGUMENTS,
    'yolo.launch.py': YOLO_ARGUMENTS,
    'concurrent.launch.py': CONCURRENT_ARGUMENTS,
    'camera.launch.py': CAMERA_ARGUMENTS,
}
OF_CAMERAS = {
    'source',
    'width',
    'height',
    'frame_rate',
    'pixel_format',
    'frame_id',
    'calibration',
    'calibration_output',
    'recorded_stamps',
}


def problem(*given, file='yolo.launch.py'):
    return unknown_argument_problem(file, given, ALL[file], {})


@pytest.mark.parametrize('file', ALL)
def test_nothing_where_all_are_known(file):
    assert unknown_argument_problem(file, [], ALL[file], {}) == ''
    names = [argument.name for argument in ALL[file]]
    assert unknown_argument_problem(file, [*names, *OF_LAUNCH], ALL[file], {}) == ''


@pytest.mark.parametrize('file', ALL)
def test_every_launch_file_has_those_of_cameras(file):
    assert {argument.name for argument in ALL[file]} >= OF_CAMERAS


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        pytest.param('modle', 'model', id='swapped_letters'),
        pytest.param('Model', 'model', id='case'),
        pytest.param('engine-name', 'engine_name', id='hyphen'),
        pytest.param('rate', 'frame_rate', id='short'),
        pytest.param('fps', 'frame_rate', id='another_word'),
        pytest.param('weights', 'model', id='word_of_others'),
        pytest.param('conf', 'score_threshold', id='word_of_yolo'),
        pytest.param('topic', 'image', id='word_of_ros'),
    ],
)
def test_names_the_one_that_was_meant(given, meant):
    text = problem(given)
    assert f'yolo.launch.py has no launch argument {given} (did you mean {meant}:=?)' in text
    assert 'ros2 launch jetson_perception yolo.launch.py --show-args' in text


@pytest.mark.parametrize('given', ['', 'xyzzy', 'a\nb\x1b[2J', 'ü' * 500])
def test_says_nothing_else_of_one_that_is_like_none(given):
    text = problem(given)
    assert 'did you mean' not in text
    assert text.isprintable()
    assert len(text) < 300


def test_an_argument_that_this_launch_file_lacks():
    """camera.launch.py has no model, so weights is not called one."""
    assert 'did you mean' not in problem('weights', file='camera.launch.py')


@pytest.mark.parametrize('given', ['name', 'namespace'])
def test_those_of_other_launch_files_have_names_of_the_camera(given):
    text = problem(given, file='camera.launch.py')
    assert f'no launch argument {given} (did you mean camera_{given}:=?);' in text
    assert problem(given) == '', 'yolo.launch.py has it'


def test_names_all_that_are_unknown():
    text = problem('model', 'modle', 'xyzzy')
    assert 'modle (did you mean model:=?), xyzzy;' in text


PARAMETERS = {node: parameter_names(node) for node in ('yolo_node', 'camera_node')}


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        pytest.param(
            'max_image_pixels', 'of yolo_node and camera_node: .* file, params_file:=', id='both'
        ),
        pytest.param('input_size', 'of yolo_node: .* file, params_file:=', id='empty_list'),
        pytest.param('det.top_k', 'of yolo_node: .* file, params_file:=', id='of_an_engine'),
    ],
)
def test_parameters_of_nodes(given, told):
    text = unknown_argument_problem('yolo.launch.py', [given], YOLO_ARGUMENTS, PARAMETERS)
    assert re.search(rf'no launch argument {given} \(it is a parameter {told}\)', text)
    assert 'did you mean' not in text


def test_a_parameter_of_the_camera_alone():
    names = {'yolo_node': ['model'], 'camera_node': ['shutter']}
    text = unknown_argument_problem('yolo.launch.py', ['shutter'], YOLO_ARGUMENTS, names)
    assert 'of camera_node: put it into a YAML file, camera_params_file:=' in text
