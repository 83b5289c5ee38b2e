"""Each command in a block of a page is run by a test, or listed here with what it needs.

Nodes are started by test/nodes/test_documented_nodes.py, as pages do it.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from importlib import import_module

import pytest
from bags import write_bag
from command_output import write_picture, write_video
from dataset_folders import coco_folder, coco_objects, yolo_folder
from onnx_models import detector
from page_commands import PAGES, all_commands, commands_in_blocks

from jetson_perception.commands.main import main
from jetson_perception.resources import model_path

#: What is run here, and whether that is quick; other verbs are listed below.
QUICK = {
    'jetson-perception info my.onnx',
    'jetson-perception run my.onnx street.jpg --output out',
    'jetson-perception run my.onnx video.mp4 --tracker bytetrack --output found',
    'jetson-perception run my.onnx drive.mcap --output out',
    'jetson-perception run my.onnx photos/ --tiles 4x3 --output found',
    'jetson-perception convert my.onnx --opset 13',
    'jetson-perception cache ls',
    'jetson-perception cache ls --json',
    'jetson-perception cache clear',
    'jetson-perception cache clear my.onnx',
}
SLOW = {
    'jetson-perception doctor',
    'jetson-perception bench my.onnx',
    'jetson-perception bench yolo11n.onnx --baseline seed',
    'jetson-perception quantize my.onnx --images photos/',
    "jetson-perception run oranges 'scene://oranges?frames=30' --output out",
    'jetson-perception evaluate --model my.onnx --dataset my_dataset/data.yaml',
    'jetson-perception evaluate --model my.onnx --dataset my_dataset/data.yaml --tiles 4x3',
    'jetson-perception evaluate --model my.onnx my_int8.onnx --dataset my_dataset/data.yaml',
    'jetson-perception evaluate --model my.onnx my-int8.onnx --dataset my_dataset/data.yaml '
    '--json figures.json --plot figures.png',
    'jetson-perception evaluate --model my.onnx --dataset coco/annotations/instances_val2017.json',
    'jetson-perception compare 320n.onnx 320n-int8.onnx --images photos '
    "--set 'input_size=[320,320]'",
    "jetson-perception evaluate --model oranges --dataset 'scene://oranges?count=200'",
}
#: Started, as far as there is a camera for them, by test/nodes/test_documented_nodes.py.
NODES = re.compile(
    r'ros2 launch jetson_perception .*|ros2 param set /(yolo|seg)/.*'
    r'|ros2 run jetson_perception (seg|yolo|camera)_node .*|install/.*/seg_node .*'
)
#: What the other commands need, which a test has not.
NEEDS = {
    'a GPU, or TensorRT': [
        r'jetson-perception build-engine .*',
        r'python tools/check_gpu.py .*',
        r'pytest test/cuda/test_kernels_on_gpu.py .*',
    ],
    'a Jetson': [
        r'sudo (nvpmodel|jetson_clocks).*',
        r'jetson-perception selftest .*',
        r'export PATH=/usr/local/cuda/bin:\$PATH',
    ],
    'a camera, or nodes, that run; tested in test/nodes': [
        r'jetson-perception (doctor --topic|trace|bench --ros) .*',
        r'ros2 run jetson_perception (view|record).*',
        r'ros2 service call /yolo/.*',
        r'jetson-perception run \S+ /dev/video0 .*',
    ],
    'another host, a radio, or a container': [
        r'export (ROS|FASTDDS|FASTRTPS)_.*',
        r'fast-discovery-server .*',
        r'ssh .*',
        r'docker .*',
    ],
    'packages of ROS that are not on PyPI': [
        r'ros2 bag .*',
        r'ros2 security .*',
        r'ROS_SECURITY_ENCLAVE_OVERRIDE=.*',
        r'ros2 run (camera_calibration|diagnostic_aggregator|rqt_robot_monitor) .*',
    ],
    'a network, or changes the machine': [
        r'(sudo )?(apt-get|apt|rosdep|pip|~/yolo/bin/pip|git) .*',
        r'sudo (apt-get|apt|rosdep|systemctl|useradd|install|sysctl|tee) .*',
        r'(npm|AXE_CORE=).*',
        r'python3 -m venv ~/yolo',
        r'~/yolo/bin/yolo export .*',
        r'(systemctl|journalctl) .*',
    ],
    'a workspace, which CI builds by other lines; tested in test_builds.py': [
        r'colcon build .*',
        r'cp -r src/.*',
        r'(cd|source) .*',
    ],
    'minutes; the same is tested with less': [
        r'make (demo|demo-yolo|setup|soak|test)( .*)?',  # test_demo.py, test_soak.py, CI itself
        r'(chrt -r 1 )?python (tools/|scenes/training/|- models/).*',
        r"sudo bash -c 'source tools/env.sh && python tools/measure_(transport|share).py.*'",
        r"sudo bash -c 'source tools/env.sh && python tools/measure_small_board.py.*'",
        r'models=.*',
        r'export MALLOC_.*',
        r"pytest test/cuda -k 'kernel or emulator'",
        r'jetson-perception quantize people_detect --images scene://people',
        r'jetson-perception bench people_detect people_pose .*',
        r'jetson-perception evaluate --model depth\.onnx --dataset (my_room|kitti .*)',
        r'jetson-perception evaluate --model oranges oranges-int8.onnx .*',
        r'ros2 run jetson_perception make_int8_models',
    ],
}


def what_it_needs(command):
    """Why a command is not run; '' if nothing says so."""
    for need, patterns in NEEDS.items():
        if any(re.fullmatch(pattern, command) for pattern in patterns):
            return need
    return ''


def test_each_command_is_run_or_says_what_it_needs():
    found = all_commands()
    assert len(found) > 150
    unknown = {
        command: page
        for command, page in found.items()
        if not (command in QUICK | SLOW or NODES.fullmatch(command) or what_it_needs(command))
    }
    assert unknown == {}, 'run them in a test, or say in NEEDS what keeps a test from that'


def test_nothing_is_listed_that_no_page_has():
    found = all_commands()
    assert set(found) >= QUICK | SLOW
    unused = [
        pattern
        for patterns in NEEDS.values()
        for pattern in patterns
        if not any(re.fullmatch(pattern, command) for command in found)
    ]
    assert unused == []


@pytest.mark.parametrize(
    ('text', 'commands'),
    [
        pytest.param('', [], id='empty'),
        pytest.param('    make demo   # quick\n    cd a && make test\n', None, id='begin'),
        pytest.param('Text\n\n    make a \\\n        b\n', ['make a b'], id='goes_on'),
        pytest.param('```\n$ make a\nwhat it prints\n$ make b\n```\n', ['make a', 'make b']),
        pytest.param('    sudo tee x <<EOF\n    a=1\n    EOF\n    make a\n', None, id='here'),
        pytest.param('    a: [1]\n    b: 2\n', [], id='yaml'),
        pytest.param('1. Item\n\n        make a\n', ['make a'], id='in_a_list'),
        pytest.param('```python\nimport a\n```\n', [], id='python'),
    ],
)
def test_commands_are_found(text, commands):
    expected = {
        '    make demo': ['make demo', 'cd a', 'make test'],
        '    sudo tee ': ['sudo tee x <<EOF', 'make a'],
    }
    assert commands_in_blocks(text) == (commands or expected.get(text[:13], []))


def test_a_line_that_is_no_command_among_commands_is_an_error():
    with pytest.raises(ValueError, match='jetson-perceptoin info'):
        commands_in_blocks('    make demo\n    jetson-perceptoin info my.onnx\n')


#: What a test runs less of.
LESS = {'bench': ['--frames', '5', '--size', '320x240'], 'quantize': ['--count', '4']}
FEWER = {'scene://oranges?count=200': 'scene://oranges?count=2'}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that pages name, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name in ('my', 'my_int8', 'my-int8', 'yolo11n'):
        detector(tmp_path / f'{name}.onnx', dynamic=True)
    for name in ('320n', '320n-int8'):
        detector(tmp_path / f'{name}.onnx', [(160, 120, 50, 40, 0, 0.9)], size_wh=(320, 320))
    write_picture(tmp_path / 'street.jpg')
    for index in range(6):
        write_picture(tmp_path / 'photos' / f'{index}.png')
    write_video(tmp_path / 'video.mp4')
    write_bag(tmp_path / 'bag', [10, 20])
    next((tmp_path / 'bag').glob('*.mcap')).rename(tmp_path / 'drive.mcap')
    yolo_folder(tmp_path / 'my_dataset', ['0 0.5 0.5 0.2 0.2\n'])
    objects = coco_folder(tmp_path / 'coco', [coco_objects((270, 200, 100, 80, 10))])
    objects.rename(objects.with_name('instances_val2017.json'))
    return tmp_path


def run_documented(command):
    program, *words = shlex.split(command)
    assert program == 'jetson-perception'
    words = [FEWER.get(word, word) for word in words] + LESS.get(words[0], [])
    # compare gives 1 where engines do not agree, 2 for an error
    assert main(words) in ((0, 1) if words[0] == 'compare' else (0,))


@pytest.mark.parametrize('command', sorted(QUICK))
def test_a_quick_command(folder, command):
    run_documented(command)


@pytest.mark.slow
@pytest.mark.parametrize('command', sorted(SLOW))
def test_a_slow_command(folder, command):
    if 'quantize' in command:  # needs a model with weights
        shutil.copy(model_path('people_detect'), 'my.onnx')
    run_documented(command)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_python_on_pages_is_valid(page):
    for block in re.findall(r'^```python\n(.*?)^```', page.read_text('utf-8'), re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                package = pytest.importorskip(node.module.partition('.')[0])
                if getattr(package, '__file__', None) is None:
                    pytest.skip(f'our folder {package.__name__}/ stands for the package')
                module = import_module(node.module)
                assert [each.name for each in node.names if not hasattr(module, each.name)] == []
