"""How images are cut into tiles."""

import itertools

import numpy as np
import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.images.regions import Region
from jetson_perception.tasks.tiles import Tiles


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        pytest.param((0, 2), r'tiles are \[0, 2\]; expected the numbers', id='no_columns'),
        pytest.param((2, -1), 'expected the numbers', id='negative'),
        pytest.param((2.5, 2), 'expected the numbers', id='fraction'),
        pytest.param(('2', 2), 'expected the numbers', id='text'),
        pytest.param((True, 2), 'expected the numbers', id='truth'),
        pytest.param((9, 8), 'which is 72; at most 64', id='too_many'),
        pytest.param((2, 2, -0.1), 'tile_overlap is -0.1; give a fraction', id='below_0'),
        pytest.param((2, 2, 0.6), 'give a fraction of a tile', id='more_than_half'),
        pytest.param((2, 2, float('nan')), 'give a fraction of a tile', id='nan'),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(ParameterError, match=message):
        Tiles(*values)


@pytest.mark.parametrize('size_wh', [(1, 1), (3, 2), (33, 70), (640, 480), (3841, 2161)])
@pytest.mark.parametrize('grid', [(1, 1), (2, 2), (3, 1), (8, 8)])
@pytest.mark.parametrize('overlap', [0.0, 0.2, 0.5])
def test_every_pixel_is_in_a_tile(size_wh, grid, overlap):
    tiles = Tiles(*grid, overlap, whole_image=False)
    regions = tiles.regions(size_wh)
    assert len(regions) == tiles.count == grid[0] * grid[1]
    assert len({each.size_wh for each in regions}) == 1
    for axis, length in enumerate(size_wh):
        first = {(each.left, each.top)[axis] for each in regions}
        side = regions[0].size_wh[axis]
        seen = np.zeros(length, int)
        for begin in first:
            seen[begin : begin + side] += 1
        assert seen.min() >= 1
        # Neighbors share what they were told to, or a pixel more on each side.
        begins = sorted(first)
        for one, other in itertools.pairwise(begins):
            assert one + side - other >= overlap * side - 1


def test_columns_come_first_and_the_whole_image_last():
    assert Tiles(2, 1, 0.0).regions((100, 50)) == (
        Region(0, 0, 50, 50),
        Region(50, 0, 50, 50),
        Region(0, 0, 100, 50),
    )
    assert Tiles(2, 3).count == 7


def test_one_tile_is_the_image():
    assert Tiles(1, 1).regions((100, 50)) == (Region(0, 0, 100, 50),)
