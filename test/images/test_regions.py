"""Regions of frames: which pixels they have, and what does not fit."""

import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.regions import Region

SIZE_WH = (64, 48)


@pytest.mark.parametrize(
    ('xyxy', 'margin', 'expected'),
    [
        pytest.param((5, 5, 5, 9), 0.0, None, id='no_width'),
        pytest.param((9, 5, 5, 9), 0.0, None, id='wrong_order'),
        pytest.param((-20, 5, -1, 9), 0.0, None, id='outside'),
        pytest.param((64, 5, 70, 9), 0.0, None, id='behind_the_last_column'),
        pytest.param((0, 0, np.nan, 9), 0.0, None, id='nan'),
        pytest.param((0, 0, np.inf, 9), 0.0, None, id='endless'),
        pytest.param((0, 0, 1e30, 1e30), 0.0, Region.whole(SIZE_WH), id='huge'),
        pytest.param((3.2, 4.9, 5.1, 7.0), 0.0, Region(3, 4, 3, 3), id='all_that_it_touches'),
        pytest.param((3.2, 4.2, 3.4, 4.4), 0.0, Region(3, 4, 1, 1), id='within_a_pixel'),
        pytest.param((10, 10, 30, 20), 0.1, Region(8, 9, 24, 12), id='margin'),
        pytest.param((0, 0, 64, 48), 0.5, Region.whole(SIZE_WH), id='margin_cut_off'),
    ],
)
def test_around_a_box(xyxy, margin, expected):
    assert Region.around(xyxy, SIZE_WH, margin) == expected


@pytest.mark.parametrize('fields', [(0, 0, 0, 4), (0, 0, 4, -1), (-1, 0, 4, 4), (0, -1, 4, 4)])
def test_a_region_without_pixels_or_before_the_frame(fields):
    with pytest.raises(ImageError, match='must have pixels'):
        Region(*fields)


def test_pixels_are_a_view():
    image = np.arange(48 * 64 * 3, dtype=np.uint16).reshape(48, 64, 3)
    pixels = Region(10, 20, 3, 2).of(image)
    assert np.shares_memory(pixels, image)
    np.testing.assert_array_equal(pixels, image[20:22, 10:13])


def test_a_region_beyond_the_image():
    with pytest.raises(ImageError, match=r'55×4 pixels at \(10, 0\) reaches beyond .* 64×48'):
        Region(10, 0, 55, 4).of(np.zeros((48, 64), np.uint8))
