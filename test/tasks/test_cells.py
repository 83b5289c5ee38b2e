"""Grids of cells over a network's input."""

import pytest

from jetson_perception.tasks.cells import STRIDES, cell_count, cell_counts, cells


@pytest.mark.parametrize(
    ('network_wh', 'strides', 'count'),
    [
        pytest.param((640, 640), (8, 16, 32), 8400, id='usual'),
        pytest.param((640, 384), (8, 16, 32), 5040, id='rectangular'),
        pytest.param((33, 1), (16, 32), 5, id='rounded_up'),
        pytest.param((640, 640), (), 0, id='no_level'),
    ],
)
def test_how_many_cells(network_wh, strides, count):
    assert cell_count(network_wh, strides) == count
    if strides:
        place, stride = cells(network_wh, strides)
        assert (place.shape, stride.shape) == ((count, 2), (count, 1))


def test_cells_go_row_by_row_and_level_by_level():
    place, stride = cells((32, 16), (8, 16))
    assert place[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]
    assert place[8:].tolist() == [[0, 0], [1, 0]]
    assert stride.ravel().tolist() == [8] * 8 + [16] * 2


def test_counts_of_all_strides():
    assert cell_counts((640, 640)) == {8400, 8500, 34000, 2000}
    assert len(STRIDES) == 4
