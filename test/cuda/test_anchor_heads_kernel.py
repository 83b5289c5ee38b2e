"""The kernels of raw heads against NumPy, run by the emulator."""

from dataclasses import replace

import head_cases
import numpy as np
import pytest
from emulated_gpu import register_kernels
from head_cases import LETTERBOX, THREE, Case, OnDevice, assert_same, check, expected, outputs_of

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.anchor_heads import CudaHeadDecoder
from jetson_perception.cuda.graphs import capture
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.anchor_heads import HeadLayout
from jetson_perception.tasks.detection_options import DetectionOptions

SHAPES = [(1, 3, 12, 20, 9), (1, 3, 6, 10, 9), (1, 3, 3, 5, 9)]


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'anchor_heads')
    return standin


@pytest.mark.parametrize('case', [*head_cases.cases()])
def test_equals_the_twin(device, case):
    check(device, case)


def test_at_the_size_of_a_network(device):
    (case,) = head_cases.NETWORKS[1].values
    check(device, replace(case, network_wh=(320, 192), transform=LETTERBOX))


def test_the_cases_find_and_suppress():
    found = expected(Case(THREE))
    every = expected(Case(THREE, options=DetectionOptions(iou_threshold=1)))
    assert 3 < len(found) == len(every)  # far apart, but in crowds
    assert len(set(found.score.tolist())) > 3
    crowd = Case(THREE, 60, options=DetectionOptions(iou_threshold=0))
    assert len(expected(crowd)) < 60


@pytest.mark.parametrize(
    ('place', 'refused'),
    [
        pytest.param([(1, 4)], 'scores for 1 of 180 anchors', id='objectness'),
        pytest.param([(1, 7)], 'boxes for 1 of 9 values', id='class'),
        pytest.param([(1, 0), (1, 2)], 'boxes for 2 of 9 values', id='box'),
        pytest.param([(1, 0), (2, 4)], 'boxes for 1 of 9 values', id='the_first_level_counts'),
        pytest.param([(2, 0), (1, 4)], 'scores for 1 of 180 anchors', id='before_a_later_one'),
    ],
)
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(device, place, refused, value):
    case = Case(THREE, found=1)
    on_device = OnDevice(device, case)
    given = outputs_of(case)
    for level, of_row in place:
        rows = given[level].reshape(-1, given[level].shape[-1])
        rows[rows[:, 4].argmax(), of_row] = value
    with device.pushed():
        on_device.set(given)
        with pytest.raises(ModelError, match=refused):
            on_device.decoded(case)
        with pytest.raises(ModelError, match=refused), np.errstate(all='ignore'):
            head_cases.decode_heads(given, THREE, case.transform, case.options)
        on_device.set(outputs_of(case))  # and the frame is forgotten
        assert_same(on_device.decoded(case), expected(case), THREE)
    on_device.close()


def test_one_decoder_takes_frame_after_frame_in_a_graph(device):
    case = Case(THREE)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert_same(on_device.decoded(case), expected(case), THREE)
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, found in enumerate((30, 0, 100)):
            wanted = DetectionOptions(0.3 * seed, class_ids=(0, 1) if seed else None)
            case = replace(case, seed=seed, found=found, options=wanted, transform=LETTERBOX)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, wanted)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case), THREE)
        assert decoder.prepare(case.transform, DetectionOptions(max_detections=7))
        graph.close()
    on_device.close()


@pytest.mark.parametrize(
    ('shapes', 'dtypes', 'problem'),
    [
        pytest.param([*SHAPES[:2], (2, 3, 3, 5, 9)], ['f4'] * 3, r'\(2, 3, 3, 5, 9\)', id='batch'),
        pytest.param([*SHAPES[:2], (1, 3, 3, 5, 8)], ['f4'] * 3, 'width, 9', id='classes'),
        pytest.param([*SHAPES[:2], (1, 3, 0, 5, 9)], ['f4'] * 3, 'load the model', id='none'),
        pytest.param([*SHAPES[:2], (1, 2, 3, 5, 9)], ['f4'] * 3, r'not \(1, 3', id='anchors'),
        pytest.param(SHAPES, ['f4', 'f8', 'f4'], 'float64; the GPU decodes', id='type'),
        pytest.param(SHAPES, ['f4', 'f2', 'f4'], 'output 1 is float16, but output 0', id='types'),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, shapes, dtypes, problem):
    with pytest.raises(ModelError, match=problem):
        CudaHeadDecoder(device, THREE, shapes, dtypes)


@pytest.mark.parametrize('size', [1e38, 1e300, np.inf, np.nan])
def test_anchors_of_infinite_boxes_are_refused(device, size):
    anchors = (*THREE.anchors[:2], ((1, 1), (2, 2), (3, size)))
    with pytest.raises(ModelError, match='the GPU decodes smaller ones'):
        CudaHeadDecoder(device, HeadLayout(4, (0, 1, 2), anchors), SHAPES, ['f4'] * 3)


def test_misuse_is_refused(device):
    case = Case(THREE)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, SHAPES[2], np.float16)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'output 2 is float16 .*; expected float32'):
            on_device.decoder.enqueue([*on_device.outputs[:2], other], on_device.stream)
        other.close()
    on_device.close()
