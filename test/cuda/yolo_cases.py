"""Outputs of YOLO networks, and the comparison with NumPy; for the emulator and for GPUs."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice
from outcomes import outcome

from jetson_perception.cuda.yolo import CudaDecoder
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import ImageTransform, fit
from jetson_perception.tasks.yolo import YoloLayout, decode

LETTERBOX = fit((1280, 720), (640, 640))
UPRIGHT = fit((333, 517), (640, 640))
STRETCHED = fit((641, 479), (320, 640), 'stretch')

DETECT = YoloLayout('anchor_free', 80, None, False)
DETECT_LAST = replace(DETECT, channels_last=True)
OBJECTNESS = YoloLayout('objectness', 80, None, True)
OBJECTNESS_FIRST = replace(OBJECTNESS, channels_last=False)
POSE = YoloLayout('anchor_free', 1, (17, 3), False)
FLAT_POSE = YoloLayout('anchor_free', 3, (5, 2), True)
END_TO_END = YoloLayout('end_to_end', 80, None, True)
END_TO_END_FIRST = replace(END_TO_END, channels_last=False)
UNKNOWN_CLASSES = replace(END_TO_END, class_count=0)
POSE_END_TO_END = YoloLayout('end_to_end', 1, (17, 3), True)
SECOND_OUTPUT = YoloLayout('anchor_free', 7, None, False, output=1)
ONE_CLASS = YoloLayout('anchor_free', 1, None, False)

SEGMENT = YoloLayout('anchor_free', 80, None, False, 0, 32, 1)
SEGMENT_OBJECTNESS = YoloLayout('objectness', 3, None, True, 1, 8, 0)
SEGMENT_END_TO_END = YoloLayout('end_to_end', 80, None, True, 0, 32, 1)
SEGMENT_ONE_PROTOTYPE = YoloLayout('anchor_free', 2, None, True, 0, 1, 1)

FEW_ANCHORS = 700

#: The share of an image's pixels that may belong to another object than in the twin, because their
#: logit is almost 0: NumPy adds products in its own order, fused or not.
DIFFERING_SHARE = 0.001


@dataclass(frozen=True)
class Case:
    """One output, and how it is decoded.

    Attributes
    ----------
    found : int
        Anchors that score above 0.3; all others less than 0.2.
    objects : int
        Places where these lie, close to each other.
    steps : int
        Scores are multiples of 1 / steps, so that many are equal.
    spoilt : int
        So many values that are no numbers, infinite, or huge, among the found anchors' values.
    grid : int
        Corners are multiples of this, so that overlaps are exactly the threshold.
    """

    layout: YoloLayout
    anchors: int = FEW_ANCHORS
    found: int = 60
    objects: int = 8
    steps: int = 1000
    spoilt: int = 0
    grid: int = 0
    dtype: type = np.float32
    prototypes_dtype: type | None = None  # as dtype
    transform: ImageTransform = LETTERBOX
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """All outputs of the network."""
    random = np.random.default_rng([case.seed, case.anchors, case.found, case.layout.value_count])
    layout, n = case.layout, case.anchors
    values = np.empty((n, layout.value_count), np.float64)
    chosen = random.permutation(n)[: case.found]
    centers = random.uniform(0, 640, (max(case.objects, 1), 2))
    sizes = random.uniform(20, 200, (max(case.objects, 1), 2))
    own = random.integers(0, max(case.objects, 1), n)
    center = centers[own] + random.normal(0, 8, (n, 2))
    size = sizes[own] * random.uniform(0.7, 1.4, (n, 2))
    score = random.uniform(0.01, 0.19, n)
    score[chosen] = random.uniform(0.31, 1, case.found)
    score = np.round(score * case.steps) / case.steps
    if case.grid:
        center = np.round(center / case.grid) * case.grid
        size = np.maximum(np.round(size / case.grid / 2), 1) * case.grid * 2
    first = {'anchor_free': 4, 'objectness': 5, 'end_to_end': 6}[layout.family]
    if layout.family == 'end_to_end':
        values[:, :2], values[:, 2:4] = center - size / 2, center + size / 2
        values[:, 4] = score
        values[:, 5] = random.integers(0, layout.class_count or 100, n)
    else:
        values[:, :2], values[:, 2:4] = center, size
        classes = layout.class_count
        values[:, first : first + classes] = random.uniform(0, 0.02, (n, classes))
        best = first + random.integers(0, classes, max(case.objects, 1))[own]
        if layout.family == 'objectness':
            values[:, 4] = np.round(np.sqrt(score) * case.steps) / case.steps
            score = np.sqrt(score)
        values[np.arange(n), best] = score
        if classes > 2:  # a second class as good: the lower one counts
            twice = chosen[::5]
            values[twice, first + (best[twice] - first + 3) % classes] = score[twice]
        first += classes
    values[:, first:] = random.uniform(-50, 700, (n, layout.value_count - first))
    if layout.coefficient_count:
        values[:, first:] = random.normal(0, 1, (n, layout.coefficient_count))
    values = values.astype(case.dtype)
    ugly = [np.nan, -np.nan, np.inf, -np.inf, -1, 1e30, -1e30, 3e38, -3e38, 0]
    if case.dtype == np.float32:
        ugly.append(-0.0)
    with np.errstate(over='ignore'):
        ugly = np.array(ugly).astype(case.dtype)
    for row, column, value in zip(
        random.choice(chosen, case.spoilt) if case.spoilt else (),
        random.integers(0, layout.value_count, case.spoilt),
        random.choice(ugly, case.spoilt),
        strict=True,
    ):
        values[row, column] = value
    tensor = values if layout.channels_last else values.T
    count = max(layout.output, layout.prototypes) + 1
    outputs = [np.zeros((1, 3), np.int64) for _ in range(count)]
    outputs[layout.output] = np.ascontiguousarray(tensor)[None]
    if layout.coefficient_count:
        outputs[layout.prototypes] = prototypes_of(case, random)
    return outputs


def prototypes_of(case, random):
    """Waves of all directions and lengths; the first is the same everywhere."""
    width, height = (side // 4 for side in case.transform.network_wh)
    x, y = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    waves = random.uniform(-12, 12, (case.layout.coefficient_count, 3))
    waves[0] = 0
    planes = np.cos(waves[:, 0, None, None] * x + waves[:, 1, None, None] * y + waves[:, 2:, None])
    return planes[None].astype(case.prototypes_dtype or case.dtype)


def cases():
    """Every layout, every option, and what is hard."""
    layouts = {
        'detect': DETECT,
        'detect_last': DETECT_LAST,
        'objectness': OBJECTNESS,
        'objectness_first': OBJECTNESS_FIRST,
        'pose': POSE,
        'flat_pose': FLAT_POSE,
        'end_to_end': END_TO_END,
        'end_to_end_first': END_TO_END_FIRST,
        'unknown_classes': UNKNOWN_CLASSES,
        'pose_end_to_end': POSE_END_TO_END,
        'second_output': SECOND_OUTPUT,
        'one_class': ONE_CLASS,
    }
    options = {
        'agnostic': DetectionOptions(class_agnostic=True),
        'one_detection': DetectionOptions(max_detections=1),
        'more_than_there_are': DetectionOptions(max_detections=5000),
        'iou_0': DetectionOptions(iou_threshold=0),
        'iou_1': DetectionOptions(iou_threshold=1),
        'low_threshold': DetectionOptions(0.05),
        'threshold_0': DetectionOptions(0),
        'threshold_1': DetectionOptions(1),
        'some_classes': DetectionOptions(class_ids=tuple(range(0, 80, 3))),
        'no_classes': DetectionOptions(class_ids=()),
        'class_thresholds': DetectionOptions(
            0.4, class_score_thresholds=((0, 0.05), (2, 0.9), (79, 0.5))
        ),
        'both': DetectionOptions(
            class_ids=(0, 1, 2, 40, 79), class_score_thresholds=((1, 0.1), (3, 0.0), (40, 0.6))
        ),
        'class_ids_beyond': DetectionOptions(class_ids=(1, 5000)),
    }
    for name, layout in layouts.items():
        for dtype in (np.float32, np.float16):
            case = Case(layout, dtype=dtype)
            kind = f'{name}-{dtype.__name__}'
            yield pytest.param(case, id=kind)
            yield pytest.param(replace(case, found=0), id=f'{kind}-nothing')
            yield pytest.param(replace(case, steps=8, objects=40), id=f'{kind}-equal_scores')
            yield pytest.param(replace(case, spoilt=200), id=f'{kind}-spoilt')
            yield pytest.param(
                replace(case, spoilt=3000, found=FEW_ANCHORS, options=DetectionOptions(0)),
                id=f'{kind}-garbage',
            )
            yield pytest.param(replace(case, anchors=1, found=1), id=f'{kind}-one_anchor')
            yield pytest.param(replace(case, anchors=65, found=65), id=f'{kind}-all_anchors')
    for name in ('detect', 'objectness', 'unknown_classes', 'pose_end_to_end'):
        for what, wanted in options.items():
            yield pytest.param(
                Case(layouts[name], found=200, objects=30, options=wanted), id=f'{name}-{what}'
            )
    for name in ('detect', 'objectness', 'pose_end_to_end'):
        for what, transform in (('upright', UPRIGHT), ('stretched', STRETCHED)):
            yield pytest.param(
                Case(layouts[name], transform=transform, found=200, objects=50),
                id=f'{name}-{what}',
            )
    for name in ('detect', 'one_class', 'objectness'):
        for iou_threshold in (0.25, 1 / 3, 0.5, 0.7, 0.75):
            case = Case(layouts[name], found=300, objects=60, steps=20, grid=32)
            options = DetectionOptions(0.5, iou_threshold)
            yield pytest.param(
                replace(case, options=options), id=f'{name}-exact_overlap_{iou_threshold:.2f}'
            )
    # Around the most that enter the suppression, and with words of overlaps begun and full.
    for found in (1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 999, 1000, 1001, 1024, 1025, 2400):
        for steps in (4, 100000):
            case = Case(
                ONE_CLASS,
                anchors=2500,
                found=found,
                objects=500,
                steps=steps,
                options=DetectionOptions(max_detections=1000),
            )
            yield pytest.param(case, id=f'found_{found}-steps_{steps}')
    for found in (512, 513, 999, 1000):
        case = Case(
            END_TO_END, anchors=1000, found=found, options=DetectionOptions(max_detections=1000)
        )
        yield pytest.param(case, id=f'end_to_end-found_{found}')


def mask_cases():
    """Instance masks of every layout, image size and number of objects."""
    layouts = {
        'segment': SEGMENT,
        'objectness': SEGMENT_OBJECTNESS,
        'end_to_end': SEGMENT_END_TO_END,
        'one_prototype': SEGMENT_ONE_PROTOTYPE,
    }
    for name, layout in layouts.items():
        for dtype in (np.float32, np.float16):
            case = Case(layout, dtype=dtype, transform=UPRIGHT)
            yield pytest.param(case, id=f'{name}-{dtype.__name__}')
            yield pytest.param(replace(case, found=0), id=f'{name}-{dtype.__name__}-nothing')
            spoilt = replace(case, spoilt=300, found=200)
            yield pytest.param(spoilt, id=f'{name}-{dtype.__name__}-spoilt')
    mixed = Case(SEGMENT, dtype=np.float16, prototypes_dtype=np.float32)
    yield pytest.param(mixed, id='two_types')
    for source_wh in ((1, 1), (3, 200), (31, 17), (33, 15), (160, 160), (97, 640)):
        for resize in ('letterbox', 'stretch', 'letterbox_top_left'):
            for network_wh in ((640, 640), (96, 64)):
                transform = fit(source_wh, network_wh, resize)
                name = f'{source_wh[0]}x{source_wh[1]}-{resize}-{network_wh[0]}x{network_wh[1]}'
                yield pytest.param(Case(SEGMENT, transform=transform), id=name)
    yield pytest.param(Case(SEGMENT, transform=fit((1281, 723), (640, 640))), id='1281x723')
    for found in (300, 1000):
        options = DetectionOptions(iou_threshold=1, max_detections=1000)
        case = Case(SEGMENT, 1100, found, 300, transform=fit((320, 240), (640, 640)))
        yield pytest.param(replace(case, options=options), id=f'{found}_objects')


NETWORKS = [
    pytest.param(Case(DETECT, 8400, 100), id='detect'),
    pytest.param(Case(DETECT, 8400, 100, dtype=np.float16), id='detect-float16'),
    pytest.param(Case(POSE, 8400, 60), id='pose'),
    pytest.param(Case(POSE, 8400, 60, dtype=np.float16), id='pose-float16'),
    pytest.param(Case(DETECT, 8400, 8400, 300, options=DetectionOptions(0)), id='all_anchors'),
    pytest.param(Case(OBJECTNESS, 25200, 150), id='objectness'),
    pytest.param(
        Case(OBJECTNESS, 25200, 25200, 900, steps=5, options=DetectionOptions(0)),
        id='objectness-all_anchors',
    ),
    pytest.param(Case(END_TO_END, 300, 40), id='end_to_end'),
    pytest.param(Case(SEGMENT, 8400, 100), id='segment'),
    pytest.param(Case(SEGMENT, 8400, 100, dtype=np.float16), id='segment-float16'),
]
"""Outputs of the sizes that networks have."""


class OnDevice(DecoderOnDevice):
    """A decoder with its outputs on the device, and a stream."""

    def __init__(self, device, case):
        make_decoder = partial(CudaDecoder, device, case.layout)
        super().__init__(device, outputs_of(case), make_decoder)


def check(device, case):
    """Fail unless kernels and twin agree to the last bit, or refuse what is not finite alike."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results)


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='ignore'):
        return decode(outputs_of(case), case.layout, case.transform, case.options)


