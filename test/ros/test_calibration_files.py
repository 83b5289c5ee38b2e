import pytest
from ament_index_python.packages import get_package_share_directory

from jetson_perception.errors import ParameterError
from jetson_perception.ros.calibration_files import calibration_file

SHARE = get_package_share_directory('jetson_perception')


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        pytest.param('/a/b.yaml', '/a/b.yaml', id='path'),
        pytest.param('file:///a/b%20c.yaml', '/a/b c.yaml', id='file'),
        pytest.param('file://localhost/a/b.yaml', '/a/b.yaml', id='this_host'),
        pytest.param('package://jetson_perception/b/c.yaml', f'{SHARE}/b/c.yaml', id='package'),
    ],
)
def test_paths_and_urls(given, expected):
    assert str(calibration_file(given)) == expected


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        pytest.param('package://no_such_one/b.yaml', 'no package no_such_one here', id='unknown'),
        pytest.param('package://', 'expected package://, the name of a package', id='empty'),
        pytest.param('package://jetson_perception', 'expected package://, the name', id='no_path'),
        pytest.param('package://../b.yaml', 'expected package://, the name', id='no_name'),
        pytest.param('http://u:pw@h/b.yaml', '^http://…: expected a path', id='another_url'),
    ],
)
def test_those_that_name_none(given, text):
    with pytest.raises(ParameterError, match=text) as caught:
        calibration_file(given)
    assert caught.value.parameter == 'calibration'
