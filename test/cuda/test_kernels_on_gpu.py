"""The preprocess, segmentation, tint and head kernels on a real GPU.

The cases are those of the emulator's tests. For their times: `tools/check_gpu.py --only times`.
"""

import numpy as np
import preprocess_cases
import pytest
import segmentation_cases
import tint_cases
import yolo_head_cases
from real_gpu import require_gpu

from jetson_perception.cuda import CudaDevice
from jetson_perception.images.encodings import ENCODINGS
from jetson_perception.tasks.segmentation import SegmentationLayout

pytestmark = pytest.mark.gpu

require_gpu()


@pytest.fixture(scope='module')
def device():
    device = CudaDevice.get(0)
    yield device
    device.close()


@pytest.mark.parametrize('case', preprocess_cases.cases())
def test_preprocess_equals_the_twin(device, case):
    preprocess_cases.check(device, case)


@pytest.mark.parametrize('case', segmentation_cases.cases())
def test_segmentation_equals_the_twin(device, case):
    segmentation_cases.check(device, case)


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(segmentation_cases.Case(), id='classes'),
        pytest.param(
            segmentation_cases.Case(layout=segmentation_cases.FOREGROUND), id='foreground'
        ),
        pytest.param(
            segmentation_cases.Case(layout=SegmentationLayout('class_ids', 19), dtype=np.int64),
            id='ids',
        ),
    ],
)
def test_segmentation_in_a_graph(device, case):
    segmentation_cases.check(device, case, graph=True)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_tinted_images_equal_the_twin(device, encoding):
    tint_cases.check_blend(device, encoding, (1282, 722), 0.6)


def test_colored_masks_equal_the_twin(device):
    tint_cases.check_colors(device, (1281, 721), 21)


@pytest.mark.parametrize('case', list(yolo_head_cases.cases()))
def test_yolo_head_equals_the_twin(device, case):
    yolo_head_cases.check(device, case)


def test_yolo_head_in_a_graph(device):
    yolo_head_cases.check(device, yolo_head_cases.Case(channels_last=True), graph=True)
