"""The kernels of MoveNet, raw heads, selected boxes, and a mask's confidence, on a real GPU.

The cases are those of the emulator's tests. For their times: `tools/check_gpu.py --only decoders`.
"""

import head_cases
import numpy as np
import people_cases
import pytest
import segmentation_cases
import selected_cases
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


@pytest.mark.parametrize('case', [*head_cases.cases(), *head_cases.NETWORKS])
def test_raw_heads_equal_the_twins(device, case):
    head_cases.check(device, case)


@pytest.mark.parametrize('case', [*people_cases.cases(), *people_cases.NETWORKS])
def test_people_equal_the_twins(device, case):
    people_cases.check(device, case)


@pytest.mark.parametrize('case', [*selected_cases.cases(), *selected_cases.NETWORKS])
def test_selected_boxes_equal_the_twins(device, case):
    selected_cases.check(device, case)


@pytest.mark.parametrize(
    'case',
    [*segmentation_cases.confidence_cases(), *segmentation_cases.CONFIDENCE_NETWORKS],
)
def test_confidence_equals_the_twins(device, case):
    segmentation_cases.check_confidence(device, case)


_EVERY = DetectionOptions(0, 0.5, 1000)


@pytest.mark.parametrize(
    ('cases', 'case'),
    [
        pytest.param(head_cases, head_cases.Case(head_cases.THREE, 600, options=_EVERY)),
        pytest.param(people_cases, people_cases.Case(people_cases.SEVERAL, options=_EVERY)),
        pytest.param(
            selected_cases, selected_cases.Case(selected_cases.CORNERS, 900, options=_EVERY)
        ),
    ],
    ids=['anchors', 'movenet', 'selected'],
)
def test_the_same_result_each_time(device, cases, case):
    """Candidates are listed in whatever order threads come; the result must not show it."""
    on_device = cases.OnDevice(device, case)
    with device.pushed():
        first = on_device.decoded(case)
        for time in range(200):
            again = on_device.decoded(case, time % 2)
            for field in ('xyxy', 'score', 'class_id'):
                np.testing.assert_array_equal(getattr(again, field), getattr(first, field))
    on_device.close()
