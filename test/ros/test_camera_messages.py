"""Calibrations as CameraInfo: fields keep their order and survive the wire."""

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo

from jetson_perception.camera.calibration import Calibration
from jetson_perception.ros.camera_messages import camera_info_message

# Every number differs, so that none can stand in another's place.
CALIBRATION = Calibration(
    size_wh=(1280, 720),
    camera_name='front',
    distortion_model='plumb_bob',
    distortion=(-0.25, 0.125, 0.001, -0.002, 0.5),
    camera_matrix=(900.0, 0.0, 640.5, 0.0, 901.0, 360.5, 0.0, 0.0, 1.0),
    rectification_matrix=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    projection_matrix=(910.0, 0.0, 641.5, -54.0, 0.0, 911.0, 361.5, 2.0, 0.0, 0.0, 1.0, 3.0),
)


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


def test_every_field_in_its_place():
    msg = over_the_wire(camera_info_message(CALIBRATION))
    assert isinstance(msg, CameraInfo)
    assert (msg.width, msg.height) == CALIBRATION.size_wh
    assert msg.distortion_model == 'plumb_bob'
    assert tuple(msg.d) == CALIBRATION.distortion
    assert tuple(msg.k) == CALIBRATION.camera_matrix
    assert tuple(msg.r) == CALIBRATION.rectification_matrix
    assert tuple(msg.p) == CALIBRATION.projection_matrix


def test_an_uncalibrated_camera_has_its_size_and_zeros():
    """As sensor_msgs/CameraInfo says: K[0] is 0 for a camera that nobody calibrated."""
    msg = over_the_wire(camera_info_message(Calibration.uncalibrated((640, 480))))
    assert (msg.width, msg.height) == (640, 480)
    assert (msg.distortion_model, list(msg.d)) == ('', [])
    assert not msg.k.any()
    assert not msg.p.any()


@pytest.mark.parametrize(
    ('model', 'count'),
    [
        pytest.param('equidistant', 4, id='fisheye'),
        pytest.param('rational_polynomial', 8, id='rational'),
        pytest.param('rational_polynomial', 14, id='thin_prism_and_tilt'),
    ],
)
def test_as_many_coefficients_as_the_model_has(model, count):
    coefficients = tuple(i / 8 for i in range(count))
    calibration = Calibration(
        *((640, 480), 'rear', model, coefficients),
        *(CALIBRATION.camera_matrix, CALIBRATION.rectification_matrix),
        CALIBRATION.projection_matrix,
    )
    assert tuple(over_the_wire(camera_info_message(calibration)).d) == coefficients


def test_binning_and_region_are_left_at_the_whole_image():
    msg = camera_info_message(CALIBRATION)
    assert (msg.binning_x, msg.binning_y) == (0, 0)
    assert (msg.roi.width, msg.roi.height, msg.roi.do_rectify) == (0, 0, False)
