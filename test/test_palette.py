"""Colors of classes."""

import cv2
import numpy as np
import pytest

from jetson_perception.palette import color, palette

VOC_RGB = {  # from the development kit's documentation
    0: (0, 0, 0),
    8: (64, 0, 0),
    14: (64, 128, 128),
    15: (192, 128, 128),
    20: (0, 64, 128),
    255: (224, 224, 192),
}


@pytest.mark.parametrize(('index', 'rgb'), VOC_RGB.items())
def test_voc_colors_come_as_bgr(index, rgb):
    assert color(index) == rgb[::-1]


@pytest.mark.parametrize(
    'ground',
    [
        pytest.param((20, 120, 240), id='orange'),
        pytest.param((60, 120, 60), id='grass'),
        pytest.param((60, 90, 130), id='wood'),
        pytest.param((128, 128, 128), id='concrete'),
    ],
)
def test_the_first_colors_are_seen_as_a_tint_and_told_apart(ground):
    """By the distance in CIE Lab, of which 2.3 can just be noticed."""
    tints = [np.array(ground) * 0.6 + np.array(color(index)) * 0.4 for index in range(1, 8)]
    bgr = np.array([[ground, *tints]], np.float32) / 255
    (lab,) = cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert distances[:4, :4][np.triu_indices(4, 1)].min() > 25
    assert distances[np.triu_indices(8, 1)].min() > 12


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
