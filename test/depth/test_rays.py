import cv2
import numpy as np
import pytest
from depth.ray_casting import camera

from jetson_perception.camera.calibration import Calibration
from jetson_perception.depth import Rays
from jetson_perception.errors import ParameterError

#: In the view of every camera here.
POINTS = np.array([[0, 0, 1], [0.3, -0.2, 1], [-0.4, 0.3, 1], [0.5, 0.4, 1]], np.float64)


def projected(calibration, points=POINTS):
    """Where points are in the image, by the corner of its first pixel."""
    matrix = np.array(calibration.camera_matrix).reshape(3, 3)
    distortion, none = np.array(calibration.distortion), np.zeros(3)
    stacked = points[:, None]
    if calibration.distortion_model == 'equidistant':
        pixels, _ = cv2.fisheye.projectPoints(stacked, none, none, matrix, distortion)
    else:
        pixels, _ = cv2.projectPoints(stacked, none, none, matrix, distortion)
    return pixels.reshape(-1, 2) + 0.5


@pytest.mark.parametrize(
    ('model', 'distortion'),
    [
        pytest.param('plumb_bob', (0.0,) * 5, id='pinhole'),
        pytest.param('plumb_bob', (-0.25, 0.08, 0.001, -0.002, 0.0), id='plumb_bob'),
        pytest.param('plumb_bob', (-0.1, 0.02, 0.0, 0.0), id='plumb_bob_of_4'),
        pytest.param(
            'rational_polynomial',
            (0.5, -0.2, 0.001, 0.0, 0.1, 0.8, -0.1, 0.05),
            id='rational_polynomial',
        ),
        pytest.param('equidistant', (0.02, -0.01, 0.003, 0.0), id='equidistant'),
        pytest.param('equidistant', (0.0,) * 4, id='ideal_fisheye'),
    ],
)
def test_points_of_the_image_are_undistorted(model, distortion):
    calibration = camera(model=model, distortion=distortion)
    found = Rays(calibration).slopes(projected(calibration))
    np.testing.assert_allclose(found, POINTS[:, :2], atol=2e-3)


def test_no_points():
    assert Rays(camera()).slopes(np.empty((0, 2))).shape == (0, 2)


def test_a_rectified_image_has_no_distortion():
    lens = camera(distortion=(-0.25, 0.08, 0.001, -0.002, 0.0))
    plain = projected(camera())
    found = Rays(lens, is_rectified=True).slopes(plain)
    np.testing.assert_allclose(found, POINTS[:, :2], atol=1e-9)


def test_another_resolution():
    calibration = camera()
    found = Rays(calibration).for_size((320, 240)).slopes(projected(calibration) / 2)
    np.testing.assert_allclose(found, POINTS[:, :2], atol=1e-9)


def test_points_that_no_ray_of_the_lens_comes_to():
    fisheye = camera(focal=100.0, model='equidistant', distortion=(0.0,) * 4)
    found = Rays(fisheye).slopes(np.array([[320.0, 240.0], [5000.0, 5000.0]]))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize('is_rectified', [False, True])
def test_a_camera_that_is_not_calibrated(is_rectified):
    with pytest.raises(ParameterError, match=r'of 0 and 0 in [KP]: .*not calibrated'):
        Rays(Calibration.uncalibrated((640, 480)), is_rectified=is_rectified)


@pytest.mark.parametrize(
    ('model', 'distortion'),
    [
        pytest.param('double_sphere', (0.5, 0.1), id='unknown'),
        pytest.param('plumb_bob', (0.5, 0.1), id='too_few'),
        pytest.param('equidistant', (), id='none'),
    ],
)
def test_a_distortion_that_cannot_be_undone(model, distortion):
    with pytest.raises(ParameterError, match=f'coefficients? of the distortion_model .{model}'):
        Rays(camera(model=model, distortion=distortion))


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('model', ['plumb_bob', ''])
def test_coefficients_that_are_no_numbers(model, value):
    with pytest.raises(ParameterError, match=r'coefficients \[0.0, (nan|inf), .* finite numbers'):
        Rays(camera(model=model, distortion=(0.0, value, 0.0, 0.0, 0.0)))


@pytest.mark.parametrize('model', ['', 'none', 'double_sphere'])
def test_a_lens_without_distortion_whatever_it_is_called(model):
    found = Rays(camera(model=model, distortion=())).slopes(projected(camera()))
    np.testing.assert_allclose(found, POINTS[:, :2], atol=1e-9)
