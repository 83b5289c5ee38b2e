import cv2
import numpy as np
import pytest

from jetson_perception.camera.v4l2_native import NativeFrames
from jetson_perception.images.encodings import JPEG

SIZE_WH = (64, 48)


def jpeg(size_wh=SIZE_WH):
    width, height = size_wh
    return cv2.imencode('.jpg', np.full((height, width, 3), 90, np.uint8))[1].reshape(-1)


@pytest.mark.parametrize(
    ('pixel_format', 'size_wh', 'encoding'),
    [
        pytest.param('YUYV', SIZE_WH, 'yuv422_yuy2', id='yuyv'),
        pytest.param('UYVY', SIZE_WH, 'uyvy', id='uyvy'),
        pytest.param('NV12', SIZE_WH, 'nv12', id='nv12'),
        pytest.param('NV21', SIZE_WH, 'nv21', id='nv21'),
        pytest.param('GREY', SIZE_WH, 'mono8', id='gray'),
        pytest.param('MJPG', (65, 49), JPEG, id='jpeg_of_odd_size'),
        pytest.param('NV12', (64, 49), '', id='odd_size'),
        pytest.param('H264', SIZE_WH, '', id='another_format'),
        pytest.param('', SIZE_WH, '', id='no_format'),
    ],
)
def test_which_formats_stay(pixel_format, size_wh, encoding):
    assert NativeFrames(pixel_format, size_wh).encoding == encoding


@pytest.mark.parametrize(
    ('pixel_format', 'given', 'shape'),
    [
        pytest.param('YUYV', (48, 64, 2), (48, 64, 2), id='as_pixels'),
        pytest.param('YUYV', (1, 6144), (48, 64, 2), id='as_bytes'),
        pytest.param('NV12', (72, 64), (72, 64), id='nv12'),
        pytest.param('NV12', (72, 64, 1), (72, 64), id='nv12_with_an_axis_of_one'),
        pytest.param('NV12', (48, 64, 3), None, id='converted_all_the_same'),
        pytest.param('GREY', (0, 0), None, id='empty'),
    ],
)
def test_pixels(pixel_format, given, shape):
    frame = NativeFrames(pixel_format, SIZE_WH).checked(np.zeros(given, np.uint8))
    assert (None if frame is None else frame.shape) == shape


def test_pixels_of_sixteen_bits_are_none():
    assert NativeFrames('GREY', SIZE_WH).checked(np.zeros((48, 64), np.uint16)) is None


@pytest.mark.parametrize('rest', [b'', b'\0' * 1000], ids=['alone', 'in_a_longer_buffer'])
def test_a_jpeg_without_what_is_behind_it(rest):
    given = np.concatenate([jpeg(), np.frombuffer(rest, np.uint8)])
    frame = NativeFrames('MJPG', SIZE_WH).checked(given.reshape(1, -1))
    assert np.array_equal(frame, jpeg())


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(np.zeros(0, np.uint8), id='empty'),
        pytest.param(np.zeros(500, np.uint8), id='zeros'),
        pytest.param(jpeg((32, 24)), id='another_size'),
        pytest.param(jpeg()[:-2], id='without_its_end'),
        pytest.param(np.frombuffer(b'\xff\xd9', np.uint8), id='its_end_alone'),
    ],
)
def test_what_is_no_such_jpeg(data):
    assert NativeFrames('MJPG', SIZE_WH).checked(data) is None
