"""The kernels of detectors that are no YOLO against NumPy, run by the emulator."""

from dataclasses import replace

import box_cases
import numpy as np
import pytest
from box_cases import (
    DETR,
    NETWORK_WH,
    RT_DETR,
    RT_DETR_SCORES,
    STRIDES_OF_PICODET,
    SUPPRESSED,
    TENSORFLOW,
    YOLO_NAS,
    YOLOX,
    Case,
    OnDevice,
    assert_same,
    check,
    expected,
    outputs_of,
)
from emulated_gpu import register_kernels
from outcomes import outcome

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.cuda.boxes import CudaBoxDecoder
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.preprocess import upload
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.cells import cell_count
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.detectors.box_layout import Columns, JoinedColumns
from jetson_perception.tasks.detectors.decoding import decode_boxes


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'boxes')
    return standin


@pytest.mark.parametrize('case', [*box_cases.cases(), *box_cases.NETWORKS])
def test_equals_the_twin(device, case):
    check(device, case)


@pytest.mark.parametrize('layout', [DETR, RT_DETR, YOLO_NAS, YOLOX, SUPPRESSED])
def test_the_cases_find(layout):
    found = expected(Case(layout))
    assert len(found) > 3
    assert len(set(found.score.tolist())) > 3


@pytest.mark.parametrize('threshold', [0.1, 0.25, 0.3, 0.7001, 1.0])
@pytest.mark.parametrize('layout', [RT_DETR_SCORES, SUPPRESSED])
@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_scores_around_the_threshold(device, layout, threshold, dtype):
    case = Case(layout, 20, 0, dtype=dtype, options=DetectionOptions(threshold, 1))
    outputs = outputs_of(case)
    near = np.full(4, threshold, np.float64).astype(dtype)
    near[1], near[2] = np.nextafter(near[0], dtype([0, 2]))
    near[3] = np.nextafter(near[1], dtype(0))
    (outputs[1][0, :4] if layout is SUPPRESSED else outputs[1][0, :4, 3])[:] = near
    assert_same(*_both(device, case, outputs), layout)


@pytest.mark.parametrize(
    ('scores', 'found'),
    [
        pytest.param([np.inf, 0, 0, 0], 'refused', id='infinite'),
        pytest.param([-np.inf, 0, 0, 0], 3, id='a_class_that_cannot_be'),
        pytest.param([-np.inf] * 4, 'refused', id='no_class_can_be'),
        pytest.param([0, 0, 0, np.nan], 'refused', id='nan_of_no_object'),
        pytest.param([200, -200, 0, -200], 3, id='sure'),
        pytest.param([1, 1, 1, 1], 3, id='undecided'),
    ],
)
def test_softmax_of_extremes(device, scores, found):
    layout = replace(DETR, class_count=3)
    case = Case(layout, 3, 0, options=DetectionOptions(0.2))
    outputs = outputs_of(case)
    outputs[1][:] = 1
    outputs[1][0, 0] = scores
    try:
        twin, refused = outcome(decode_boxes, outputs, layout, case.transform, case.options)
        on_device = OnDevice(device, case)
        with device.pushed():
            on_device.set(outputs)
            ours, told = outcome(on_device.decoded, case)
    finally:
        on_device.close()
    assert told == refused
    assert bool(refused) == (found == 'refused')
    if not refused:
        assert_same(ours, twin, layout)
        assert len(ours) == found


@pytest.mark.parametrize(
    'value', [-0.5, -1, 80, 1e9, 3e9, -3e9, np.nan, np.inf], ids=lambda value: f'{value:g}'
)
def test_classes_that_there_are_not(device, value):
    case = Case(SUPPRESSED, 8, 8, ids_dtype=np.float32)
    outputs = outputs_of(case)
    outputs[2][0, 0] = value
    _compare(device, case, outputs)


@pytest.mark.parametrize('count', [-1, 0, 1, 5, 8, 9, 2**40])
@pytest.mark.parametrize('dtype', [np.int64, np.float32])
def test_counts_of_rows(device, count, dtype):
    case = Case(SUPPRESSED, 8, 8)
    outputs = outputs_of(case)
    outputs[3] = np.array([count], dtype)
    outputs[1][0, 5] = np.nan  # refused only where it is used
    _compare(device, case, outputs)


@pytest.mark.parametrize('far', [0.0, 1.5, 1.6, 300.0])
def test_boxes_tell_whether_they_are_fractions(device, far):
    case = Case(TENSORFLOW, 8, 8)
    outputs = outputs_of(case)
    if far == 0:
        outputs[0][:] = 0
    outputs[0][0, 0, 3] = far
    _compare(device, case, outputs)


def _compare(device, case, outputs):
    """Fail unless kernels and twin agree about other outputs than the case's."""
    shapes, dtypes = [x.shape for x in outputs], [x.dtype for x in outputs]
    decoder = CudaBoxDecoder(device, case.layout, case.network_wh, shapes, dtypes)
    stream = device.new_stream()
    buffers = [DeviceBuffer(device, x.shape, x.dtype) for x in outputs]
    with device.pushed():
        for buffer, output in zip(buffers, outputs, strict=True):
            upload(output, buffer)
        decoder.prepare(case.transform, case.options)
        decoder.enqueue(buffers, stream)
        stream.synchronize()
        ours, told = outcome(decoder.collect)
    for each in (*buffers, stream, decoder):
        each.close()
    twin, refused = outcome(decode_boxes, outputs, case.layout, case.transform, case.options)
    assert told == refused
    if not refused:
        assert_same(ours, twin, case.layout)


