"""The kernel of instance masks against NumPy, run by the emulator."""

from dataclasses import replace

import numpy as np
import pytest
import standin_pycuda
import yolo_cases
from emulated_gpu import register_kernels
from yolo_cases import SEGMENT, Case, OnDevice, assert_same, check, expected, outputs_of

from jetson_perception.cuda import CudaDevice
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.yolo import CudaDecoder
from jetson_perception.errors import ModelError
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.yolo import decode


@pytest.fixture(params=[False, True], ids=['discrete', 'integrated'])
def standin(monkeypatch, request):
    standin = standin_pycuda.install(monkeypatch, integrated=request.param)
    register_kernels(standin, 'yolo')
    register_kernels(standin, 'instance_masks')
    yield standin
    standin.check()


@pytest.fixture
def device(standin):
    device = CudaDevice.get()
    yield device
    device.close()


@pytest.mark.parametrize('case', [*yolo_cases.mask_cases()])
@pytest.mark.parametrize('standin', [False], indirect=True)
def test_equals_the_twin(device, case):
    check(device, case)


@pytest.mark.parametrize(
    ('standin', 'layout', 'dtype'),
    [(False, SEGMENT, np.float16), (True, yolo_cases.SEGMENT_END_TO_END, np.float32)],
    indirect=['standin'],
)
def test_refuses_what_the_twin_refuses(device, layout, dtype):
    case = Case(layout, 60, 30, dtype=dtype, transform=fit((64, 48), (64, 64)))
    yolo_cases.check_garbage(device, case)


def test_the_cases_paint_many_objects():
    ids = expected(Case(SEGMENT)).instance_ids
    assert len(np.unique(ids)) > 8
    assert 0.05 < (ids == 0).mean() < 0.95
    many = Case(
        SEGMENT, 1100, 400, 300, options=DetectionOptions(iou_threshold=1, max_detections=1000)
    )
    assert expected(many).instance_ids.dtype == np.uint16


def test_pixels_along_an_edge(device):
    """One prototype that crosses 0 between two columns of cells: equal to the last pixel."""
    case = Case(yolo_cases.SEGMENT_ONE_PROTOTYPE, 5, 0, transform=fit((64, 64), (64, 64)))
    outputs = outputs_of(case)
    outputs[0][0, 0] = 30, 32, 40, 50, 0.9, 0, 1
    outputs[0][0, 1] = 32, 32, 64, 64, 0.1, 0.8, -1
    outputs[1][:] = np.where(np.arange(16) < 8, -1, 3)
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(outputs)
        ids = on_device.decoded(case).instance_ids
    on_device.close()
    assert ids.dtype == np.uint8
    row = np.where(np.arange(64) < 31, 2, np.where(np.arange(64) < 50, 1, 0))
    np.testing.assert_array_equal(ids[32], row)
    np.testing.assert_array_equal(ids[3], np.where(np.arange(64) < 31, 2, 0))
    twin = decode(outputs, case.layout, case.transform, case.options)
    np.testing.assert_array_equal(ids, twin.instance_ids)


@pytest.mark.parametrize('count', [255, 256])
@pytest.mark.parametrize('standin', [False], indirect=True)
def test_ids_are_bytes_up_to_255_objects(device, count):
    options = DetectionOptions(iou_threshold=1, max_detections=1000)
    transform = fit((128, 64), (128, 64), 'stretch')
    case = Case(yolo_cases.SEGMENT_ONE_PROTOTYPE, 300, 0, transform=transform, options=options)
    outputs = outputs_of(case)
    cells = np.arange(count)
    outputs[0][0, :count, 0] = cells % 32 * 4 + 2
    outputs[0][0, :count, 1] = cells // 32 * 4 + 2
    outputs[0][0, :count, 2:] = 4, 4, 0.9, 0, 1
    outputs[1][:] = 1
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(outputs)
        found = on_device.decoded(case)
    on_device.close()
    assert len(found) == count
    assert found.instance_ids.max() == count
    assert_same(found, decode(outputs, case.layout, case.transform, case.options))


def test_frames_of_changing_size_and_number(device):
    case = Case(SEGMENT)
    on_device = OnDevice(device, case)
    with device.pushed():
        for seed, (source_wh, most) in enumerate(
            [((320, 200), 300), ((64, 64), 10), ((640, 400), 1000), ((100, 700), 255)]
        ):
            case = replace(
                case,
                seed=seed,
                transform=fit(source_wh, (640, 640)),
                options=DetectionOptions(max_detections=most),
            )
            on_device.set(outputs_of(case))
            assert_same(on_device.decoded(case, seed % 2), expected(case))
    on_device.close()


def test_a_graph_holds_for_one_size_of_image(standin, device):
    case = Case(SEGMENT, transform=fit((320, 200), (640, 640)))
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        on_device.decoded(case)
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        case = replace(case, seed=5, options=DetectionOptions(0.5))
        on_device.set(outputs_of(case))
        assert not decoder.prepare(case.transform, case.options)
        graph.launch(stream)
        stream.synchronize()
        assert_same(decoder.collect(), expected(case))
        assert decoder.prepare(fit((320, 201), (640, 640)), case.options)
        graph.close()
    on_device.close()


@pytest.mark.parametrize(
    ('prototypes', 'dtype', 'problem'),
    [
        pytest.param((1, 31, 160, 160), 'f4', '(1, 32, …) mask prototypes', id='channels'),
        pytest.param((32, 160, 160), 'f4', '(1, 32, …) mask prototypes', id='dimensions'),
        pytest.param(
            (1, 32, 160, 160), 'i4', 'int32; the GPU decodes float16 and float32', id='type'
        ),
    ],
)
@pytest.mark.parametrize('standin', [False], indirect=True)
def test_prototypes_that_cannot_be_read_are_refused(device, prototypes, dtype, problem):
    with pytest.raises(ModelError) as raised:
        CudaDecoder(device, SEGMENT, [(1, 116, 8400), prototypes], ['f4', dtype])
    assert problem in str(raised.value)


def test_masks_are_not_overwritten_by_the_next_frame(device):
    case = Case(SEGMENT, transform=fit((320, 200), (640, 640)))
    on_device = OnDevice(device, case)
    with device.pushed():
        found = on_device.decoded(case)
        other = replace(case, seed=1)
        on_device.set(outputs_of(other))
        on_device.decoded(other)
    on_device.close()
    assert_same(found, expected(case))


def test_no_pixel_differs_where_the_machine_adds_in_order(device):
    """One product: nothing to add, so no rounding can differ."""
    case = Case(yolo_cases.SEGMENT_ONE_PROTOTYPE, transform=fit((333, 517), (640, 640)))
    np.testing.assert_array_equal(
        OnDevice.computed(device, case).instance_ids, expected(case).instance_ids
    )
