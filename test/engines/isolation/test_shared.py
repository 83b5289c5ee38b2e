"""Arrays in memory that two processes share."""

import os

import numpy as np
import pytest

from jetson_perception.engines.isolation.shared import SharedArrays


@pytest.fixture
def ends():
    """The end that made the memory, and another one."""
    one = SharedArrays()
    other = SharedArrays(os.dup(one.descriptor))
    yield one, other
    one.close()
    other.close()


def test_nothing(ends):
    one, other = ends
    assert other.read(one.write([])) == []


def test_arrays_of_any_type_and_shape_and_stride(ends):
    one, other = ends
    arrays = [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::-1, ::2],
        np.array([[True], [False]]),
        np.float16(3.5) * np.ones((1, 7), np.float16),
        np.zeros((0, 6), np.int64),
        np.array(7, np.uint8),
    ]
    found = other.read(one.write(arrays))
    for each, expected in zip(found, arrays, strict=True):
        assert each.dtype == expected.dtype
        np.testing.assert_array_equal(each, expected)


def test_larger_ones_find_room_and_what_was_read_before_stays(ends):
    one, other = ends
    (small,) = other.read(one.write([np.ones(3, np.uint8)]))
    (large,) = other.read(one.write([np.full(1 << 20, 2, np.uint8)]))
    assert (large == 2).all()
    assert small.tolist() == [2, 2, 2], 'it is the same memory'
    one.close()
    other.close()
    assert (large == 2).all()
