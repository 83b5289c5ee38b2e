"""Nodes are started, and parameters set, as pages say; with scenes for cameras that are not there.

A small detector stands for models of users, so that what is tested is the command.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from nodes.support import node_process
from onnx_models import color_segmentation, detector, ultralytics_metadata
from page_commands import all_commands

from jetson_perception import bringup

COMMANDS = sorted(all_commands())
LAUNCHES = [each for each in COMMANDS if each.startswith('ros2 launch jetson_perception ')]
SETTINGS = [each for each in COMMANDS if re.match(r'ros2 param set /(seg|yolo)/', each)]
RUNS = [
    each
    for each in COMMANDS
    if re.match(r'ros2 run jetson_perception (seg|yolo|camera)_node |install/\S+/seg_node ', each)
]
FILES = {
    'seg.launch.py': (bringup.SEG_ARGUMENTS, bringup.seg),
    'yolo.launch.py': (bringup.YOLO_ARGUMENTS, bringup.yolo),
    'camera.launch.py': (bringup.CAMERA_ARGUMENTS, bringup.camera),
    'concurrent.launch.py': (bringup.CONCURRENT_ARGUMENTS, bringup.concurrent),
}


def test_pages_have_them():
    assert len(LAUNCHES) > 12
    assert len(SETTINGS) > 8
    assert len(RUNS) > 4


def launch(command, **instead):
    """What a launch file would start; `instead` gives other values for arguments that it has."""
    file, *words = shlex.split(command)[3:]
    arguments, processes = FILES[file]
    given = dict(word.split(':=', 1) for word in words)
    given |= {name: value for name, value in instead.items() if name in given}
    return processes(bringup.defaults(arguments, **given))


@pytest.mark.parametrize('command', LAUNCHES)
def test_a_launch_file_takes_the_arguments(command):
    assert launch(command)


@pytest.fixture
def instead(tmp_path):
    """Values for what is not there: cameras, models of users, a page that takes a port."""
    scene = 'scene://people?width=64&height=64'
    metadata = ultralytics_metadata('detect', 2, (640, 640), names="{0: 'car', 1: 'truck'}")
    return {
        'source': scene,
        'sources': f'front={scene},rear={scene}',
        'model': str(detector(tmp_path / 'my.onnx', metadata=metadata)),
        'calibration_output': str(tmp_path / 'front.yaml'),
        'precision': '',
        'view': 'false',
        'record': '',
        'autostart': 'true',
    }


@pytest.mark.slow
@pytest.mark.parametrize('command', LAUNCHES)
def test_nodes_of_a_launch_file_come_up(peer, start, tmp_path, instead, command):
    if 'seg.launch' in command:
        instead['model'] = str(color_segmentation(tmp_path / 'colors.onnx'))
    for process in launch(command, **instead):
        start(process)
        peer.wait_for_state(f'/{process.namespace}/{process.name}'.replace('//', '/'), 'active')


def values_after(option, words):
    """What each `name:=value` behind an option of a command line says."""
    return [tuple(value.split(':=', 1)) for word, value in pairwise(words) if word == option]


@pytest.mark.slow
@pytest.mark.parametrize('command', RUNS)
def test_a_node_comes_up(peer, start, tmp_path, instead, command):
    words = shlex.split(command)
    executable = next(Path(word).name for word in words if word.endswith('_node'))
    parameters = {}
    for name, value in values_after('-p', words):
        kind = name.rpartition('.')[2]
        parameters[name.replace('.', '__')] = instead.get(kind, yaml.safe_load(value))
    if executable == 'seg_node':
        parameters['model'] = str(color_segmentation(tmp_path / 'colors.onnx'))
    process = node_process(executable, peer.namespace, **parameters)
    process.remappings.update(values_after('-r', words))
    start(process)
    peer.wait_for_state(executable, 'active')


@pytest.mark.slow
def test_parameters_are_set_as_pages_do(peer, start):
    for file in ('yolo', 'seg'):
        node = launch(f'ros2 launch jetson_perception {file}.launch.py')[0]
        start(node)
        peer.wait_for_state(f'/{node.namespace}/{node.name}', 'active')
    for command in SETTINGS:
        node, name, value = shlex.split(command)[3:]
        answer = peer.set_parameter(node, name, yaml.safe_load(value))
        assert answer.successful, f'{command}: {answer.reason}'
