"""The kernel of boxes that ONNX's NonMaxSuppression selected against NumPy, in the emulator."""

from dataclasses import replace

import numpy as np
import pytest
import selected_cases
from emulated_gpu import register_kernels
from selected_cases import (
    CORNERS,
    NETWORK_WH,
    Case,
    OnDevice,
    assert_same,
    check,
    expected,
    outputs_of,
)

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.selected_boxes import CudaSelectedDecoder
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.selected_boxes import decode_selected


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'selected_boxes')
    return standin


@pytest.mark.parametrize('case', [*selected_cases.cases(), *selected_cases.NETWORKS])
def test_equals_the_twin(device, case):
    check(device, case)


def test_the_cases_find():
    found = expected(Case(CORNERS))
    assert len(found) > 3
    assert len(set(found.score.tolist())) > 3


@pytest.mark.parametrize(
    ('row', 'refused'),
    [
        pytest.param((0, 5, 0), True, id='class'),
        pytest.param((0, -1, 0), True, id='negative_class'),
        pytest.param((0, 0, 400), True, id='box'),
        pytest.param((0, 0, 2**40), True, id='huge_box'),
        pytest.param((0, 2**32, 0), True, id='class_that_wraps'),
        pytest.param((2**32, 0, 2**40), False, id='image_that_wraps'),
        pytest.param((0, 9, -(2**40)), False, id='filling'),
    ],
)
def test_an_index_that_is_none(device, row, refused):
    case = Case(CORNERS)
    given = outputs_of(case)
    given[2][7] = row
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(given)
        if refused:
            arguments = given, CORNERS, case.transform, case.options
            with pytest.raises(ModelError, match='selects a box or class') as twin:
                decode_selected(*arguments)
            with pytest.raises(ModelError) as error:
                on_device.decoded(case)
            assert str(error.value) == str(twin.value)
            on_device.set(outputs_of(case))
            given = outputs_of(case)
        found = on_device.decoded(case)
    on_device.close()
    assert_same(found, decode_selected(given, CORNERS, case.transform, case.options), CORNERS)


def test_one_decoder_takes_frame_after_frame_in_a_graph(device):
    case = Case(CORNERS)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert_same(on_device.decoded(case), expected(case), CORNERS)
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, filling in enumerate((0, 90, 3)):
            wanted = DetectionOptions(0.3 * seed, class_ids=None if seed else (2,))
            case = replace(case, seed=seed, filling=filling, options=wanted)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, wanted)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case), CORNERS)
        assert decoder.prepare(case.transform, DetectionOptions(max_detections=7))
        graph.close()
    on_device.close()


@pytest.mark.parametrize(
    ('shapes', 'dtypes', 'problem'),
    [
        pytest.param([(1, 9, 4), (1, 5, 8), (7, 3)], 'f4 f4 i8', 'load the model', id='boxes'),
        pytest.param([(1, 9, 4), (1, 4, 9), (7, 3)], 'f4 f4 i8', 'load the model', id='classes'),
        pytest.param([(1, 9, 4), (1, 5, 9), (0, 3)], 'f4 f4 i8', 'load the model', id='none'),
        pytest.param([(1, 9, 4), (1, 5, 9), (7, 2)], 'f4 f4 i8', 'load the model', id='two'),
        pytest.param([(1, 9, 4), (1, 5, 9), (7, 3)], 'f4 f4 i2', 'int32, int64', id='indices'),
        pytest.param([(1, 9, 4), (1, 5, 9), (7, 3)], 'f8 f4 i8', 'float64; the GPU', id='double'),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, shapes, dtypes, problem):
    with pytest.raises(ModelError, match=problem):
        CudaSelectedDecoder(device, CORNERS, NETWORK_WH, shapes, dtypes.split())


def test_misuse_is_refused(device):
    case = Case(CORNERS)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, (91, 3), np.int64)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'int64 \(91, 3\); expected int64 \(90, 3\)'):
            on_device.decoder.enqueue([*on_device.outputs[:2], other], on_device.stream)
        other.close()
    on_device.close()
