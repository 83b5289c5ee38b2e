import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from jetson_perception.depth import Rays
from jetson_perception.errors import ParameterError
from jetson_perception.ros.camera_info_input import calibration_of

K = [500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0]
P = [500.0, 0.0, 319.5, 0.0, 0.0, 500.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]


def info(**fields):
    plain = {'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5}
    return CameraInfo(**({'k': K, 'p': P} | plain | fields))


@pytest.mark.parametrize('is_rectified', [False, True])
@pytest.mark.parametrize(
    ('fields', 'size_wh', 'point'),
    [
        pytest.param({}, (640, 480), (420, 290), id='full'),
        pytest.param({'binning_x': 2, 'binning_y': 2}, (320, 240), (210, 145), id='binned'),
        pytest.param(
            {'roi': RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)},
            (400, 300),
            (320, 250),
            id='region',
        ),
        pytest.param(
            {
                'roi': RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300),
                'binning_x': 2,
                'binning_y': 2,
            },
            (200, 150),
            (160, 125),
            id='region_and_binned',
        ),
    ],
)
def test_the_image_beside_it(fields, size_wh, point, is_rectified):
    """The point at (420, 290) of the full image, 0.2 to the right and 0.1 down a metre ahead."""
    calibration = calibration_of(info(**fields))
    assert calibration.size_wh == size_wh
    found = Rays(calibration, is_rectified=is_rectified).slopes(np.array([point]))
    np.testing.assert_allclose(found, [[0.2, 0.1]], atol=1e-9)


@pytest.mark.parametrize(
    'fields',
    [
        pytest.param({'width': 0}, id='no_size'),
        pytest.param({'d': [0.0] * 100}, id='many_coefficients'),
    ],
)
def test_what_is_refused(fields):
    with pytest.raises(ParameterError, match='camera_info is of'):
        calibration_of(info(**fields))
