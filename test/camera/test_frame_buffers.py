import weakref

import numpy as np
import pytest

from jetson_perception.camera.frame_buffers import FrameBuffers


def address(array):
    return array.ctypes.data


@pytest.mark.parametrize(
    'keep',
    [
        pytest.param(lambda array: array, id='itself'),
        pytest.param(lambda array: array[1:, ::2], id='a_view'),
        pytest.param(lambda array: array.reshape(-1).view(np.uint16), id='a_view_of_a_view'),
        pytest.param(memoryview, id='a_memoryview'),
    ],
)
def test_what_somebody_keeps_is_given_to_nobody_else(keep):
    buffers = FrameBuffers()
    array = buffers.take((4, 6, 3))
    array[...] = 7
    place = address(array)
    kept = keep(array)
    del array
    for _ in range(5):
        other = buffers.take((4, 6, 3))
        assert address(other) != place
        other[...] = 0
    del kept, other
    assert place in {address(each) for each in [buffers.take((4, 6, 3)) for _ in range(2)]}


def test_memory_that_nobody_keeps_is_used_again():
    buffers = FrameBuffers()
    places = set()
    for level in range(20):
        array = buffers.take((48, 64, 3))
        assert array.shape == (48, 64, 3)
        assert array.flags.writeable
        assert array.flags.c_contiguous
        array[...] = level
        places.add(address(array))
        del array
    assert len(places) == 1


def test_of_memory_of_another_size_nothing_is_kept():
    buffers = FrameBuffers()
    kept = [buffers.take((480, 640, 3)) for _ in range(3)]
    assert len({address(each) for each in kept}) == 3
    assert buffers.take((72, 64)).shape == (72, 64)
    gone = [weakref.ref(each.base.base.obj) for each in kept]
    del kept
    buffers.take((72, 64))
    assert [each() for each in gone] == [None] * 3


def test_an_empty_array():
    assert FrameBuffers().take((0, 4, 3)).shape == (0, 4, 3)
