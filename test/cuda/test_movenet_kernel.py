"""MoveNet's kernel against NumPy, run by the emulator."""

from dataclasses import replace

import numpy as np
import people_cases
import pytest
from emulated_gpu import register_kernels
from people_cases import (
    NETWORK_WH,
    ONE,
    SEVERAL,
    STRETCHED,
    Case,
    OnDevice,
    assert_same,
    check,
    expected,
    outputs_of,
)

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.movenet import CudaPeopleDecoder
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.detection_options import DetectionOptions


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'movenet')
    return standin


@pytest.mark.parametrize('case', [*people_cases.cases(), *people_cases.NETWORKS])
def test_equals_the_twin(device, case):
    check(device, case)


@pytest.mark.parametrize(('layout', 'count'), [(ONE, 1), (SEVERAL, 3)])
def test_the_cases_find(layout, count):
    found = expected(Case(layout))
    assert len(found) == count
    assert (found.keypoints < 0).any()  # outside of the image


@pytest.mark.parametrize('layout', [ONE, SEVERAL])
@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_scores_around_the_threshold(device, layout, dtype):
    case = Case(layout, dtype=dtype, options=DetectionOptions(0.3))
    on_device = OnDevice(device, case)
    for step in range(-2, 3):
        (output,) = outputs_of(case)
        score = dtype(0.3)
        for _ in range(abs(step)):
            score = np.nextafter(score, dtype(np.sign(step)))
        if layout.several:
            output[0, :, -1] = score
        else:
            output[..., 2] = score
        with device.pushed():
            on_device.set([output])
            found = on_device.decoded(case)
        twin = people_cases.decode_people([output], layout, case.transform, case.options)
        assert_same(found, twin, layout)
    on_device.close()


@pytest.mark.parametrize('layout', [ONE, SEVERAL])
def test_one_decoder_takes_frame_after_frame_in_a_graph(device, layout):
    case = Case(layout)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert_same(on_device.decoded(case), expected(case), layout)
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, wanted in enumerate([DetectionOptions(0.6), DetectionOptions(class_ids=(4,))]):
            case = replace(case, seed=seed, options=wanted, transform=STRETCHED)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, wanted)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case), layout)
        graph.close()
    on_device.close()


def test_a_refused_frame_is_forgotten(device):
    case = Case(SEVERAL)
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set([np.full((1, 6, 56), np.nan, np.float32)])
        with pytest.raises(ModelError, match='keypoints for 336 of 336 values'):
            on_device.decoded(case)
        on_device.set(outputs_of(case))
        assert_same(on_device.decoded(case), expected(case), SEVERAL)
    on_device.close()


@pytest.mark.parametrize(
    ('layout', 'shape', 'dtype', 'problem'),
    [
        pytest.param(ONE, (1, 6, 56), 'f4', r'which was \(1, 1, 17, 3\)', id='several'),
        pytest.param(SEVERAL, (2, 6, 56), 'f4', r'which was \(1, 6, 56\)', id='batch'),
        pytest.param(SEVERAL, (1, 6, 56), 'f8', 'float64; the GPU decodes', id='type'),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, layout, shape, dtype, problem):
    with pytest.raises(ModelError, match=problem):
        CudaPeopleDecoder(device, layout, NETWORK_WH, [shape], [dtype])


def test_misuse_is_refused(device):
    case = Case(SEVERAL)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, (1, 6, 56), np.float16)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'float16 \(1, 6, 56\); expected float32'):
            on_device.decoder.enqueue([other], on_device.stream)
        other.close()
    on_device.close()
