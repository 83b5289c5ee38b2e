"""The YOLO kernels against NumPy, run by the emulator: equal to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import standin_pycuda
import yolo_cases
from emulated_gpu import register_kernels
from yolo_cases import (
    DETECT,
    DETECT_LAST,
    END_TO_END,
    OBJECTNESS,
    POSE,
    POSE_END_TO_END,
    Case,
    OnDevice,
    assert_same,
    check,
    expected,
    outputs_of,
)

from jetson_perception.cuda import CudaDevice, DeviceBuffer
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.yolo import CudaDecoder
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.tasks.detection_options import MAX_CANDIDATES, DetectionOptions


@pytest.fixture
def standin(standin):
    register_kernels(standin, 'yolo')
    register_kernels(standin, 'instance_masks')
    return standin


@pytest.mark.parametrize('case', [*yolo_cases.cases(), *yolo_cases.NETWORKS])
def test_equals_the_twin(device, case):
    check(device, case)


@pytest.mark.parametrize(
    ('layout', 'dtype'),
    [
        (DETECT, np.float16),
        (DETECT_LAST, np.float32),
        (OBJECTNESS, np.float32),
        (yolo_cases.OBJECTNESS_FIRST, np.float16),
        (POSE, np.float32),
        (yolo_cases.FLAT_POSE, np.float16),
        (POSE_END_TO_END, np.float16),
    ],
)
def test_refuses_what_the_twin_refuses(device, layout, dtype):
    yolo_cases.check_garbage(device, Case(layout, 65, 40, dtype=dtype))


def test_the_cases_find_and_suppress():
    for case in (DETECT, OBJECTNESS, POSE, END_TO_END):
        found = expected(Case(case))
        assert 3 < len(found) <= 60
        assert len(set(found.score.tolist())) > 3
    assert len(expected(Case(DETECT))) < 60


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('threshold', [0.1, 0.25, 0.3, 0.7001, 1.0])
@pytest.mark.parametrize('layout', [DETECT, OBJECTNESS, END_TO_END])
def test_scores_around_the_threshold(device, layout, threshold, dtype):
    case = Case(layout, 20, 0, dtype=dtype, options=DetectionOptions(threshold, 1))
    outputs = outputs_of(case)
    near = np.full(4, threshold, np.float64).astype(dtype)
    near[1], near[2] = np.nextafter(near[0], dtype([0, 2]))
    near[3] = np.nextafter(near[1], dtype(0))
    rows = outputs[0][0] if layout.channels_last else outputs[0][0].T
    column = {'anchor_free': 4 + 3, 'objectness': 4, 'end_to_end': 4}[layout.family]
    rows[:4, column] = near
    if layout.family == 'objectness':
        rows[:4, 5 + 3] = 1
    assert_same(*_both(device, case, outputs))


@pytest.mark.parametrize('layout', [OBJECTNESS, replace(OBJECTNESS, channels_last=False)])
@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_a_class_score_above_1_does_not_save_a_box_of_little_objectness(device, layout, dtype):
    case = Case(layout, 20, 0, dtype=dtype)
    outputs = outputs_of(case)
    rows = outputs[0][0] if layout.channels_last else outputs[0][0].T
    rows[:3, 4] = 0.2, 0.25, np.nextafter(dtype(0.25), dtype(0))
    rows[:3, 5 + 3] = 2
    found, twins = _both(device, case, outputs)
    assert_same(found, twins)
    assert 1 <= len(found) <= 2


def _both(device, case, outputs):
    """What kernel and twin make of other outputs than the case's."""
    on_device = OnDevice(device, case)
    with device.pushed():
        on_device.set(outputs)
        found = on_device.decoded(case)
    on_device.close()
    return found, yolo_cases.decode(outputs, case.layout, case.transform, case.options)


@pytest.mark.parametrize('layout', [DETECT, OBJECTNESS, POSE_END_TO_END])
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
        for seed, found in enumerate((60, 0, 700, 3, 60, 1)):
            case = replace(case, seed=seed, found=found, options=options[seed % 4])
            on_device.set(outputs_of(case))
            assert_same(on_device.decoded(case, seed % 2), expected(case))
    on_device.close()


@pytest.mark.parametrize('integrated', [False, True])
def test_two_frames_under_way_do_not_mix(monkeypatch, integrated):
    standin = standin_pycuda.install(monkeypatch, integrated=integrated)
    register_kernels(standin, 'yolo')
    register_kernels(standin, 'instance_masks')
    device = CudaDevice.get()
    first, second = Case(POSE, seed=1), Case(POSE, seed=2, found=20, options=DetectionOptions(0.5))
    on_device = OnDevice(device, first)
    with device.pushed():
        decoder, stream = on_device.decoder, on_device.stream
        decoder.prepare(first.transform, first.options, 0)
        decoder.enqueue(on_device.outputs, stream, 0)
        for staging, buffer, output in zip(
            on_device.staging, on_device.outputs, outputs_of(second), strict=True
        ):
            staging.array[:] = output
            buffer.copy_from_host(staging, stream)
        decoder.prepare(second.transform, second.options, 1)
        decoder.enqueue(on_device.outputs, stream, 1)
        stream.synchronize()
        found = [decoder.collect(0), decoder.collect(1)]
    on_device.close()
    device.close()
    standin.check()
    assert_same(found[0], expected(first))
    assert_same(found[1], expected(second))


