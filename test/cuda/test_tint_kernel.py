"""The kernels that color masks against `drawing`, run by the emulator: equal to the last bit."""

import numpy as np
import pytest
import segmentation_cases
from emulated_gpu import register_kernels
from tint_cases import SIZES, check_blend, check_colors, mask_of, on_device, on_host

from jetson_perception.cuda import DeviceBuffer, Resources
from jetson_perception.cuda.preprocess import DeviceImage
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.cuda.tint import CudaTinter, TintTables
from jetson_perception.drawing import color_mask
from jetson_perception.errors import CudaError, ImageError, ParameterError
from jetson_perception.images.encodings import ENCODINGS
from jetson_perception.palette import palette


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


@pytest.mark.parametrize('size_wh', [(1, 1), (33, 9), *SIZES])
@pytest.mark.parametrize('count', [0, 1, 21, 256])
def test_colors(device, size_wh, count):
    check_colors(device, size_wh, count)


@pytest.mark.parametrize('blend', [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize('size_wh', SIZES)
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_blend(device, encoding, size_wh, blend):
    check_blend(device, encoding, size_wh, blend)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_blend_of_colors_elsewhere(device, encoding):
    check_blend(device, encoding, SIZES[1], 0.3, apart=True)


def test_a_segmenters_mask(standin, device, held, stream):
    register_kernels(standin, 'segmentation')
    case = segmentation_cases.Case()
    data = segmentation_cases.output_of(case)
    segmenter = held.add(CudaSegmenter(device, case.layout, data.shape, data.dtype))
    tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, palette(5)))
    output = on_device(device, held, stream, data)
    target = held.add(DeviceBuffer(device, (*case.source_wh[::-1], 3), np.uint8))
    segmenter.prepare(segmentation_cases.transform_of(case), case.options, 1)
    segmenter.enqueue([output], stream, 1)
    tinter.enqueue_colors(segmenter.mask_address(1), case.source_wh, tables, target, stream)
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
            DeviceImage(0, 9, 6, 27, 'bgr8'),
            (6, 8, 3),
            np.uint8,
            CudaError,
            r'\(6, 9, 3\) is needed',
            id='size',
        ),
        pytest.param(
            DeviceImage(0, 8, 6, 24, 'bgr8'), (6, 8, 3), np.int8, CudaError, 'int8', id='dtype'
        ),
    ],
)
def test_what_is_not_taken(device, held, stream, image, shape, dtype, error, message):
    tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, palette(5)))
    target = held.add(DeviceBuffer(device, shape, dtype))
    with pytest.raises(error, match=message):
        tinter.enqueue_blend(image, 0, tables, target, stream)


@pytest.mark.parametrize('blend', [-0.1, 1.5, float('nan')])
def test_an_invalid_blend_is_refused(device, blend):
    with pytest.raises(ParameterError, match='0 to 1'):
        TintTables(device, palette(5), blend)


def test_tables_that_are_set_again_keep_their_address(device, held, stream):
    tinter, tables = held.add(CudaTinter(device)), held.add(TintTables(device, palette(21)))
    addresses = tables.colors_address, tables.tinted_address
    mask = mask_of((34, 10), 21)
    mask_address = on_device(device, held, stream, mask).address
    target = held.add(DeviceBuffer(device, (10, 34, 3), np.uint8))
    for colors in (palette(21), palette(21)[::-1], palette(3)):
        tables.set(colors, 0.5)
        tinter.enqueue_colors(mask_address, (34, 10), tables, target, stream)
        colored = on_host(device, held, stream, target)
        np.testing.assert_array_equal(colored, color_mask(mask, colors))
    assert (tables.colors_address, tables.tinted_address) == addresses
    with pytest.raises(ParameterError, match='0 to 1'):
        tables.set(palette(21), 2.0)
