import struct

import cv2
import numpy as np
import pytest

from jetson_perception.depth.compressed_depth import decode_compressed_depth
from jetson_perception.errors import ImageError

MILLIMETERS = np.array([[0, 1, 1500], [65534, 2, 3]], np.uint16)
ALL = np.arange(2), np.arange(3)


def message(pixels, a=0.0, b=0.0):
    _, png = cv2.imencode('.png', pixels)
    return struct.pack('<iff', 0, a, b) + png.tobytes()


@pytest.mark.parametrize(
    'text', ['16UC1; compressedDepth png', '16UC1; compressedDepth', '16UC1;compressedDepth png ']
)
def test_millimeters(text):
    found = decode_compressed_depth(message(MILLIMETERS), text, 100)
    expected = [[np.nan, 0.001, 1.5], [65.534, 0.002, 0.003]]
    np.testing.assert_allclose(found.meters(*ALL), expected, rtol=1e-6)


def test_meters_come_as_inverse_depth():
    """As codec.cpp encodes them, with its defaults: 10 m at most, quantization 100."""
    depth = np.array([[0.5, 1.0, 2.0], [5.0, 9.0, np.nan]], np.float32)
    a = 100.0 * (100.0 + 1.0)
    b = 1.0 - a / 10.0
    inverse = np.where(np.isfinite(depth), np.rint(a / np.nan_to_num(depth, nan=1) + b), 0)
    data = message(inverse.astype(np.uint16), a, b)
    found = decode_compressed_depth(data, '32FC1; compressedDepth png', 100)
    np.testing.assert_allclose(found.meters(*ALL), depth, rtol=5e-3)


@pytest.mark.parametrize(
    ('data', 'text', 'problem'),
    [
        pytest.param(b'', '16UC1; compressedDepth png', 'of 0 bytes has no PNG', id='empty'),
        pytest.param(bytes(12), '16UC1; compressedDepth png', 'of 12 bytes', id='only_a_header'),
        pytest.param(message(MILLIMETERS), 'jpeg', "format is 'jpeg'", id='a_jpeg'),
        pytest.param(message(MILLIMETERS), '', "format is ''", id='no_format'),
        pytest.param(
            message(MILLIMETERS),
            '16UC1; compressedDepth rvl',
            'only PNG is taken: set the parameter compressedDepth.format',
            id='rvl',
        ),
        pytest.param(
            message(MILLIMETERS)[:60], '16UC1; compressedDepth png', 'is PNG that is', id='cut_off'
        ),
        pytest.param(
            message(np.zeros((2, 3), np.uint8)),
            '16UC1; compressedDepth png',
            'expected one channel of 16 bits',
            id='eight_bits',
        ),
        pytest.param(
            message(np.zeros((2, 3, 3), np.uint16)),
            '16UC1; compressedDepth png',
            'expected one channel of 16 bits',
            id='colors',
        ),
        pytest.param(
            message(MILLIMETERS), '32FC1; compressedDepth png', 'quantization 0, 0', id='no_scale'
        ),
        pytest.param(
            message(MILLIMETERS, np.inf, 1),
            '32FC1; compressedDepth png',
            'expected finite numbers',
            id='infinite_scale',
        ),
    ],
)
def test_what_is_refused(data, text, problem):
    with pytest.raises(ImageError, match=problem):
        decode_compressed_depth(data, text, 100)


def test_a_large_image_is_refused_before_it_is_decoded():
    """The header claims more than there is data for: decoding would say that it is damaged."""
    data = bytearray(message(MILLIMETERS))
    data[12 + 16 : 12 + 24] = struct.pack('>II', 60_000, 60_000)
    with pytest.raises(ImageError, match='60000×60000 pixels; max_image_pixels is 100'):
        decode_compressed_depth(bytes(data), '16UC1; compressedDepth png', 100)