def test_a_graph_repeats_the_work_with_what_the_next_frame_brings(standin, device):
    case = Case(POSE)
    on_device = OnDevice(device, case)
    decoder, stream = on_device.decoder, on_device.stream
    with device.pushed():
        assert decoder.prepare(case.transform, case.options)
        decoder.enqueue(on_device.outputs, stream)
        stream.synchronize()
        graph = capture(stream, lambda: decoder.enqueue(on_device.outputs, stream))
        for seed, options in enumerate([
            DetectionOptions(0.6),
            DetectionOptions(iou_threshold=0.3, class_agnostic=True),
            DetectionOptions(class_ids=(4, 5)),
            DetectionOptions(class_score_thresholds=((0, 0.4),)),
        ]):  # fmt: skip
            case = replace(case, seed=seed, options=options, transform=yolo_cases.UPRIGHT)
            on_device.set(outputs_of(case))
            assert not decoder.prepare(case.transform, options)
            graph.launch(stream)
            stream.synchronize()
            assert_same(decoder.collect(), expected(case))
        assert decoder.prepare(case.transform, DetectionOptions(max_detections=7))
        assert decoder.prepare(case.transform, DetectionOptions(class_ids=(5000,)))
        assert not decoder.prepare(case.transform, DetectionOptions(class_ids=(4999,)))
        graph.close()
    on_device.close()


def test_results_are_not_overwritten_by_the_next_frame(device):
    case = Case(POSE)
    on_device = OnDevice(device, case)
    with device.pushed():
        found = on_device.decoded(case)
        on_device.set(outputs_of(replace(case, seed=1)))
        on_device.decoded(replace(case, seed=1))
    on_device.close()
    assert_same(found, expected(case))


def test_more_end_to_end_rows_than_are_sorted_give_the_best(device):
    case = Case(END_TO_END, 3000, 2500, options=DetectionOptions(max_detections=5000))
    best = replace(case, options=DetectionOptions(max_detections=MAX_CANDIDATES))
    assert len(expected(best)) < len(expected(case))
    assert_same(yolo_cases.OnDevice.computed(device, case), expected(best))


@pytest.mark.parametrize(
    ('layout', 'shapes', 'dtypes', 'problem'),
    [
        pytest.param(DETECT, [(1, 85, 8400)], ['f4'], r'\(1, 85, 8400\).* 84 values', id='values'),
        pytest.param(DETECT, [(2, 84, 8400)], ['f4'], r'\(2, 84, 8400\)', id='batch'),
        pytest.param(DETECT_LAST, [(1, 84, 8400)], ['f4'], '84 values', id='transposed'),
        pytest.param(
            DETECT,
            [(1, 84, 8400)],
            ['f8'],
            'float64; the GPU decodes float16 and float32',
            id='type',
        ),
        pytest.param(DETECT, [(1, 84, 0)], ['f4'], r'\(1, 84, 0\)', id='no_anchors'),
        pytest.param(END_TO_END, [(1, 0, 6)], ['f4'], r'\(1, 0, 6\)', id='no_rows'),
        pytest.param(DETECT, [(84, 8400)], ['f4'], r'\(84, 8400\)', id='dimensions'),
    ],
)
def test_outputs_that_cannot_be_decoded_are_refused(device, layout, shapes, dtypes, problem):
    with pytest.raises(ModelError, match=problem):
        CudaDecoder(device, layout, shapes, dtypes)


def test_misuse_is_refused(device):
    case = Case(DETECT)
    on_device = OnDevice(device, case)
    with device.pushed():
        with pytest.raises(CudaError, match='block 1 was enqueued before'):
            on_device.decoder.enqueue(on_device.outputs, on_device.stream, 1)
        other = DeviceBuffer(device, (1, 84, 100), np.float32)
        on_device.decoder.prepare(case.transform, case.options)
        with pytest.raises(CudaError, match=r'float32 \(1, 84, 100\); expected float32'):
            on_device.decoder.enqueue([other], on_device.stream)
        other.close()
    on_device.decoder.close()
    on_device.close()


@pytest.mark.parametrize('layout', [yolo_cases.ONE_CLASS, OBJECTNESS, END_TO_END])
def test_scores_of_minus_zero_are_zeros(device, layout):
    case = Case(layout, 5, 0, options=DetectionOptions(0))
    outputs = outputs_of(case)
    rows = outputs[0][0] if layout.channels_last else outputs[0][0].T
    rows[:, :4] = np.arange(5)[:, None] * 60 + [200, 200, 250, 250]
    rows[:, 4:] = [[-0.0], [0.5], [0.0], [-0.0], [0.25]]
    if layout is OBJECTNESS:
        rows[:, 5:] = 1
    if layout is END_TO_END:
        rows[:, 5] = 1
    found, twins = _both(device, case, outputs)
    assert_same(found, twins)
    assert len(found) == 5
