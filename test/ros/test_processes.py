"""Processes started without `ros2 launch`, and what prepares them."""

import os

import pytest
from int8_twins import pretend_made

from jetson_perception import bringup
from jetson_perception.errors import PerceptionError
from jetson_perception.ros.processes import running


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return dict(os.environ)


def test_a_node_starts_after_its_preparation(environ, tmp_path):
    pretend_made()
    program = bringup.Preparation('make_int8_models', ('people_pose_int8',))
    node = bringup.NodeProcess('seg_node', preparation=program)
    with running(node, tmp_path / 'log', environ) as process:
        process.check()


def test_it_does_not_start_when_that_fails(environ, tmp_path):
    program = bringup.Preparation('make_int8_models', ('none',))
    node = bringup.NodeProcess('seg_node', preparation=program)
    with (
        pytest.raises(PerceptionError, match='make_int8_models ended with exit code 2') as error,
        running(node, tmp_path / 'log', environ),
    ):
        pass
    assert 'none: expected some of people_detect_int8' in str(error.value)
