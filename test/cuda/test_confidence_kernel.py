"""The kernels of a mask's confidence against NumPy and OpenCV, run by the emulator."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import segmentation_cases
from emulated_gpu import register_kernels
from segmentation_cases import BY_CLASS, FOREGROUND, Case, ConfidenceOnDevice, check_confidence

from jetson_perception.cuda.confidence import CudaConfidence
from jetson_perception.errors import ModelError
from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'segmentation')


@pytest.mark.parametrize('case', [*segmentation_cases.confidence_cases()])
def test_equals_the_twin(device, case):
    check_confidence(device, case)


def test_frame_after_frame_of_other_sizes(standin, device):
    with closing(ConfidenceOnDevice(device, Case())) as on_device:
        confidence = on_device.confidence
        for source_wh in ((400, 300), (160, 90), (7, 5)):
            on_device.set(replace(Case(), source_wh=source_wh))
            before = standin.allocations
            on_device.check()
            assert (standin.allocations > before) == (source_wh == (400, 300))
        confidence.collect()[:] = 0
        assert confidence.collect().max() > 0  # a result is the caller's own
        confidence.forget()
        assert confidence.collect() is None


def test_nothing_is_launched_before_somebody_asks(standin, device):
    logits = Case(options=SegmentationOptions(interpolation='logits'))
    with closing(ConfidenceOnDevice(device, logits)) as on_device:
        assert on_device.confidence.collect() is None
        assert not standin.launches
        on_device.check()
        assert standin.launches == ['softmax_of_grid_float32', 'confidence_float32']


@pytest.mark.parametrize('layout', [FOREGROUND, SegmentationLayout('probabilities', 5)])
def test_softmax_only_where_it_is_needed(standin, device, layout):
    check_confidence(device, Case(layout=layout))
    assert not [name for name in standin.launches if name.startswith('softmax_of_grid')]


@pytest.mark.parametrize('dtype', [np.float64, np.int32])
def test_a_type_that_no_kernel_takes(device, dtype):
    with pytest.raises(ModelError, match='the GPU decodes float16 and float32'):
        CudaConfidence(device, BY_CLASS, (1, 5, 48, 64), dtype)
