"""The kernels of detectors that are no YOLO, and of oriented boxes, on a real GPU.

The cases are those of the emulator's tests. For their times: `tools/check_gpu.py --only decoders`.
"""

import box_cases
import numpy as np
import oriented_box_cases
import pytest
from real_gpu import require_gpu

from jetson_perception.cuda import CudaDevice
from jetson_perception.tasks.detection_options import DetectionOptions

pytestmark = pytest.mark.gpu

require_gpu()


@pytest.fixture(scope='module')
def device():
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.mark.parametrize('case', [*box_cases.cases(), *box_cases.NETWORKS])
def test_equals_the_twin(device, case):
    box_cases.check(device, case)


@pytest.mark.parametrize('case', [*oriented_box_cases.cases(), *oriented_box_cases.NETWORKS])
def test_oriented_boxes_equal_the_twins(device, case):
    oriented_box_cases.check(device, case)


@pytest.mark.parametrize('name', ['rt_detr', 'detr', 'yolo_nas', 'yolox', 'nanodet', 'suppressed'])
def test_the_same_result_each_time(device, name):
    """Candidates are listed in whatever order threads come; the result must not show it."""
    options = DetectionOptions(0, 0.5, 1000)
    case = box_cases.Case(box_cases.LAYOUTS[name], 900, 900, 100, steps=20, options=options)
    on_device = box_cases.OnDevice(device, case)
    with device.pushed():
        first = on_device.decoded(case)
        for time in range(200):
            again = on_device.decoded(case, time % 2)
            for field in ('xyxy', 'score', 'class_id'):
                np.testing.assert_array_equal(getattr(again, field), getattr(first, field))
    on_device.close()
