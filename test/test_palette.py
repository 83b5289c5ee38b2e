"""Colors of classes."""

import numpy as np
import pytest

from jetson_perception.palette import color, palette

VOC_RGB = {  # from the development kit's documentation
    0: (0, 0, 0),
    1: (128, 0, 0),
    2: (0, 128, 0),
    3: (128, 128, 0),
    4: (0, 0, 128),
    7: (128, 128, 128),
    8: (64, 0, 0),
    14: (64, 128, 128),
    15: (192, 128, 128),
    20: (0, 64, 128),
    255: (224, 224, 192),
}


@pytest.mark.parametrize(('index', 'rgb'), VOC_RGB.items())
def test_voc_colors_come_as_bgr(index, rgb):
    assert color(index) == rgb[::-1]


@pytest.mark.parametrize('count', [0, 1, 4, 21, 256, 1000])
def test_palette(count):
    colors = palette(count)
    assert colors.shape == (count, 3)
    assert colors.dtype == np.uint8
    assert [tuple(row) for row in colors.tolist()] == [color(i) for i in range(count)]


def test_colors_of_256_classes_differ_and_only_the_first_is_black():
    assert len({color(i) for i in range(256)}) == 256
    assert [i for i in range(1000) if color(i) == (0, 0, 0)] == [0]


def test_a_shared_palette_cannot_be_changed():
    with pytest.raises(ValueError, match='read-only'):
        palette(4)[0] = 1
