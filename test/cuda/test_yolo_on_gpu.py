"""The YOLO kernels on a real GPU.

The cases are those of the emulator's tests. For their times: `tools/check_gpu.py --only times`.
"""

from dataclasses import replace

import pytest
import yolo_cases
from real_gpu import require_gpu
from yolo_cases import DETECT, POSE, Case, OnDevice, assert_same, expected, outputs_of

from jetson_perception.cuda import CudaDevice, Resources
from jetson_perception.cuda.graphs import capture
from jetson_perception.tasks.detection_options import DetectionOptions

pytestmark = pytest.mark.gpu

require_gpu()


@pytest.fixture(scope='module')
def device():
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.mark.parametrize('case', [*yolo_cases.cases(), *yolo_cases.NETWORKS])
def test_equals_the_twin(device, case):
    yolo_cases.check(device, case)


@pytest.mark.parametrize('case', [*yolo_cases.mask_cases()])
def test_masks_equal_the_twins(device, case):
    yolo_cases.check(device, case)


@pytest.mark.parametrize('layout', [DETECT, POSE, yolo_cases.OBJECTNESS, yolo_cases.END_TO_END])
def test_the_same_result_each_time(device, layout):
    """Candidates are listed in whatever order threads come; the result must not show it."""
    case = Case(layout, 8400, 3000, 500, steps=20, options=DetectionOptions(0, 0.5, 1000))
    twin = expected(case)
    on_device = OnDevice(device, case)
    with device.pushed():
        for time in range(200):
            assert_same(on_device.decoded(case, time % 2), twin)
    on_device.close()


def test_frames_in_a_graph(device):
    case = Case(POSE, 8400)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    held = Resources()
    with held.closed_on_error(), device.pushed():
        assert_same(on_device.decoded(case), expected(case))
        graph = held.add(capture(stream, lambda: decoder.enqueue(on_device.outputs, stream)))
        for seed in range(20):
            case = replace(case, seed=seed, found=5 * seed, options=DetectionOptions(0.03 * seed))
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, case.options)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case))
    held.close()
    on_device.close()
