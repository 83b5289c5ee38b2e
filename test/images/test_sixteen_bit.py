"""16 bits per pixel: viewed without a copy, and a range of values as 8 bits."""

import array

import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.sixteen_bit import (
    intensities_to_bytes,
    range_problem,
    require_range,
    view_deep,
)

VALUES = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2500 + 7


@pytest.mark.parametrize('is_bigendian', [False, True], ids=['little', 'big'])
@pytest.mark.parametrize('padding', [0, 1, 4])
@pytest.mark.parametrize(('encoding', 'shape'), [('mono16', (4, 6)), ('rgb16', (4, 2, 3))])
def test_values_of_any_byte_order_and_padding(encoding, shape, padding, is_bigendian):
    rows = VALUES.astype('>u2' if is_bigendian else '<u2').view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    data = array.array('B', rows.tobytes()[: rows.size - padding])
    pixels = view_deep(data, 4, shape[1], encoding, rows.shape[1], is_bigendian)
    assert pixels.shape == shape
    np.testing.assert_array_equal(pixels.reshape(4, 6), VALUES)
    data[0 if is_bigendian else 1] = 128  # not a copy
    assert pixels.flat[0] == 128 * 256 + 7


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        pytest.param((0, 6, 'mono16', 12, False), '6×0, mono16: it has no pixels', id='no_rows'),
        pytest.param((4, 6, 'mono16', 11, False), 'a row takes at least 12', id='step'),
        pytest.param((5, 6, '16UC1', 12, False), 'takes 60 bytes of data and has 48', id='short'),
        pytest.param((4, 6, 'rgba16', 12, False), 'a row takes at least 48', id='channels'),
    ],
)
def test_what_does_not_fit_together(arguments, told):
    with pytest.raises(ImageError, match=told):
        view_deep(VALUES.tobytes(), *arguments)


@pytest.mark.parametrize('order', ['<u2', '>u2'])
@pytest.mark.parametrize(
    ('low', 'high'), [(0, 65535), (0, 1), (65534, 65535), (28000, 32000), (0, 255), (7, 60007)]
)
def test_a_range_is_spread_evenly(low, high, order):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    gray = intensities_to_bytes(values.astype(order)[:, ::-1], low, high)[:, ::-1]
    exact = (np.clip(values.astype(float), low, high) - low) * 255 / (high - low)
    assert gray.dtype == np.uint8
    assert np.abs(gray - exact).max() <= 0.5001
    assert (gray[values <= low] == 0).all()
    assert (gray[values >= high] == 255).all()


def test_without_a_range_it_is_asked_for():
    assert require_range('mono16', (3, 4)) == (3, 4)
    with pytest.raises(ImageError, match=r'16UC1, 16 bits per pixel, .* set intensity_range to'):
        require_range('16UC1', ())


@pytest.mark.parametrize(
    ('given', 'is_fine'),
    [
        ((), True),
        ((0, 65535), True),
        ((28000, 32000), True),
        ((1,), False),
        ((1, 2, 3), False),
        ((5, 5), False),
        ((6, 5), False),
        ((-1, 5), False),
        ((0, 65536), False),
    ],
)
def test_invalid_ranges_are_refused(given, is_fine):
    problem = range_problem(given)
    assert (not problem) == is_fine
    assert is_fine or 'expected [lowest, highest]' in problem
