"""The preprocess, segmentation, tint and head kernels on a real GPU: right, and how fast they are.

The cases are those of the emulator's tests. Times are printed, of the GPU alone: a CUDA graph of
many repetitions between two events.
"""

import numpy as np
import preprocess_cases
import pytest
import segmentation_cases
import tint_cases
import yolo_head_cases

from jetson_perception.cuda import (
    CudaDevice,
    DeviceBuffer,
    PinnedBuffer,
    Resources,
    cuda_problem,
)
from jetson_perception.cuda.compiler import find_nvcc
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.preprocess import CudaPreprocessor, DeviceImage
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.cuda.tint import CudaTinter, TintTables
from jetson_perception.cuda.yolo_head import CudaHead
from jetson_perception.images.encodings import ENCODINGS
from jetson_perception.palette import palette
from jetson_perception.tasks.segmentation import SegmentationLayout, SegmentationOptions
from jetson_perception.tasks.yolo_head import HeadLayout

REPETITIONS = 50


_problem = cuda_problem() or ('' if find_nvcc() else 'there is no nvcc on this machine')
if _problem:
    pytest.skip(_problem, allow_module_level=True)


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


def gpu_ms(device, stream, enqueue):
    """Milliseconds of one `enqueue` on the GPU, with its launches back to back."""
    held = Resources()
    with held.closed_on_error(), device.pushed():
        enqueue()
        stream.synchronize()
        graph = held.add(capture(stream, lambda: [enqueue() for _ in range(REPETITIONS)]))
        begun = held.add(device.new_event(timing=True))
        done = held.add(device.new_event(timing=True))
        best = float('inf')
        for _ in range(5):
            begun.record(stream)
            graph.launch(stream)
            done.record(stream)
            done.synchronize()
            best = min(best, done.elapsed_ms(begun) / REPETITIONS)
    held.close()
    return best


def tell(capsys, device, what, milliseconds):
    with capsys.disabled():
        print(f'\n{device.name}: {what}: {milliseconds * 1000:.1f} µs', end='')  # noqa: T201


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('source_wh', [(640, 480), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize('encoding', ['bgr8', 'bgra8', 'mono8', 'yuyv', 'nv12', 'bayer_rggb8'])
def test_time_of_preprocess(device, capsys, encoding, source_wh, dtype):
    case = preprocess_cases.Case(source_wh, (640, 640), encoding, dtype=dtype)
    data, step = preprocess_cases.image_bytes(case)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        preprocessor = held.add(CudaPreprocessor(device, case.network_wh, dtype=dtype))
        stream = held.add(device.new_stream())
        source = held.add(DeviceBuffer(device, data.shape, np.uint8))
        target = held.add(preprocessor.new_tensor())
        image = DeviceImage(source.address, *source_wh, step, encoding)
        taken = gpu_ms(device, stream, lambda: preprocessor.enqueue(image, target, stream))
    held.close()
    name = f'{encoding} {source_wh[0]}×{source_wh[1]} to 640×640 {np.dtype(dtype).name}'
    tell(capsys, device, f'preprocess {name}', taken)


@pytest.mark.parametrize('interpolation', ['probabilities', 'logits'])
@pytest.mark.parametrize('content', ['smooth', 'noise'])
@pytest.mark.parametrize(
    ('classes', 'grid_hw'),
    [
        pytest.param(21, (512, 512), id='21-512x512'),
        pytest.param(19, (90, 160), id='19-160x90'),
        pytest.param(19, (360, 640), id='19-640x360'),
        pytest.param(1, (640, 640), id='foreground-640x640'),
    ],
)
def test_time_of_segmentation(device, capsys, classes, grid_hw, content, interpolation):
    layout = SegmentationLayout('logits', max(classes, 2), binary=classes == 1)
    network_wh = grid_hw[::-1]
    case = segmentation_cases.Case(
        grid_hw,
        network_wh,
        (1280, 720),
        layout,
        SegmentationOptions(interpolation=interpolation),
        content=content,
    )
    name = f'{classes} × {network_wh[0]}×{network_wh[1]} to 1280×720, {interpolation}, {content}'
    kernels, all_ = time_of_segmentation(device, case)
    tell(capsys, device, f'segmentation {name}: kernels', kernels)
    tell(capsys, device, f'segmentation {name}: with the copy to the host', all_)


def time_of_segmentation(device, case):
    """Milliseconds of the kernels alone, and of those with the result's copy to the host."""
    data = segmentation_cases.output_of(case)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        segmenter = held.add(CudaSegmenter(device, case.layout, data.shape, data.dtype))
        stream = held.add(device.new_stream())
        staging = held.add(PinnedBuffer(device, data.shape, data.dtype))
        staging.array[...] = data
        output = held.add(DeviceBuffer(device, data.shape, data.dtype))
        output.copy_from_host(staging, stream)
        segmenter.prepare(segmentation_cases.transform_of(case), case.options)
        kernels = gpu_ms(device, stream, lambda: segmenter.enqueue_kernels([output], stream))
        all_ = gpu_ms(device, stream, lambda: segmenter.enqueue([output], stream))
    held.close()
    return kernels, all_


@pytest.mark.parametrize('encoding', ['bgr8', 'nv12'])
def test_time_of_tinting(device, capsys, encoding):
    source_wh = (1280, 720)
    data, step = preprocess_cases.image_bytes(preprocess_cases.Case(source_wh, encoding=encoding))
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, palette(21)))
        source = tint_cases.on_device(device, held, stream, data)
        mask = tint_cases.on_device(device, held, stream, tint_cases.mask_of(source_wh, 21))
        target = held.add(DeviceBuffer(device, (*source_wh[::-1], 3), np.uint8))
        image = DeviceImage(source.address, *source_wh, step, encoding)
        taken = gpu_ms(
            device,
            stream,
            lambda: tinter.enqueue_blend(image, mask.address, tables, target, stream),
        )
    held.close()
    tell(capsys, device, f'tint {encoding} 1280×720', taken)


@pytest.mark.parametrize('case', list(yolo_head_cases.cases()))
def test_yolo_head_equals_the_twin(device, case):
    yolo_head_cases.check(device, case)


def test_yolo_head_in_a_graph(device):
    yolo_head_cases.check(device, yolo_head_cases.Case(channels_last=True), graph=True)


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('kind', ['detect', 'pose'])
def test_time_of_the_yolo_head(device, capsys, kind, channels_last, dtype):
    values = (80,) if kind == 'detect' else (1, 51, 3)
    layout = HeadLayout(((80, 80), (40, 40), (20, 20)), (8, 16, 32), 16, *values)
    case = yolo_head_cases.Case(layout, dtype)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        head = held.add(CudaHead(device, layout, dtype, np.float32, channels_last=channels_last))
        output = held.add(DeviceBuffer(device, layout.output_shape, np.float32))
        yolo_head_cases.fill(head, yolo_head_cases.maps_of(case), channels_last)
        taken = gpu_ms(device, stream, lambda: head.enqueue(output, stream))
    held.close()
    order = 'channels last' if channels_last else 'channels first'
    tell(capsys, device, f'head of YOLOv8n, {kind}, {order}, {np.dtype(dtype).name}', taken)
