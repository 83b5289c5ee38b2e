"""Frames of cameras."""

import pytest

from jetson_perception.camera.frame_names import frame_of_camera


@pytest.mark.parametrize(
    ('namespace', 'name', 'frame_id'),
    [
        pytest.param('/', 'camera_node', 'camera', id='nothing_of_its_own'),
        pytest.param('/camera', 'camera_node', 'camera', id='default_of_launch_files'),
        pytest.param('/left', 'camera_node', 'left', id='namespace'),
        pytest.param('/rig/left', 'camera_node', 'rig_left', id='nested'),
        pytest.param('/camera', 'left', 'camera_left', id='name'),
        pytest.param('/', 'left', 'left', id='name_alone'),
        pytest.param('rig/left/', 'camera_node', 'rig_left', id='as_a_launch_file_has_it'),
    ],
)
def test_are_of_namespace_and_name(namespace, name, frame_id):
    assert frame_of_camera(namespace, name) == frame_id
