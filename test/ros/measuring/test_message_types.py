"""Types by name, and the stamps in their serialized messages."""

import pytest
from action_msgs.msg import GoalInfo
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2D, Detection2DArray

from jetson_perception.errors import ParameterError
from jetson_perception.ros.measuring.message_types import message_class, stamp_reader

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=999_999_999), frame_id='camera')
STAMP_NS = 1_700_000_000_999_999_999


@pytest.mark.parametrize(
    'name', ['vision_msgs/msg/Detection2DArray', 'vision_msgs/Detection2DArray']
)
def test_class_of_a_name(name):
    assert message_class(name) is Detection2DArray


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        pytest.param('', "'' is not the name of a message type", id='empty'),
        pytest.param('os', "'os' is not the name", id='one word'),
        pytest.param('sensor_msgs/srv/SetCameraInfo', 'is not the name', id='service'),
        pytest.param('../msg/Image', 'is not the name', id='path'),
        pytest.param('a\x1b/msg/B', r"'a\\x1b/msg/B' is not", id='control character'),
        pytest.param('yolo_msgs/msg/DetectionArray', 'has yolo_msgs', id='not installed'),
        pytest.param('sensor_msgs/msg/Imagination', 'cannot be read here', id='no such message'),
        pytest.param('json/msg/Decoder', 'cannot be read here', id='another module'),
        pytest.param(f'{"a" * 5000}/msg/B', 'is not the name', id='5000 characters'),
        pytest.param(f'{"a" * 100}/msg/B', 'no installed package', id='100 characters'),
    ],
)
def test_no_class(name, text):
    with pytest.raises(ParameterError, match=text):
        message_class(name)


def test_that_a_module_without_messages_is_not_imported(tmp_path, monkeypatch):
    # As a type of the graph could name `antigravity`, which opens a browser as it is imported.
    (tmp_path / 'innocent.py').write_text('raise SystemExit("imported")')
    (tmp_path / 'with_msg' / 'msg').mkdir(parents=True)
    (tmp_path / 'with_msg' / 'msg' / '__init__.py').write_text('raise SystemExit("imported")')
    monkeypatch.syspath_prepend(tmp_path)
    for package in ('innocent', 'with_msg'):
        with pytest.raises(ParameterError, match=f'no installed package {package} has messages'):
            message_class(f'{package}/msg/Path')


@pytest.mark.parametrize(
    'message',
    [
        pytest.param(Image(header=HEADER, data=b'\x07' * 12), id='Image'),
        pytest.param(CompressedImage(header=HEADER), id='CompressedImage'),
        pytest.param(Detection2DArray(header=HEADER, detections=[Detection2D()]), id='detections'),
        pytest.param(DiagnosticArray(header=HEADER), id='diagnostics'),
        pytest.param(HEADER, id='Header'),
        pytest.param(GoalInfo(stamp=HEADER.stamp), id='behind other fields'),
    ],
)
def test_stamp(message):
    assert stamp_reader(type(message))(serialize_message(message)) == STAMP_NS


def test_stamp_of_both_byte_orders():
    read = stamp_reader(Image)
    little = b'\x00\x01\x00\x00' + (5).to_bytes(4, 'little') + (7).to_bytes(4, 'little')
    big = b'\x00\x00\x00\x00' + (5).to_bytes(4, 'big') + (7).to_bytes(4, 'big')
    assert read(little) == read(big) == 5_000_000_007
    assert read(b'') == read(little[:-1]) == 0


def test_a_message_without_a_stamp():
    with pytest.raises(ParameterError, match='std_msgs/msg/String have no header'):
        stamp_reader(String)
