import subprocess
import sys

import pytest

from jetson_perception.ros.bare_arguments import require_ros_arguments


@pytest.mark.parametrize(
    'words',
    [
        pytest.param([], id='nothing'),
        pytest.param(['yolo_node'], id='the_program_alone'),
        pytest.param(['yolo_node', '--ros-args', '-p', 'det.model:=a.onnx'], id='parameter'),
        pytest.param(['yolo_node', '--ros-args', '-r', '__ns:=/a', '--'], id='ended'),
        pytest.param(['yolo_node', 'image:=/camera/image_raw'], id='remapping_that_ros_takes'),
        pytest.param(['yolo_node', '', '--ros-args', '--', ''], id='empty_words_of_launch'),
        pytest.param(['yolo_node', '__node:=a', '__ns:=/b'], id='names_that_ros_takes'),
        pytest.param(
            ['yolo_node', '--ros-args', '--enclave', '/a', '--log-level', 'debug', '-e', '--help'],
            id='other_options',
        ),
        pytest.param(
            ['yolo_node', 'image:=/i', '--ros-args', '--params-file', '/missing.yaml'],
            id='what_ros_refuses_itself',
        ),
        pytest.param(None, id='of_the_process'),
    ],
)
def test_what_ros_takes(words, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['seg_node', '--ros-args', '-p', 'model:=oranges'])
    require_ros_arguments(words, 'Does.')


@pytest.mark.parametrize(
    ('words', 'refused', 'meant'),
    [
        pytest.param(
            ['yolo_node', 'model:=x.onnx'],
            'model:=x.onnx',
            'yolo_node --ros-args -p det.model:=x.onnx',
            id='parameter_of_an_engine',
        ),
        pytest.param(
            ['/opt/lib/seg_node', 'model:=oranges'],
            'model:=oranges',
            'seg_node --ros-args -p model:=oranges',
            id='parameter_that_could_be_a_remapping',
        ),
        pytest.param(
            ['seg_node', '-p', 'model:=my files/x.onnx'],
            "-p 'model:=my files/x.onnx'",
            "seg_node --ros-args -p 'model:=my files/x.onnx'",
            id='option_without_ros_args',
        ),
        pytest.param(
            ['camera_node', 'source:=scene://oranges', 'image_raw:=/cam', '__ns:=/front'],
            'source:=scene://oranges',
            'camera_node --ros-args -p source:=scene://oranges -r image_raw:=/cam -r __ns:=/front',
            id='beside_remappings',
        ),
        pytest.param(
            ['seg_node', 'model:=x.onnx', '--ros-args', '-p', 'source:=v4l2:///dev/video0'],
            'model:=x.onnx',
            'seg_node --ros-args -p model:=x.onnx -p source:=v4l2:///dev/video0',
            id='before_ros_args',
        ),
        pytest.param(
            ['yolo_node', 'x.onnx'],
            'x.onnx',
            'yolo_node --ros-args -p det.model:=my.onnx',
            id='word',
        ),
        pytest.param(
            ['seg_node', '--ros-args', '-p', 'model:=oranges', '--', '--verbose\x1b'],
            "'--verbose\\x1b'",
            'seg_node --ros-args -p model:=my.onnx',
            id='behind_ros_args',
        ),
    ],
)
def test_what_ros_passes_over_is_an_error(words, refused, meant):
    with pytest.raises(SystemExit) as end:
        require_ros_arguments(words, 'Does.')
    name = words[0].rpartition('/')[2]
    assert end.value.code == (
        f'{name} knows no argument {refused} outside of --ros-args; start it as in: {meant} '
        '(--help says more)'
    )


@pytest.mark.parametrize('option', ['-h', '--help'])
def test_help(option, capsys):
    with pytest.raises(SystemExit) as end:
        require_ros_arguments(['yolo_node', option, '--ros-args', '-p', 'a:=1'], 'Does this.')
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert said.startswith('usage: ros2 run jetson_perception yolo_node --ros-args [-p NAME:=')
    assert '\nDoes this.\n' in said
    assert 'config/yolo_node.yaml lists every parameter' in said
    assert max(map(len, said.splitlines()[:-3])) <= 100


def test_a_node_ends_with_one_line():
    done = subprocess.run(
        [sys.executable, '-m', 'jetson_perception.nodes.seg_node', 'model:=x.onnx'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.splitlines()[-1].endswith(
        'seg_node --ros-args -p model:=x.onnx (--help says more)'
    )
