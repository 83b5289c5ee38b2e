"""The files of deploy/ name what is there: nodes, parameters, files, users."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from jetson_perception import bringup

DEPLOY = Path(__file__).resolve().parent.parent / 'deploy'
DOCKERFILES = sorted((DEPLOY / 'docker').glob('Dockerfile*'))
UNIT = (DEPLOY / 'systemd' / 'jetson-perception@.service').read_text('utf-8')
ENVIRONMENT = dict(
    line.split('=', 1)
    for line in (DEPLOY / 'systemd' / 'yolo.env').read_text('utf-8').splitlines()
    if not line.startswith('#')
)


@pytest.mark.skipif(shutil.which('systemd-analyze') is None, reason='systemd is not installed')
def test_systemd_understands_the_unit(tmp_path):
    path = tmp_path / 'jetson-perception@yolo.service'
    path.write_text(UNIT)
    done = subprocess.run(
        ['systemd-analyze', 'verify', str(path)], capture_output=True, text=True, check=False
    )
    # Others of the machine may have faults.
    assert 'jetson-perception' not in done.stderr, done.stderr


def test_the_unit_uses_what_its_environment_file_sets():
    (command,) = re.findall(r"ExecStart=/bin/bash -c '(.*?)'\n", UNIT, re.DOTALL)
    assert set(re.findall(r'\$\{(\w+)\}', command)) <= set(ENVIRONMENT)
    cmake = (DEPLOY.parent / 'CMakeLists.txt').read_text('utf-8')
    assert re.search(rf'\b{ENVIRONMENT["NODE"]}\b', cmake)
    assert (
        bringup.Preparation(ENVIRONMENT['NODE'])
        .command('')[0]
        .endswith('lib/jetson_perception/yolo_node')
    )
    assert 'lib/jetson_perception/${NODE}"' in command


def test_an_environment_file_with_a_node_alone_is_enough():
    (command,) = re.findall(r"ExecStart=/bin/bash -c '(.*?)'\n", UNIT, re.DOTALL)
    defaults = dict(
        word.split('=', 1)
        for line in re.findall(r'^Environment=(.*)$', UNIT, re.MULTILINE)
        for word in line.split()
    )
    assert set(re.findall(r'\$\{(\w+)\}', command)) - set(defaults) == {'NODE'}
    assert defaults['NAMESPACE'] == '/'  # ROS refuses an empty one
    assert defaults['WORKSPACE'] == ENVIRONMENT['WORKSPACE']


def test_the_unit_waits_for_the_network():
    """Fast DDS uses no interface that comes after a node has started."""
    for setting in ('Wants', 'After'):
        assert re.findall(rf'^{setting}=(.*)$', UNIT, re.MULTILINE) == ['network-online.target']


def test_parameters_of_the_example_exist():
    content = yaml.safe_load((DEPLOY / 'systemd' / 'yolo.yaml').read_text('utf-8'))
    parameters = content['/**']['ros__parameters']
    names = {*parameters, *parameters['det']} - {'det'}
    assert names <= bringup.parameter_names('yolo_node')
    assert parameters['engines'] == ['det']


def test_compose_files_name_files_and_arguments_that_exist():
    folder = DEPLOY / 'docker'
    for name in ('compose.yaml', 'compose.nvidia.yaml', 'compose.jetson.yaml'):
        service = yaml.safe_load((folder / name).read_text('utf-8'))['services']['yolo']
        assert (DEPLOY.parent / service['build']['dockerfile']).is_file()
        words = service.get('command', [])[4:]
        known = {each.name for each in bringup.YOLO_ARGUMENTS}
        assert {word.partition(':=')[0] for word in words} <= known
    # What compose.yaml mounts at /config.
    assert (folder / '../systemd/yolo.yaml').resolve().is_file()


def test_a_node_that_ends_in_a_container_is_started_again():
    """docker sees launch alone, which runs on without its nodes."""
    compose = yaml.safe_load((DEPLOY / 'docker' / 'compose.yaml').read_text('utf-8'))
    commands = [compose['services']['yolo']['command']]
    for path in DOCKERFILES:
        (command,) = re.findall(r'^CMD (.*)$', path.read_text('utf-8'), re.MULTILINE)
        commands.append(json.loads(command))
    for command in commands:
        assert command[:4] == ['ros2', 'launch', 'jetson_perception', 'yolo.launch.py']
        given = dict(word.split(':=', 1) for word in command[4:])
        nodes = bringup.yolo(bringup.defaults(bringup.YOLO_ARGUMENTS, **given))
        ended = [node.executable for node in nodes if node.respawn_delay_s is None]
        assert not set(ended) - {'view'}, command


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_a_container_is_stopped_by_a_signal_that_launch_hears(path):
    """As the first process of a container, it does not hear SIGTERM."""
    assert re.findall(r'^STOPSIGNAL (.*)$', path.read_text('utf-8'), re.MULTILINE) == ['SIGINT']


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_any_user_may_run_the_entry_point(path):
    text = path.read_text('utf-8')
    (options,) = re.findall(r'^COPY(.*) deploy/docker/entry', text, re.MULTILINE)
    assert options.split() == ['--chmod=755']


def test_onnxruntime_is_for_the_cuda_of_the_image():
    """1.26 is the last onnxruntime-gpu for CUDA 12."""
    text = (DEPLOY / 'docker' / 'Dockerfile.nvidia').read_text('utf-8')
    (cuda,) = re.findall(r'^ARG BASE=nvidia/cuda:(\d+)', text, re.MULTILINE)
    (wanted,) = re.findall(r'^ARG ONNXRUNTIME=onnxruntime-gpu(.*)$', text, re.MULTILINE)
    assert (cuda, wanted) == ('12', '>=1.19,<1.27')
    assert '"${ONNXRUNTIME}"' in text


def test_arguments_of_a_jetson_are_those_of_the_dockerfile():
    text = (DEPLOY / 'docker/compose.jetson.yaml').read_text('utf-8')
    build = yaml.safe_load(text)['services']['yolo']['build']
    dockerfile = (DEPLOY.parent / build['dockerfile']).read_text('utf-8')
    assert set(build['args']) <= set(re.findall(r'^ARG (\w+)', dockerfile, re.MULTILINE))


@pytest.mark.skipif(shutil.which('hadolint') is None, reason='hadolint is not installed')
@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_no_fault(path):
    done = subprocess.run(['hadolint', str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_copy_what_exists(path):
    text = path.read_text('utf-8')
    for source in re.findall(r'^COPY (?:--\S+ )*(\S+) ', text, re.MULTILINE):
        assert (DEPLOY.parent / source).exists()
