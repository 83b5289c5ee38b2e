"""The kernel that recolors NV12 against NumPy, run by the emulator."""

import numpy as np
import pytest
from emulated_gpu import register_kernels

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.recoloring import CudaRecoloring
from jetson_perception.images.video_colors import FULL_RANGE, recoloring


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'recoloring')
    return standin


@pytest.mark.parametrize('size_wh', [(2, 2), (66, 18), (64, 16), (130, 6)])
@pytest.mark.parametrize('wanted', [(1, 1), (9, 1), (5, FULL_RANGE), (1, FULL_RANGE)], ids=str)
@pytest.mark.parametrize('padding', [0, 6])
def test_equals_the_twin(device, size_wh, wanted, padding):
    width, height = size_wh
    step = width + padding
    nv12 = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, step), np.uint8)
    how = recoloring(*wanted)
    expected = nv12.copy()
    how.apply(expected[:, :width])
    resources = Resources()
    with device.pushed(), resources.closed_on_error():
        stream = resources.add(device.new_stream())
        host = resources.add(PinnedBuffer(device, nv12.shape, np.uint8))
        memory = resources.add(DeviceBuffer(device, nv12.shape, np.uint8))
        recolor = resources.add(CudaRecoloring(device, how))
        host.array[:] = nv12
        memory.copy_from_host(host, stream)
        recolor.enqueue(memory.address, step, size_wh, stream)
        memory.copy_to_host(host, stream)
        stream.synchronize()
        found = host.array.copy()
        resources.close()
    assert np.array_equal(found, expected)