def assert_same(found, twin):
    """Fail unless two results are equal, types included."""
    for name in ('score', 'class_id', 'xyxy', 'keypoints', 'instance_ids'):
        ours, twins = getattr(found, name), getattr(twin, name)
        if twins is None:
            assert ours is None, name
            continue
        assert ours.dtype == twins.dtype, name
        if name == 'instance_ids':
            assert ours.shape == twins.shape
            assert (ours != twins).mean() <= DIFFERING_SHARE
            continue
        np.testing.assert_array_equal(ours, twins, err_msg=name)


def check_garbage(device, case):
    """Fail unless single values that are not numbers are refused as by the twin, and forgotten."""
    random = np.random.default_rng(0)
    layout = case.layout
    refused = accepted = 0
    on_device = OnDevice(device, case)
    with device.pushed():
        for value in (np.nan, -np.inf) if case.dtype == np.float32 else (-np.nan, np.inf):
            for column in (0, 3, 4, 5, 6, -1):
                outputs = outputs_of(case)
                rows = outputs[layout.output][0]
                rows = rows if layout.channels_last else rows.T
                rows[random.choice(len(rows), len(rows) // 3), column % layout.value_count] = value
                refused += check_outcome(on_device, case, outputs)
            if layout.coefficient_count:
                outputs = outputs_of(case)
                outputs[layout.prototypes].flat[-1] = value
                refused += check_outcome(on_device, case, outputs)
            accepted += not check_outcome(on_device, case, outputs_of(case))
    on_device.close()
    assert refused > 5
    assert accepted == 2


def check_outcome(on_device, case, outputs):
    """Fail unless kernels and twin agree; returns whether they refuse the outputs."""
    on_device.set(outputs)
    twin, refused = outcome(decode, outputs, case.layout, case.transform, case.options)
    found, told = outcome(on_device.decoded, case)
    assert told == refused
    if not refused:
        assert_same(found, twin)
    return bool(refused)
