"""The command line of `record`, and the folders that it makes."""

from pathlib import Path

import pytest

from jetson_perception.ros.recording import arguments
from jetson_perception.ros.recording.arguments import new_folder, parsed, rosbag2_command


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        pytest.param([], 'folder', id='none'),
        pytest.param([' ', '--topics', 'a'], 'it is empty', id='empty'),
        pytest.param(['f'], '--topics', id='no_topics'),
        pytest.param(['f', '--topics', '('], 'is no regular expression', id='no_expression'),
        pytest.param(['f', '--topics', 'a', '--recorder', 'x'], 'choose from', id='recorder'),
    ],
)
def test_what_is_wrong_is_said(given, said, capsys):
    with pytest.raises(SystemExit):
        parsed(['record', *given])
    assert said in capsys.readouterr().err


def test_ros_arguments_are_left_to_ros():
    options = parsed(['record', '~/a', '--topics', '^/x$', '--ros-args', '-r', '__ns:=/a'])
    assert options == (Path('~/a').expanduser(), '^/x$', 'auto')


def test_each_recording_has_its_own_folder(tmp_path):
    first = new_folder(tmp_path, 0.0)
    first.mkdir()
    second = new_folder(tmp_path, 0.0)
    second.symlink_to('nowhere')  # is there as well
    third = new_folder(tmp_path, 0.0)
    assert (second.name, third.name) == (f'{first.name}_2', f'{first.name}_3')


@pytest.mark.parametrize(('distribution', 'compresses'), [('jazzy', True), ('humble', False)])
def test_the_command_of_rosbag2(monkeypatch, distribution, compresses):
    monkeypatch.setenv('ROS_DISTRO', distribution)
    command = rosbag2_command(Path('/a b'), '^/x$')
    assert command[:5] == ['ros2', 'bag', 'record', '-s', 'mcap']
    assert command[-4:] == ['-o', '/a b', '-e', '^/x$']
    assert ('zstd_fast' in command) == compresses


def test_rosbag2_is_taken_only_with_its_command(monkeypatch):
    monkeypatch.setattr(arguments, 'get_package_prefix', lambda name: '/opt')
    monkeypatch.setattr(arguments.shutil, 'which', lambda name: None)
    assert not arguments.has_rosbag2()
    monkeypatch.setattr(arguments.shutil, 'which', lambda name: '/opt/bin/ros2')
    assert arguments.has_rosbag2()
