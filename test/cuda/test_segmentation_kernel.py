"""The segmentation kernels against NumPy and OpenCV, run by the emulator."""

from dataclasses import replace

import numpy as np
import pytest
import segmentation_cases
from emulated_gpu import register_kernels
from segmentation_cases import (
    BY_CLASS,
    MOST_THAT_DIFFER,
    Case,
    check,
    computed,
    expected,
    output_of,
    transform_of,
)

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions

IDS = SegmentationLayout('class_ids', 19)


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'segmentation')


@pytest.mark.parametrize('case', segmentation_cases.cases())
def test_equals_the_twin(device, case):
    check(device, case)


def test_at_the_size_of_a_cameras_image(device):
    check(device, Case((90, 160), (1280, 720), (1280, 720), SegmentationLayout('logits', 19)))


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(Case(), id='classes'),
        pytest.param(Case(layout=segmentation_cases.FOREGROUND), id='foreground'),
        pytest.param(Case(layout=IDS, dtype=np.int64), id='ids'),
    ],
)
def test_in_a_graph(device, case):
    check(device, case, graph=True)


def test_one_launch_for_the_grid_and_one_for_the_mask(standin, device):
    computed(device, Case())
    assert standin.launches == ['best_of_grid_softmax_float32', 'best_of_mask_softmax_float32']


def test_softmax_only_where_probabilities_are_interpolated(standin, device):
    computed(device, Case(options=SegmentationOptions(interpolation='logits')))
    assert standin.launches == ['best_of_grid_float32', 'best_of_mask_float32']


@pytest.fixture
def stage(device):
    """A segmenter, an output on the device, and a stream; of `Case()`."""
    output = output_of(Case())
    held = Resources()
    with device.pushed():
        segmenter = held.add(CudaSegmenter(device, BY_CLASS, output.shape, output.dtype))
        buffer = held.add(DeviceBuffer(device, output.shape, output.dtype))
        staging = held.add(PinnedBuffer(device, output.shape, output.dtype))
        stream = held.add(device.new_stream())
        staging.array[...] = output
        buffer.copy_from_host(staging, stream)
        stream.synchronize()
        yield segmenter, buffer, stream
        stream.synchronize()
        held.close()


def test_two_frames_under_way(stage):
    segmenter, output, stream = stage
    small, large = Case(source_wh=(33, 21)), Case(source_wh=(200, 150))
    segmenter.prepare(transform_of(small), small.options, 0)
    segmenter.enqueue([output], stream, 0)
    segmenter.prepare(transform_of(large), large.options, 1)
    segmenter.enqueue([output], stream, 1)
    stream.synchronize()
    for block, case in ((0, small), (1, large)):
        mask = expected(case).mask
        assert segmenter.collect(block).mask.shape == mask.shape
        assert (segmenter.collect(block).mask != mask).mean() <= MOST_THAT_DIFFER


def test_a_frame_after_one_of_garbage(stage):
    segmenter, output, stream = stage
    staging = PinnedBuffer(output.device, output.shape, output.dtype)
    for content in ('all_nan', 'smooth', 'nan', 'smooth'):
        case = Case(content=content)
        staging.array[...] = output_of(case)
        output.copy_from_host(staging, stream)
        segmenter.prepare(transform_of(case), case.options)
        segmenter.enqueue([output], stream)
        stream.synchronize()
        if content != 'smooth':
            with pytest.raises(ModelError, match='NaN or infinite scores for'):
                segmenter.collect()
        else:
            assert (segmenter.collect().mask != expected(case).mask).mean() <= MOST_THAT_DIFFER
    staging.close()


def test_a_result_is_the_callers_own(stage):
    segmenter, output, stream = stage
    segmenter.prepare(transform_of(Case()), SegmentationOptions())
    segmenter.enqueue([output], stream)
    stream.synchronize()
    first = segmenter.collect()
    first.mask[:] = 77
    first.pixels[:] = 77
    assert segmenter.collect().mask.max() < 5
    assert segmenter.collect().pixels.sum() == 160 * 90


def test_a_graph_is_out_of_date_when_size_or_options_change(stage):
    segmenter, _, _ = stage
    case = Case()
    other_size = transform_of(replace(case, source_wh=(161, 90)))
    network_size = SegmentationOptions('network')
    assert segmenter.prepare(transform_of(case), case.options)
    assert not segmenter.prepare(transform_of(case), SegmentationOptions())
    assert segmenter.prepare(transform_of(case), case.options, 1)  # of the other block
    assert segmenter.prepare(other_size, case.options)
    assert segmenter.prepare(other_size, network_size)
    assert not segmenter.prepare(other_size, network_size)


def test_nothing_is_allocated_for_masks_no_larger_than_before(standin, stage):
    segmenter, output, stream = stage
    for source_wh in ((400, 300), (160, 90), (300, 400), (7, 5)):
        case = Case(source_wh=source_wh)
        segmenter.prepare(transform_of(case), case.options)
        segmenter.enqueue([output], stream)
        stream.synchronize()
        assert segmenter.collect().mask.shape == source_wh[::-1]
        assert segmenter.collect().pixels.sum() == source_wh[0] * source_wh[1]
        if source_wh == (400, 300):
            before = standin.allocations
    assert standin.allocations == before


def test_a_block_that_was_not_prepared(stage):
    segmenter, output, stream = stage
    segmenter.prepare(transform_of(Case()), SegmentationOptions(), 0)
    with pytest.raises(CudaError, match='block 1 was enqueued before it was prepared'):
        segmenter.enqueue([output], stream, 1)


@pytest.mark.parametrize(
    ('shape', 'dtype'),
    [
        pytest.param((1, 5, 48, 63), np.float32, id='shape'),
        pytest.param((1, 5, 48, 64), np.float16, id='dtype'),
    ],
)
def test_an_output_that_is_not_the_one_announced(device, stage, shape, dtype):
    segmenter, _, stream = stage
    segmenter.prepare(transform_of(Case()), SegmentationOptions())
    other = DeviceBuffer(device, shape, dtype)
    with pytest.raises(CudaError, match=r'expected float32 \(1, 5, 48, 64\)'):
        segmenter.enqueue([other], stream)
    other.close()


@pytest.mark.parametrize(
    ('layout', 'dtype'),
    [
        pytest.param(BY_CLASS, np.float64, id='double_scores'),
        pytest.param(BY_CLASS, np.int32, id='integer_scores'),
        pytest.param(IDS, np.float64, id='double_ids'),
    ],
)
def test_a_type_that_no_kernel_takes(device, layout, dtype):
    with pytest.raises(ModelError, match='the GPU decodes float16 and float32'):
        CudaSegmenter(device, layout, (1, 5, 48, 64), dtype)
