"""The kernel that decodes YOLO heads against NumPy, run by the emulator."""

import numpy as np
import pytest
import yolo_head_cases
from emulated_gpu import register_kernels
from yolo_head_cases import DETECT, POSE, Case, check

from jetson_perception.cuda import DeviceBuffer, Resources
from jetson_perception.cuda.yolo_head import CudaHead
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.yolo_head import HeadLayout


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'yolo_head')


@pytest.mark.parametrize('case', list(yolo_head_cases.cases()))
def test_equals_the_twin(device, case):
    check(device, case)


def test_in_a_graph(device):
    check(device, Case(POSE, np.float16, channels_last=True), graph=True)


def test_one_launch(standin, device):
    check(device, Case())
    assert standin.launches == ['decode_head_float32_float32']


@pytest.mark.parametrize(
    ('levels', 'bins', 'text'),
    [
        (5, 16, '5 levels of 16 bins; the kernel takes at most 4 and 16'),
        (1, 17, '1 level of 17 bins'),
    ],
)
def test_beyond_the_kernel(device, levels, bins, text):
    layout = HeadLayout(((2, 2),) * levels, (8,) * levels, bins, 1)
    with pytest.raises(ModelError, match=text):
        CudaHead(device, layout, np.float32, np.float32)


def test_an_output_of_another_shape(device):
    held = Resources()
    with device.pushed():
        head = held.add(CudaHead(device, DETECT, np.float32, np.float32))
        output = held.add(DeviceBuffer(device, (1, 84, 97), np.float32))
        stream = held.add(device.new_stream())
        with pytest.raises(
            CudaError, match=r'float32 \(1, 84, 97\); expected float32 \(1, 84, 98\)'
        ):
            head.enqueue(output, stream)
    held.close()


def test_no_kernel_for_halves_of_floats(device):
    with pytest.raises(ModelError, match='no kernel makes float16 outputs from float32 maps'):
        CudaHead(device, DETECT, np.float32, np.float16)