def _both(device, case, outputs):
    """What kernel and twin make of other outputs than the case's."""
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(outputs)
        found = on_device.decoded(case)
    on_device.close()
    return found, decode_boxes(outputs, case.layout, case.transform, case.options)


@pytest.mark.parametrize('layout', [RT_DETR, DETR, YOLO_NAS])
def test_one_decoder_takes_frame_after_frame(device, layout):
    options = [
        DetectionOptions(),
        DetectionOptions(0.1, 0.4, 5),
        DetectionOptions(class_ids=(0, 1, 2), class_score_thresholds=((900, 0.5),)),
        DetectionOptions(0, max_detections=2000),
    ]
    case = Case(layout)
    on_device = OnDevice(device, case)
    with device.pushed():
        for seed, found in enumerate((40, 0, 300, 3, 60, 1)):
            case = replace(case, seed=seed, found=found, options=options[seed % 4])
            on_device.set(outputs_of(case))
            assert_same(on_device.decoded(case, seed % 2), expected(case), layout)
    on_device.close()


def test_a_refused_frame_is_forgotten(device):
    case = Case(RT_DETR)
    on_device = OnDevice(device, case)
    outputs = outputs_of(case)
    outputs[1][0, 3, 7] = np.nan
    with device.pushed():
        on_device.set(outputs)
        with pytest.raises(ModelError, match='scores for 1 of 24000 values'):
            on_device.decoded(case)
        on_device.set(outputs_of(case))
        assert_same(on_device.decoded(case), expected(case), RT_DETR)
    on_device.close()


@pytest.mark.parametrize('layout', [RT_DETR, STRIDES_OF_PICODET], ids=['one_output', 'joined'])
def test_a_graph_repeats_the_work_with_what_the_next_frame_brings(device, layout):
    case = Case(layout)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert decoder.prepare(case.transform, case.options)
        decoder.enqueue(on_device.outputs, stream)
        stream.synchronize()
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, options in enumerate([DetectionOptions(0.6), DetectionOptions(class_ids=(4,))]):
            case = replace(case, seed=seed, options=options, transform=box_cases.LETTERBOX)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, options)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case), layout)
        assert decoder.prepare(case.transform, DetectionOptions(max_detections=7))
        graph.close()
    on_device.close()


def _by_stride(columns=(80, 80, 80), more=0):
    rows = [cell_count(NETWORK_WH, (each,)) for each in STRIDES_OF_PICODET.grid]
    rows[-1] += more
    return [(1, *each) for each in zip(rows, columns, strict=True)] + [(1, n, 32) for n in rows]


@pytest.mark.parametrize(
    ('layout', 'shapes', 'dtypes', 'problem'),
    [
        pytest.param(
            *(RT_DETR, [(2, 300, 4), (2, 300, 80)], ['f4', 'f4']), 'outputs of one image', id='two'
        ),
        pytest.param(
            *(RT_DETR, [(1, 0, 4), (1, 0, 80)], ['f4', 'f4']), 'fixed number of rows', id='none'
        ),
        pytest.param(
            *(RT_DETR, [(1, 300, 4), (1, 200, 80)], ['f4', 'f4']), 'expected; load', id='rows'
        ),
        pytest.param(
            *(RT_DETR, [(1, 300, 4), (1, 300, 80)], ['f4', 'f8']),
            'float64; the GPU decodes float16 and float32',
            id='scores',
        ),
        pytest.param(
            *(SUPPRESSED, [(1, 9, 4), (1, 9), (1, 9), (1,)], ['f4', 'f4', 'u1', 'i4']),
            'uint8; the GPU decodes float32, float16, int32, int64',
            id='classes',
        ),
        pytest.param(YOLOX, [(1, 300, 4)], ['f4'], 'without the columns', id='columns'),
        pytest.param(YOLOX, [(1, 300, 85)], ['f4'], 'expected; load', id='cells'),
        pytest.param(
            *(STRIDES_OF_PICODET, _by_stride(), ['f4', 'f4', 'f2', 'f4', 'f4', 'f4']),
            'where all have one type',
            id='types_of_strides',
        ),
        pytest.param(
            *(STRIDES_OF_PICODET, _by_stride(columns=(80, 80, 79)), ['f4'] * 6),
            'as many columns are expected in each',
            id='columns_of_strides',
        ),
        pytest.param(
            *(STRIDES_OF_PICODET, _by_stride(more=1), ['f4'] * 6),
            'expected; load',
            id='cells_of_strides',
        ),
        pytest.param(
            replace(
                STRIDES_OF_PICODET,
                scores=JoinedColumns(tuple(Columns(each, transposed=True) for each in range(3))),
            ),
            _by_stride(),
            ['f4'] * 6,
            'and their columns last',
            id='transposed_strides',
        ),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, layout, shapes, dtypes, problem):
    with pytest.raises(ModelError, match=problem):
        CudaBoxDecoder(device, layout, NETWORK_WH, shapes, dtypes)


def test_misuse_is_refused(device):
    case = Case(RT_DETR)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, (1, 300, 100), np.float32)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'float32 \(1, 300, 100\); expected float32'):
            on_device.decoder.enqueue([on_device.outputs[0], other], on_device.stream)
        other.close()
    on_device.close()
