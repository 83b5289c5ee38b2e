"""YUV of any matrix and range becomes that of BT.601 with limited range."""

import numpy as np
import pytest

from jetson_perception.images.video_colors import FULL_RANGE, recoloring

BT709, UNSAID, BT601, BT2020 = 1, 2, 5, 9


@pytest.mark.parametrize('matrix', [UNSAID, BT601, 6])
@pytest.mark.parametrize('color_range', [0, 1])
def test_what_is_so_already_stays(matrix, color_range):
    assert recoloring(matrix, color_range) is None


@pytest.mark.parametrize('matrix', [0, 8, 99])
def test_what_is_no_yuv_or_unknown(matrix):
    with pytest.raises(KeyError):
        recoloring(matrix, 1)


def nv12_of(rgb, red, blue, *, full):
    """Squares of 2×2 pixels of each color, 0 to 1, as a video of these colors has them."""
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = np.stack([rgb[..., 2] - luma, rgb[..., 0] - luma], -1) / [2 - 2 * blue, 2 - 2 * red]
    black, bright, colorful = (0, 255, 255) if full else (16, 219, 224)
    luma = np.rint(black + bright * luma).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    chroma = np.clip(np.rint(128 + colorful * chroma), 0, 255).astype(np.uint8)
    return np.concatenate([luma, chroma.reshape(len(chroma), -1)])


@pytest.mark.parametrize(
    ('matrix', 'color_range', 'red', 'blue'),
    [
        (BT709, 1, 0.2126, 0.0722),
        (BT2020, 1, 0.2627, 0.0593),
        (BT601, FULL_RANGE, 0.299, 0.114),
        (BT709, FULL_RANGE, 0.2126, 0.0722),
    ],
)
def test_colors_are_kept(matrix, color_range, red, blue):
    rgb = np.random.default_rng(0).uniform(size=(40, 50, 3))
    expected = nv12_of(rgb, 0.299, 0.114, full=False).astype(np.int16)
    nv12 = nv12_of(rgb, red, blue, full=color_range == FULL_RANGE)
    assert np.abs(nv12 - expected).max() > 9
    recoloring(matrix, color_range).apply(nv12)
    assert np.abs(nv12 - expected).max() <= 1


@pytest.mark.parametrize('level', [0, 16, 128, 235, 255])
def test_gray_stays_gray(level):
    nv12 = np.full((6, 4), 128, np.uint8)
    nv12[:4] = level
    recoloring(BT709, 1).apply(nv12)
    assert (nv12[:4] == level).all()
    assert (nv12[4:] == 128).all()


def test_the_ends_of_full_range():
    nv12 = np.full((3, 2), 128, np.uint8)
    nv12[:2] = [[0, 255], [0, 255]]
    recoloring(BT601, FULL_RANGE).apply(nv12)
    assert nv12[:2].tolist() == [[16, 235], [16, 235]]
