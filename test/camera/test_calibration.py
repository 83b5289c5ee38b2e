import copy
import os

import cv2
import numpy as np
import pytest
import yaml

from jetson_perception.camera.calibration import Calibration, load_calibration
from jetson_perception.camera.calibration_text import calibration_text
from jetson_perception.errors import ParameterError

# As camera_calibration writes it.
WRITTEN = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.78356, 0., 305.59353, 0., 437.30290, 243.73835, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.65379, 0., 322.79795, -29.5, 0., 394.04886, 241.27068, 0., 0., 0., 1., 0.]
"""


@pytest.fixture
def content():
    return yaml.safe_load(WRITTEN)


@pytest.fixture
def load(tmp_path):
    def load_content(content) -> Calibration:
        path = tmp_path / 'camera.yaml'
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return load_calibration(path)

    return load_content


def test_reads_what_camera_calibration_writes(load):
    calibration = load(WRITTEN)
    assert calibration.size_wh == (640, 480)
    assert calibration.camera_name == 'narrow_stereo'
    assert calibration.distortion_model == 'plumb_bob'
    assert calibration.distortion == (-0.361976, 0.110510, 0.001014, 0.000505, 0.0)
    assert calibration.camera_matrix[2] == 305.59353
    assert calibration.rectification_matrix == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert calibration.projection_matrix[3] == -29.5


def test_path_may_be_a_url(load, tmp_path):
    calibration = load(WRITTEN)
    assert load_calibration(f'file://{tmp_path}/camera.yaml') == calibration
    assert load_calibration(f'file://{tmp_path}/camer%61.yaml') == calibration
    assert load_calibration(str(tmp_path / 'camera.yaml')) == calibration


def test_url_may_name_this_host(load, tmp_path):
    calibration = load(WRITTEN)
    assert load_calibration(f'file://localhost{tmp_path}/camera.yaml') == calibration


FOUR, FIVE, EIGHT = [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4, 0.5], [0.125] * 8


@pytest.mark.parametrize(
    ('given', 'coefficients', 'model'),
    [
        pytest.param('plumb_bob', FIVE, 'plumb_bob', id='plumb_bob'),
        pytest.param('Plumb Bob', FIVE, 'plumb_bob', id='as_people_write_it'),
        pytest.param('radtan', FOUR, 'plumb_bob', id='kalibr'),
        pytest.param('rational_polynomial', EIGHT, 'rational_polynomial', id='rational'),
        pytest.param('Rational-Polynomial', EIGHT, 'rational_polynomial', id='hyphen'),
        pytest.param('equidistant', FOUR, 'equidistant', id='equidistant'),
        pytest.param('fisheye', FOUR, 'equidistant', id='fisheye'),
        pytest.param('kannala_brandt', FOUR, 'equidistant', id='its_inventors'),
    ],
)
@pytest.mark.parametrize('field', ['distortion_model', 'camera_model'])
def test_models_have_their_names_in_ros(load, content, field, given, coefficients, model):
    """image_geometry refuses all others; camera_calibration of Melodic writes camera_model."""
    del content['distortion_model']
    content[field] = given
    content['distortion_coefficients'] = {
        'rows': 1,
        'cols': len(coefficients),
        'data': coefficients,
    }
    calibration = load(content)
    assert calibration.distortion_model == model
    assert calibration.distortion == tuple(coefficients)


@pytest.mark.parametrize('count', [0, 4, 5])
def test_missing_distortion_becomes_zeros(load, content, count):
    content['distortion_model'] = 'none'
    content['distortion_coefficients'] = {'rows': 1, 'cols': count, 'data': [0.0] * count}
    calibration = load(content)
    assert calibration.distortion_model == 'plumb_bob'
    assert calibration.distortion == (0, 0, 0, 0, 0)


def test_what_is_written_is_read_again(load):
    calibration = load(WRITTEN.replace('0.001014', '1e-05'))
    assert load(calibration_text(calibration)) == calibration


def test_exponents_without_a_point(load):
    assert load(WRITTEN.replace('0.001014', '1e-05')).distortion[2] == 1e-5


def test_camera_name_may_be_missing(load, content):
    del content['camera_name']
    assert load(content).camera_name == ''


@pytest.mark.parametrize(
    ('path', 'value', 'text'),
    [
        pytest.param(['image_width'], 0, 'has image_width: 0; expected', id='no_width'),
        pytest.param(['image_height'], 4.5, 'has image_height: 4.5', id='fraction'),
        pytest.param(['image_height'], True, 'has image_height: True', id='bool'),
        pytest.param(['camera_name'], 7, 'has camera_name: 7; expected a name', id='name'),
        pytest.param(['distortion_model'], '', "has distortion_model: ''", id='no_model'),
        pytest.param(
            ['distortion_model'],
            'omni',
            "has distortion_model: 'omni'; expected plumb_bob, rational_polynomial, equidistant",
            id='unknown_model',
        ),
        pytest.param(
            ['distortion_model'], 'none', "'none' with coefficients that are not 0", id='none'
        ),
        pytest.param(
            ['camera_matrix', 'data'],
            [0.0] * 9,
            'focal lengths of 0 and 0 in its camera_matrix; .* calibrate the camera, or leave',
            id='camera_matrix_of_zeros',
        ),
        pytest.param(
            ['camera_matrix', 'data'],
            [400.0, 0, 1, 0, -400.0, 1, 0, 0, 1],
            'focal lengths of 400 and -400',
            id='negative_focal_length',
        ),
        pytest.param(
            ['projection_matrix', 'data'],
            [0.0] * 12,
            'focal lengths of 0 and 0 in its projection_matrix',
            id='projection_of_zeros',
        ),
        pytest.param(
            ['rectification_matrix', 'data'],
            [0.0] * 9,
            'rectification_matrix of zeros; expected a rotation',
            id='rectification_of_zeros',
        ),
        pytest.param(['camera_matrix'], [1.0] * 9, 'camera_matrix that is not rows', id='list'),
        pytest.param(
            ['camera_matrix', 'data'], [1.0] * 8, '3 rows, 3 cols and 8 values', id='too_few'
        ),
        pytest.param(
            ['projection_matrix', 'cols'],
            3,
            r'projection_matrix of 3 rows, 3 cols and 12 values; expected 3 by 4',
            id='columns',
        ),
        pytest.param(
            ['rectification_matrix', 'data'],
            ['x'] * 9,
            "'x' in the data of rectification_matrix",
            id='text',
        ),
        pytest.param(
            ['camera_matrix', 'data'], [float('nan')] * 9, 'a number that is not finite', id='nan'
        ),
        pytest.param(
            ['camera_matrix', 'data'], ['1e400'] * 9, "'1e400' in the data of", id='beyond_float'
        ),
        pytest.param(
            ['camera_matrix', 'data'], ['9' * 5000] * 9, "'9+…' in the data of", id='5000_digits'
        ),
        pytest.param(['camera_matrix', 'rows'], ['a' * 999], r"of \['a+… rows", id='rows'),
        pytest.param(['image_width'], 65537, 'pixels, 1 to 65536', id='wide'),
        pytest.param(['camera_name'], 'a' * 201, 'camera_name of 201 characters', id='long_name'),
        pytest.param(['camera_name'], '\x1b[2J', r"'\\x1b\[2J'; expected", id='terminal_code'),
        pytest.param(
            ['distortion_coefficients'],
            {'data': [0.0] * 65},
            'has 65 distortion_coefficients',
            id='many_coefficients',
        ),
        pytest.param(
            ['distortion_coefficients'],
            {'rows': 1, 'cols': 3, 'data': [0.0] * 3},
            'distortion_coefficients has 3 values; plumb_bob takes 4 or 5',
            id='coefficients',
        ),
    ],
)
def test_wrong_fields_are_named(load, content, path, value, text):
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ParameterError, match=text) as caught:
        load(content)
    assert caught.value.parameter == 'calibration'


@pytest.mark.parametrize('name', [key for key in yaml.safe_load(WRITTEN) if key != 'camera_name'])
def test_missing_fields_are_named(load, content, name):
    del content[name]
    with pytest.raises(ParameterError, match=f'lacks {name}'):
        load(content)


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        pytest.param('', 'holds no calibration; expected image_width', id='empty'),
        pytest.param('- 1\n', 'holds no calibration', id='list'),
        pytest.param('root:x:0:0\ndaemon:y\n', 'holds no calibration', id='passwords'),
        pytest.param('image_width: !!int', 'line 1: it has a tag', id='tag'),
        pytest.param('[' * 5000, 'nested deeper than 32 levels', id='deep'),
        pytest.param('# ' + 'x' * (1 << 20), 'more than 1 MiB', id='size'),
        pytest.param('a: [1', 'calibration .* cannot be read as YAML: line 2', id='broken'),
    ],
)
def test_no_calibration(load, text, match):
    with pytest.raises(ParameterError, match=match):
        load(text)


@pytest.mark.parametrize(
    ('path', 'match'),
    [
        pytest.param('nope.yaml', 'nope.yaml cannot be read: No such file', id='missing'),
        pytest.param('binary.yaml', 'line 1: it is not UTF-8 text', id='binary'),
        pytest.param('utf16.yaml', 'text in UTF-16', id='utf16'),
        pytest.param('fifo', r'calibration .*fifo is a pipe \(FIFO\)', id='pipe'),
        pytest.param('/dev/zero', 'is a device', id='device'),
        pytest.param('.', 'is a folder', id='folder'),
        pytest.param('http://u:pw@h/b.yaml', r'^http://…: expected a path', id='url'),
        pytest.param('package://a/b.yaml', 'expected a path or file:///', id='package'),
        pytest.param('~no-such-user-here/x', 'no such user', id='home_of_nobody'),
        pytest.param('file://~no-such-user-here/x', 'no such user', id='home_in_a_url'),
        pytest.param('file:///a%00b', 'holds a NUL', id='nul_in_a_url'),
        pytest.param('n' * 256, 'File name too long', id='long_name'),
    ],
)
def test_unreadable(tmp_path, monkeypatch, path, match):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'binary.yaml').write_bytes(b'\xfa\x00')
    (tmp_path / 'utf16.yaml').write_text('a: 1', encoding='utf-16')
    with pytest.raises(ParameterError, match=match) as caught:
        load_calibration(path)
    assert caught.value.parameter == 'calibration'


def test_uncalibrated_is_zeros():
    calibration = Calibration.uncalibrated((8, 6))
    assert calibration.size_wh == (8, 6)
    assert calibration.camera_matrix == (0.0,) * 9
    assert calibration.projection_matrix == (0.0,) * 12
    assert calibration.scaled_to((16, 12)).camera_matrix == (0.0,) * 9


def test_same_size_is_itself(load):
    calibration = load(WRITTEN)
    assert calibration.scaled_to((640, 480)) is calibration


def test_scaled_projects_where_a_resized_picture_shows_it(load):
    # A blurred dot, drawn where the calibration projects a point, is resized; its center of mass
    # must lie where the scaled calibration projects the same point.
    calibration = load(WRITTEN)
    half = calibration.scaled_to((320, 240))
    ray = np.array([0.12, -0.07, 1.0])
    x, y, _ = np.reshape(calibration.camera_matrix, (3, 3)) @ ray
    rows, columns = np.mgrid[:480, :640]
    picture = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50).astype(np.float32)
    small = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[:240, :320]
    center = (columns * small).sum() / small.sum(), (rows * small).sum() / small.sum()
    projected = (np.reshape(half.camera_matrix, (3, 3)) @ ray)[:2]
    assert np.allclose(center, projected, atol=0.01)


def test_scaled_projection(load):
    calibration = load(WRITTEN)
    double = calibration.scaled_to((1280, 960))
    point = np.array([0.3, 0.2, 2.0, 1.0])
    u, v, w = np.reshape(calibration.projection_matrix, (3, 4)) @ point
    u2, v2, w2 = np.reshape(double.projection_matrix, (3, 4)) @ point
    assert (u2 / w2 + 0.5, v2 / w2 + 0.5) == pytest.approx((2 * (u / w + 0.5), 2 * (v / w + 0.5)))
    assert double.projection_matrix[3] == pytest.approx(-59.0)
    assert double.distortion == calibration.distortion


@pytest.mark.parametrize(
    ('old', 'new'), [((1920, 1080), (854, 480)), ((640, 480), (320, 240)), ((3, 2), (1, 1))]
)
def test_rounded_sizes_keep_the_aspect_ratio(old, new):
    assert Calibration.uncalibrated(old).scaled_to(new).size_wh == new


def test_another_aspect_ratio(load):
    with pytest.raises(ParameterError, match='is for 640x480, the pictures are 1280x720, which'):
        load(WRITTEN).scaled_to((1280, 720))


def test_loading_changes_nothing(load, content):
    before = copy.deepcopy(content)
    assert load(content) == load(WRITTEN)
    assert content == before
