import numpy as np
import pytest

from jetson_perception.depth.surfaces import reach_in_box, reach_in_mask


def box_of(*columns, rows=40):
    """Depths of columns: pairs of a depth and how many columns have it."""
    row = np.concatenate([np.full(count, depth, np.float32) for depth, count in columns])
    return np.tile(row, (rows, 1))


@pytest.mark.parametrize(
    ('depth', 'holds'),
    [
        pytest.param(box_of((5, 20), (2, 40), (5, 20)), 2, id='before_a_wall'),
        pytest.param(box_of((5, 35), (2, 10), (5, 35)), 2, id='thin'),
        pytest.param(box_of((5, 38), (2, 4), (5, 38)), 5, id='too_thin_to_count'),
        pytest.param(box_of((np.nan, 35), (2, 10), (np.nan, 35)), 2, id='before_the_sky'),
        pytest.param(box_of((1, 20), (3, 40), (1, 20)), 3, id='behind_a_gap'),
    ],
)
def test_box(depth, holds):
    reach = reach_in_box(depth)
    for each in {1, 2, 3, 5}:
        assert bool(reach.holds(np.float32(each))) == (each == holds)


def test_mask_takes_what_most_pixels_show():
    depth = np.array([2.0] * 30 + [5.0] * 70, np.float32)
    assert reach_in_mask(depth).holds(np.float32(5))
    assert not reach_in_mask(depth).holds(np.float32(2))


@pytest.mark.parametrize(
    'depth',
    [
        pytest.param(np.empty((0, 0), np.float32), id='empty'),
        pytest.param(np.full((40, 40), np.nan, np.float32), id='nothing_measured'),
        pytest.param(np.full((1, 1), 2, np.float32), id='one_pixel'),
        pytest.param(
            np.where(np.arange(1600).reshape(40, 40) < 6, 2, np.nan), id='almost_nothing'
        ),
    ],
)
def test_too_little(depth):
    depth = depth.astype(np.float32)
    assert reach_in_box(depth) is None
    assert reach_in_mask(depth.ravel()) is None


def test_a_slanted_surface_is_one():
    depth = np.tile(np.linspace(2, 4, 80, dtype=np.float32), (40, 1))
    assert reach_in_box(depth).holds(depth).all()
    assert reach_in_mask(depth.ravel()).holds(depth).all()


@pytest.mark.parametrize('depth', [1e-3, 43.917, 1e4])
def test_all_at_one_distance(depth):
    """Also where that is the bound of a step, but for rounding."""
    flat = np.full(9, depth, np.float32)
    assert reach_in_mask(flat).holds(flat).all()


def test_no_bound_between_steps_loses_depths():
    for bound in np.exp(np.arange(-300, 460) * np.log(1.02)):
        for depth in np.nextafter(np.float32(bound), np.float32([0, bound, 1e9])):
            flat = np.full(9, depth, np.float32)
            assert reach_in_mask(flat).holds(flat).all(), depth
