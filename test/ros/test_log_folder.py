"""Where ROS cannot write its log: one line that says how to give it another folder."""

import os
import subprocess
import sys

import pytest

from jetson_perception.ros.log_folder import log_folder_problem

NAMES = ('ROS_LOG_DIR', 'ROS_HOME', 'HOME')


@pytest.fixture
def environ(monkeypatch):
    """Sets those of the variables that are given, and no other."""

    def make(**given):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))

    return make


@pytest.mark.parametrize(
    ('name', 'folder'),
    [
        pytest.param('HOME', 'a ü/.ros/log', id='home'),
        pytest.param('ROS_HOME', 'a ü/log', id='ros_home'),
        pytest.param('ROS_LOG_DIR', 'a ü', id='log_dir'),
    ],
)
def test_a_folder_that_can_be_made_is_fine(environ, tmp_path, name, folder):
    environ(**{name: tmp_path / 'a ü'})
    assert log_folder_problem() == ''
    assert (tmp_path / folder).is_dir()


def test_the_first_of_the_variables_counts(environ, tmp_path):
    environ(ROS_LOG_DIR=tmp_path, ROS_HOME='/dev/null', HOME='/dev/null')
    assert log_folder_problem() == ''
    environ(ROS_LOG_DIR='', ROS_HOME=tmp_path, HOME='/dev/null')
    assert log_folder_problem() == ''


@pytest.mark.parametrize(
    ('given', 'reason'),
    [
        pytest.param({}, 'HOME is not set, so ', id='nothing'),
        pytest.param({'HOME': ''}, 'HOME is not set, so ', id='empty_home'),
        pytest.param({'HOME': '/dev/null'}, '/dev/null/.ros/log by HOME, cannot be', id='home'),
        pytest.param({'HOME': '/proc'}, '/proc/.ros/log by HOME, cannot be made: ', id='proc'),
        pytest.param({'ROS_HOME': '/dev/null'}, '/dev/null/log by ROS_HOME, ', id='ros_home'),
        pytest.param({'ROS_LOG_DIR': '/dev/null'}, '/dev/null by ROS_LOG_DIR, ', id='log_dir'),
        pytest.param({'ROS_LOG_DIR': '~nobody_at_all/x'}, 'by ROS_LOG_DIR, cannot', id='nobody'),
    ],
)
def test_one_that_cannot_be(environ, given, reason):
    environ(**given)
    problem = log_folder_problem()
    assert reason in problem
    assert 'to a folder that may be written to, such as `export ROS_LOG_DIR=/tmp/' in problem
    assert '\n' not in problem


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_one_that_may_not_be_written_to(environ, tmp_path):
    tmp_path.chmod(0o555)
    environ(ROS_LOG_DIR=tmp_path)
    assert 'by ROS_LOG_DIR, may not be written to; set it to a folder' in log_folder_problem()
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    'module',
    [
        'jetson_perception.nodes.camera_node',
        'jetson_perception.nodes.seg_node',
        'jetson_perception.nodes.yolo_node',
        'jetson_perception.ros.demo',
    ],
)
def test_a_program_ends_with_one_line(module, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, '-m', module],
        env=environment | {'HOME': '/dev/null'},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('the folder of the ROS log, /dev/null/.ros/log by HOME, cannot be')
