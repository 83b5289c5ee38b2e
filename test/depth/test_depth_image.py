import numpy as np
import pytest

from jetson_perception.depth.depth_image import view_depth
from jetson_perception.errors import ImageError

ALL = np.arange(2), np.arange(3)


def view(data, encoding, step, **options):
    return view_depth(data, (3, 2), encoding, step, **({'max_image_pixels': 100} | options))


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize(('order', 'is_bigendian'), [('<', False), ('>', True)])
def test_millimeters(encoding, order, is_bigendian):
    """With padding behind each row; the least and the most of 16 bits are no depth."""
    values = np.zeros((2, 4), f'{order}u2')
    values[:, :3] = [[0, 1, 1500], [65535, 65534, 3]]
    image = view(values.tobytes(), encoding, 8, is_bigendian=is_bigendian)
    assert image.size_wh == (3, 2)
    expected = [[np.nan, 0.001, 1.5], [np.nan, 65.534, 0.003]]
    np.testing.assert_allclose(image.meters(*ALL), expected, rtol=1e-6)


def test_meters():
    values = np.array([[np.nan, np.inf, -np.inf], [0, -1, 2.5]], '<f4')
    image = view(values.tobytes(), '32FC1', 12)
    expected = [[np.nan] * 3, [np.nan, np.nan, 2.5]]
    np.testing.assert_array_equal(image.meters(*ALL), expected)


def test_what_no_camera_measures():
    """Such as metres written in micrometres, or a driver's mark of its own."""
    values = np.array([[1e-42, 5e-4, 2e4], [3e38, -3e38, 9e3]], '<f4')
    found = view(values.tobytes(), '32FC1', 12).meters(*ALL)
    np.testing.assert_array_equal(found, [[np.nan] * 3, [np.nan, np.nan, 9000]])


def test_rows_and_columns():
    values = np.arange(1, 7, dtype='<u2').reshape(2, 3)
    image = view(values.tobytes(), '16UC1', 6)
    found = image.meters(np.array([1]), np.array([2, 0]))
    np.testing.assert_allclose(found, [[0.006, 0.004]], rtol=1e-6)


@pytest.mark.parametrize(
    ('encoding', 'step', 'options', 'problem'),
    [
        pytest.param(
            'bgr8', 9, {}, "image is 'bgr8', which is no depth; expected 16UC1", id='bgr'
        ),
        pytest.param('', 6, {}, 'which is no depth', id='no_encoding'),
        pytest.param('16UC1', 5, {}, 'step', id='short_step'),
        pytest.param('16UC1', 7, {}, 'bytes', id='too_few_bytes'),
        pytest.param('16UC1', 6, {'max_image_pixels': 5}, 'max_image_pixels is 5', id='large'),
    ],
)
def test_what_is_refused(encoding, step, options, problem):
    with pytest.raises(ImageError, match=problem):
        view(bytes(12), encoding, step, **options)


def test_no_pixels():
    with pytest.raises(ImageError):
        view_depth(b'', (0, 0), '16UC1', 0, max_image_pixels=100)
