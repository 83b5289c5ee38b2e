"""The kernels that color masks against `drawing`, run by the emulator: equal to the last bit."""

import numpy as np
import preprocess_cases
import pytest
import segmentation_cases
from emulated_gpu import register_kernels
from preprocess_cases import image_bytes

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.cuda.tint import CudaTinter
from jetson_perception.drawing import color_mask, draw_segmentation
from jetson_perception.errors import CudaError, ImageError, ParameterError
from jetson_perception.images import ENCODINGS, to_bgr, view
from jetson_perception.palette import palette
from jetson_perception.tasks.results import Segmentation

SIZES = [(2, 2), (34, 10), (66, 50)]


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'tint')


@pytest.fixture
def held():
    held = Resources()
    yield held
    held.close()


@pytest.fixture
def stream(device, held):
    with device.pushed():
        yield held.add(device.new_stream())


def on_device(device, held, stream, array):
    staging = held.add(PinnedBuffer(device, array.shape, array.dtype))
    staging.array[...] = array
    buffer = held.add(DeviceBuffer(device, array.shape, array.dtype))
    buffer.copy_from_host(staging, stream)
    return buffer


def on_host(device, held, stream, buffer):
    result = held.add(PinnedBuffer(device, buffer.shape, buffer.dtype))
    buffer.copy_to_host(result, stream)
    stream.synchronize()
    return result.array.copy()


def mask_of(size_wh, classes=256):
    return np.random.default_rng(1).integers(0, classes, size_wh[::-1], np.uint8)


@pytest.mark.parametrize('size_wh', [(1, 1), (33, 9), *SIZES])
@pytest.mark.parametrize('count', [0, 1, 21, 256])
def test_colors(device, held, stream, size_wh, count):
    tinter = held.add(CudaTinter(device, palette(count)))
    mask = mask_of(size_wh)
    target = held.add(DeviceBuffer(device, (*mask.shape, 3), np.uint8))
    tinter.enqueue_colors(on_device(device, held, stream, mask).address, target, stream)
    expected = color_mask(mask, palette(count))
    np.testing.assert_array_equal(on_host(device, held, stream, target), expected)


@pytest.mark.parametrize('blend', [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize('size_wh', SIZES)
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_blend(device, held, stream, encoding, size_wh, blend):
    case = preprocess_cases.Case(size_wh, encoding=encoding, padding=5)
    data, step = image_bytes(case)
    mask = mask_of(size_wh, 30)
    colors = palette(21)
    pixels = view(data, size_wh[1], size_wh[0], encoding, step)
    expected = np.array(to_bgr(pixels, encoding))
    draw_segmentation(expected, Segmentation(mask, np.zeros(30, np.int64)), colors, blend)

    tinter = held.add(CudaTinter(device, colors, blend))
    source = on_device(device, held, stream, data)
    target = held.add(DeviceBuffer(device, (*mask.shape, 3), np.uint8))
    image = DeviceImage(source.address, *size_wh, step, encoding)
    mask_address = on_device(device, held, stream, mask).address
    tinter.enqueue_blend(image, mask_address, target, stream)
    np.testing.assert_array_equal(on_host(device, held, stream, target), expected)


def test_a_segmenters_mask(standin, device, held, stream):
    register_kernels(standin, 'segmentation')
    case = segmentation_cases.Case()
    data = segmentation_cases.output_of(case)
    segmenter = held.add(CudaSegmenter(device, case.layout, data.shape, data.dtype))
    tinter = held.add(CudaTinter(device, palette(5)))
    output = on_device(device, held, stream, data)
    target = held.add(DeviceBuffer(device, (*case.source_wh[::-1], 3), np.uint8))
    segmenter.prepare(segmentation_cases.transform_of(case), case.options, 1)
    segmenter.enqueue([output], stream, 1)
    tinter.enqueue_colors(segmenter.mask_address(1), target, stream)
    colored = on_host(device, held, stream, target)
    np.testing.assert_array_equal(colored, color_mask(segmenter.collect(1).mask, palette(5)))


@pytest.mark.parametrize(
    ('image', 'shape', 'dtype', 'error', 'message'),
    [
        pytest.param(
            DeviceImage(0, 8, 6, 8, '16UC1'),
            (6, 8, 3),
            np.uint8,
            ImageError,
            'bgr8',
            id='encoding',
        ),
        pytest.param(
            DeviceImage(0, 9, 6, 27, 'bgr8'), (6, 8, 3), np.uint8, CudaError, '9×6', id='size'
        ),
        pytest.param(
            DeviceImage(0, 8, 6, 24, 'bgr8'), (6, 8), np.uint8, CudaError, 'h, w, 3', id='shape'
        ),
        pytest.param(
            DeviceImage(0, 8, 6, 24, 'bgr8'), (6, 8, 3), np.int8, CudaError, 'int8', id='dtype'
        ),
    ],
)
def test_what_is_not_taken(device, held, stream, image, shape, dtype, error, message):
    tinter = held.add(CudaTinter(device, palette(5)))
    target = held.add(DeviceBuffer(device, shape, dtype))
    with pytest.raises(error, match=message):
        tinter.enqueue_blend(image, 0, target, stream)


@pytest.mark.parametrize('blend', [-0.1, 1.5, float('nan')])
def test_a_share_that_is_none(device, blend):
    with pytest.raises(ParameterError, match='0 to 1'):
        CudaTinter(device, palette(5), blend)
