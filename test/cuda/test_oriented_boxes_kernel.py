"""The kernels of oriented boxes against NumPy, run by the emulator."""

from dataclasses import replace

import numpy as np
import oriented_box_cases
import pytest
from emulated_gpu import register_kernels
from oriented_box_cases import (
    ANCHORS,
    END_TO_END,
    Case,
    OnDevice,
    assert_same,
    check,
    expected,
    outputs_of,
)

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.oriented_boxes import CudaOrientedDecoder
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.oriented_boxes import overlap


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'oriented_boxes')
    return standin


@pytest.mark.parametrize('case', [*oriented_box_cases.cases(), *oriented_box_cases.NETWORKS])
def test_equals_the_twin(device, case):
    check(device, case)


def test_the_cases_find_and_suppress():
    every = replace(Case(ANCHORS), options=DetectionOptions(iou_threshold=1))
    assert 3 < len(expected(Case(ANCHORS))) < len(expected(every))
    assert len(expected(Case(END_TO_END))) > 3


def test_a_dropped_box_drops_others(device):
    case = Case(ANCHORS, 3, 3, options=DetectionOptions(0.1, 0.55))
    outputs = outputs_of(case)
    rows = outputs[0][0].T
    rows[:, :4], rows[:, 4:] = (0, 300, 100, 40), 0
    rows[:, 0], rows[:, 4], rows[:, -1] = (200, 225, 250), (0.9, 0.8, 0.7), 0.1
    boxes = rows[:, [0, 1, 2, 3, -1]]
    assert (overlap(boxes, boxes) > 0.55).tolist() == [
        [True, True, False],
        [True, True, True],
        [False, True, True],
    ]
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(outputs)
        found = on_device.decoded(case)
    on_device.close()
    assert found.score.tolist() == pytest.approx([0.9])


def test_one_decoder_takes_frame_after_frame_in_a_graph(device):
    case = Case(ANCHORS)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert_same(on_device.decoded(case), expected(case), ANCHORS)
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, found in enumerate((60, 0, 300, 3)):
            options = DetectionOptions(0.1 * seed)
            case = replace(case, seed=seed, found=found, options=options)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, options)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case), ANCHORS)
        assert decoder.prepare(case.transform, DetectionOptions(max_detections=7))
        graph.close()
    on_device.close()


@pytest.mark.parametrize(
    ('shape', 'dtype', 'problem'),
    [
        pytest.param((1, 21, 100), 'f4', '20 values a row', id='values'),
        pytest.param((2, 20, 100), 'f4', r'\(2, 20, 100\)', id='batch'),
        pytest.param((1, 20, 0), 'f4', r'\(1, 20, 0\)', id='no_rows'),
        pytest.param((1, 20, 100), 'f8', 'float64; the GPU decodes', id='type'),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, shape, dtype, problem):
    with pytest.raises(ModelError, match=problem):
        CudaOrientedDecoder(device, ANCHORS, [shape], [dtype])


def test_misuse_is_refused(device):
    case = Case(ANCHORS)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, (1, 20, 100), np.float32)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'float32 \(1, 20, 100\); expected float32'):
            on_device.decoder.enqueue([other], on_device.stream)
        other.close()
    on_device.close()
