"""Depth in colors."""

import numpy as np
import pytest

from jetson_perception.drawing import color_depth, draw_depth
from jetson_perception.tasks.results import DepthMap

NEAR_BGR, FAR_BGR = (3, 4, 122), (59, 18, 48)  # both ends of Turbo


def depth_of(meaning, near, far, size_wh=(40, 20)):
    """Near on the left, far on the right."""
    values = np.full(size_wh[::-1], far, np.float32)
    values[:, : size_wh[0] // 2] = near
    return DepthMap(values, meaning)


@pytest.mark.parametrize(
    ('meaning', 'near', 'far'),
    [
        pytest.param('metric', 0.5, 20, id='metric'),
        pytest.param('relative', -3, 4, id='relative'),
        pytest.param('inverse', 9, 0, id='inverse'),
    ],
)
def test_near_and_far_have_the_same_colors_whatever_the_values_mean(meaning, near, far):
    colors = color_depth(depth_of(meaning, near, far))
    assert colors.shape == (20, 40, 3)
    assert np.abs(colors[:, :20].astype(int) - NEAR_BGR).max() < 3
    assert np.abs(colors[:, 20:].astype(int) - FAR_BGR).max() < 3


def test_a_few_wild_pixels_do_not_count():
    depth = depth_of('metric', 1, 5, (400, 200))
    depth.values[0, 0] = 1e-20
    depth.values[0, 1] = 1e20
    colors = color_depth(depth)
    assert np.abs(colors[100, 100].astype(int) - NEAR_BGR).max() < 3
    assert np.abs(colors[100, 300].astype(int) - FAR_BGR).max() < 3


@pytest.mark.parametrize('meaning', ['metric', 'relative', 'inverse'])
def test_one_value_everywhere(meaning):
    assert len(np.unique(color_depth(depth_of(meaning, 2, 2)))) <= 3


@pytest.mark.parametrize('meaning', ['metric', 'relative', 'inverse'])
@pytest.mark.parametrize(
    ('one', 'other'),
    [
        pytest.param(1e-40, 1e-42, id='denormal'),
        pytest.param(1e-40, 5.0, id='one_in_the_lens'),
        pytest.param(3e38, 1e-3, id='beyond_the_stars'),
        pytest.param(3e38, 3.1e38, id='both'),
    ],
)
def test_values_at_the_ends_of_what_a_float_holds(meaning, one, other):
    colors = color_depth(depth_of(meaning, one, other))  # warnings are errors here
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) <= 2


def test_from_the_lowest_to_the_highest_float():
    colors = color_depth(depth_of('inverse', 3e38, -3e38))
    assert np.abs(colors[:, :20].astype(int) - NEAR_BGR).max() < 3
    assert np.abs(colors[:, 20:].astype(int) - FAR_BGR).max() < 3


def test_where_no_depth_is_known():
    depth = depth_of('metric', np.nan, 3)
    assert not color_depth(depth)[:, :20].any()
    assert color_depth(depth)[:, 20:].any()
    depth.values[:] = np.nan
    assert not color_depth(depth).any()


def test_the_share_of_the_image_that_remains():
    canvas = np.full((10, 20, 3), 100, np.uint8)  # half the size
    depth = depth_of('metric', 0.5, 20)
    draw_depth(canvas, depth, 1.0)
    assert (canvas == 100).all()
    draw_depth(canvas, depth, 0.5)
    assert canvas[5, 2].tolist() == pytest.approx([(100 + each) / 2 for each in NEAR_BGR], abs=2)
    draw_depth(canvas, depth, 0.0)
    assert np.abs(canvas[:, 10:].astype(int) - FAR_BGR).max() < 3
