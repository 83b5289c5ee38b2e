"""The preprocess kernel against OpenCV and NumPy, run by the emulator: equal to the last bit."""

import numpy as np
import preprocess_cases
import pytest
from emulated_gpu import register_kernels
from preprocess_cases import Case, check, computed, expected

import jetson_perception.cuda.preprocess as preprocess_module
from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.preprocess import FAMILIES, CudaPreprocessor, DeviceImage
from jetson_perception.errors import CudaError, ImageError, ParameterError
from jetson_perception.images.encodings import ENCODINGS


@pytest.fixture(autouse=True)
def kernels(standin):
    register_kernels(standin, 'preprocess')


@pytest.fixture
def preprocessor(device):
    preprocessor = CudaPreprocessor(device, (64, 48))
    yield preprocessor
    preprocessor.close()


@pytest.mark.parametrize('case', preprocess_cases.cases())
def test_equals_the_twin(device, case):
    check(device, case)


def test_every_encoding_has_a_kernel():
    assert set(FAMILIES) == set(ENCODINGS)


def test_one_launch(standin, device):
    computed(device, Case((90, 70)))
    assert standin.launches == ['preprocess_interleaved3_float32']


def test_an_image_that_the_gpu_reads_in_the_hosts_memory(device):
    # As on a Jetson: the bytes are not uploaded at all.
    case = Case((90, 70), encoding='nv12')
    data, step = preprocess_cases.image_bytes(case)
    preprocessor = CudaPreprocessor(device, case.network_wh)
    with device.pushed():
        image = PinnedBuffer(device, data.shape, np.uint8, mapped=True)
        image.array[:] = data
        target = preprocessor.new_tensor()
        stream = device.new_stream()
        preprocessor.enqueue(
            DeviceImage(image.address, *case.source_wh, step, case.encoding), target, stream
        )
        tensor = PinnedBuffer(device, target.shape, target.dtype)
        target.copy_to_host(tensor, stream)
        stream.synchronize()
        np.testing.assert_array_equal(tensor.array, expected(case)[0])
    for resource in (tensor, stream, target, image, preprocessor):
        resource.close()


@pytest.mark.parametrize('padding', [0, 7])
def test_a_copy_has_colors_behind_brightness(device, padding):
    case = Case((118, 70), encoding='nv12', padding=padding)
    data, step = preprocess_cases.image_bytes(case)
    light = step * 70
    held = Resources()
    with held.closed_on_error(), device.pushed():
        stream = held.add(device.new_stream())
        address, colors = (
            preprocess_cases.uploaded(device, held, stream, each)
            for each in (data[:light], data[light:])
        )
        target = held.add(DeviceBuffer(device, data.shape, np.uint8))
        image = DeviceImage(address, 118, 70, step, 'nv12', colors=colors)
        copy = image.copied_to(target, stream)
        on_host = held.add(PinnedBuffer(device, data.shape, np.uint8))
        target.copy_to_host(on_host, stream)
        stream.synchronize()
        np.testing.assert_array_equal(on_host.array, data)
        assert (copy.address, copy.colors) == (target.address, 0)
        assert copy.colors_address == target.address + light
    held.close()


@pytest.mark.parametrize(
    ('image', 'error', 'message'),
    [
        pytest.param(
            DeviceImage(0, 64, 48, 128, '16UC1'), ImageError, "'16UC1'.*bgr8, rgb8", id='encoding'
        ),
        pytest.param(DeviceImage(0, 0, 48, 128, 'bgr8'), ImageError, 'no pixels', id='no_width'),
        pytest.param(DeviceImage(0, 64, 0, 128, 'bgr8'), ImageError, 'no pixels', id='no_height'),
    ],
)
def test_an_image_that_is_not_taken(device, preprocessor, image, error, message):
    with device.pushed():
        target = preprocessor.new_tensor()
        stream = device.new_stream()
        with pytest.raises(error, match=message):
            preprocessor.enqueue(image, target, stream)
    target.close()
    stream.close()


@pytest.mark.parametrize(
    ('shape', 'dtype'),
    [
        pytest.param((1, 3, 48, 63), np.float32, id='shape'),
        pytest.param((1, 3, 48, 64), np.float16, id='dtype'),
    ],
)
def test_a_tensor_that_does_not_fit(device, preprocessor, shape, dtype):
    image = DeviceImage(0, 64, 48, 192, 'bgr8')
    with device.pushed():
        target = DeviceBuffer(device, shape, dtype)
        stream = device.new_stream()
        with pytest.raises(CudaError, match=r'float32 \(1, 3, 48, 64\) is needed'):
            preprocessor.enqueue(image, target, stream)
    target.close()
    stream.close()


def test_settings_that_the_twin_refuses(device):
    with pytest.raises(ParameterError, match='choose one of letterbox'):
        CudaPreprocessor(device, (64, 48), resize='crop')


def test_sizes_that_never_come_again_are_forgotten(device, preprocessor, monkeypatch):
    monkeypatch.setattr(preprocess_module, '_KEPT_PLANS', 4)
    with device.pushed():
        target = preprocessor.new_tensor()
        stream = device.new_stream()
        source = DeviceBuffer(device, (30 * 30 * 3,), np.uint8)
        for side in range(1, 30):
            image = DeviceImage(source.address, side, side, 3 * side, 'bgr8')
            preprocessor.enqueue(image, target, stream)
            assert len(preprocessor._plans) <= 4
        stream.synchronize()
    for resource in (source, target, stream):
        resource.close()
