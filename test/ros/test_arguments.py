import os
import subprocess
import sys

import pytest

from jetson_perception.ros.arguments import require_utf8


def test_arguments_in_utf8_are_fine():
    require_utf8([])
    require_utf8(['node', '--ros-args', '-p', 'source:=/é.mp4'])
    require_utf8(None)


def test_others_end_the_process():
    with pytest.raises(
        SystemExit, match=r'^the argument source:=caf\\xe9 is not UTF-8, which ROS'
    ):
        require_utf8(['node', os.fsdecode(b'source:=caf\xe9')])


def test_a_node_ends_with_one_line():
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'jetson_perception.nodes.camera_node'),
            *('--ros-args', '-p', b'source:=/caf\xe9.mp4'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(r'the argument source:=/caf\xe9.mp4 is not UTF-8')


def test_a_params_file_that_is_not_yaml_gives_one_line(tmp_path):
    file = tmp_path / 'broken.yaml'
    file.write_text('a: [\n')
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'jetson_perception.nodes.camera_node'),
            *('--ros-args', '--params-file', str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith('ROS refuses the command line or its params file: ')
    assert 'broken.yaml' in last
    assert 'need quotes' in last
