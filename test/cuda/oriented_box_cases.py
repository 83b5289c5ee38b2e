"""Outputs of networks for oriented boxes, and the comparison with NumPy; for emulator and GPUs."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice

from jetson_perception.cuda.oriented_boxes import CudaOrientedDecoder
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.oriented_boxes import OrientedLayout, decode_oriented
from jetson_perception.tasks.preprocess import ImageTransform, fit

LETTERBOX = fit((1280, 720), (640, 640))
STRETCHED = fit((641, 479), (640, 640), 'stretch')

# Sines and exponentials differ in the last bits from NumPy's.
BOX_TOLERANCE_PX, ANGLE_TOLERANCE = 2e-3, 1e-5

ANCHORS = OrientedLayout(15, end_to_end=False, channels_last=False)
ANCHORS_LAST = replace(ANCHORS, channels_last=True)
ONE_CLASS = replace(ANCHORS, class_count=1)
END_TO_END = OrientedLayout(15, end_to_end=True, channels_last=True)
UNKNOWN_CLASSES = replace(END_TO_END, class_count=0)
LAYOUTS = {
    'anchors': ANCHORS,
    'anchors_last': ANCHORS_LAST,
    'one_class': ONE_CLASS,
    'end_to_end': END_TO_END,
    'unknown_classes': UNKNOWN_CLASSES,
}


ODD = [0, -0.0, -30, 1e-4, 1e-44, 1e30, -1e30, 3e38]


@dataclass(frozen=True)
class Case:
    """One output, and how it is decoded.

    Attributes
    ----------
    found : int
        Rows that score above 0.3, if there are so many; all others less than 0.2.
    objects : int
        Places where these lie, close to each other.
    steps : int
        Scores are multiples of 1 / steps, so that many are equal.
    spoilt : int
        So many values that are no numbers, infinite, or huge, in the rows found.
    odd : int
        So many of the rows found have a center or size that is 0, negative, or huge.
    turns : int
        Boxes are turned by up to so many whole turns more, as 26 does not limit its angles.
    """

    layout: OrientedLayout
    rows: int = 700
    found: int = 60
    objects: int = 8
    steps: int = 200
    spoilt: int = 0
    odd: int = 0
    turns: int = 0
    dtype: type = np.float32
    transform: ImageTransform = LETTERBOX
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """The output of the network."""
    layout, rows = case.layout, case.rows
    random = np.random.default_rng([case.seed, rows, case.found, layout.value_count])
    own = random.integers(0, case.objects, rows)
    values = np.zeros((rows, layout.value_count))
    values[:, :2] = random.uniform(0, 640, (case.objects, 2))[own] + random.normal(0, 6, (rows, 2))
    size = random.uniform(20, 200, (case.objects, 2))[own]
    values[:, 2:4] = size * random.uniform(0.8, 1.25, (rows, 2))
    angle = random.uniform(-0.7, 2.3, case.objects)[own] + random.normal(0, 0.1, rows)
    score = random.uniform(0.01, 0.19, rows)
    chosen = random.permutation(rows)[: case.found]
    score[chosen] = random.uniform(0.31, 1, len(chosen))
    score = np.round(score * case.steps) / case.steps
    ids = random.integers(0, layout.class_count or 5, case.objects)[own]
    values[:, -1] = angle
    if case.turns:
        values[:, -1] += 2 * np.pi * random.integers(-case.turns, case.turns + 1, rows)
    if layout.end_to_end:
        values[:, 4], values[:, 5] = score, ids
    else:
        values[:, 4:-1] = 0.004
        values[np.arange(rows), 4 + ids] = score
        values[::5, 4 + (ids[0] + 3) % layout.class_count] = score[::5]  # another, as good
    values = values.astype(case.dtype)
    ugly = [np.nan, -np.nan, np.inf, -np.inf, -1, 1e30, -1e30, 3e38, 0]
    with np.errstate(over='ignore'):
        ugly = np.array(ugly).astype(case.dtype)
    for _ in range(case.spoilt):
        values[random.choice(chosen), random.integers(values.shape[1])] = random.choice(ugly)
    odd = [value for value in ODD if abs(value) < float(np.finfo(case.dtype).max)]
    for row in chosen[: case.odd]:
        values[row, random.integers(4)] = random.choice(odd)
    return [np.ascontiguousarray(values if layout.channels_last else values.T)[None]]


def cases():
    """Every layout, every option, and what is hard."""
    everything = DetectionOptions(0, max_detections=10000)
    for name, layout in LAYOUTS.items():
        case = Case(layout)
        yield pytest.param(case, id=name)
        yield pytest.param(replace(case, dtype=np.float16), id=f'{name}-float16')
        yield pytest.param(replace(case, found=0), id=f'{name}-nothing')
        yield pytest.param(replace(case, rows=1, found=1), id=f'{name}-one_row')
        yield pytest.param(replace(case, spoilt=1), id=f'{name}-one_bad_value')
        yield pytest.param(replace(case, spoilt=200), id=f'{name}-garbage')
        yield pytest.param(replace(case, odd=40), id=f'{name}-no_boxes')
        yield pytest.param(replace(case, steps=8, objects=30), id=f'{name}-equal_scores')
        yield pytest.param(replace(case, transform=STRETCHED), id=f'{name}-stretched')
        whole = replace(case, found=700, objects=200, options=everything)
        yield pytest.param(whole, id=f'{name}-all_rows')
    options = {
        'agnostic': DetectionOptions(class_agnostic=True),
        'one_detection': DetectionOptions(max_detections=1),
        'iou_0': DetectionOptions(iou_threshold=0),
        'iou_1': DetectionOptions(iou_threshold=1),
        'iou_0.3': DetectionOptions(iou_threshold=0.3),
        'threshold_1': DetectionOptions(1),
        'no_classes': DetectionOptions(class_ids=()),
        'some_classes': DetectionOptions(class_ids=(1, 3, 5, 7, 5000)),
        'class_thresholds': DetectionOptions(0.4, class_score_thresholds=((0, 0.05), (2, 0.9))),
    }
    for what, wanted in options.items():
        yield pytest.param(Case(ANCHORS, found=200, objects=20, options=wanted), id=what)
    turned = Case(END_TO_END, turns=1, transform=STRETCHED)
    yield pytest.param(turned, id='turned_further')
    for found in (63, 64, 65, 999, 1000, 1001, 1025):
        case = Case(ONE_CLASS, 1200, found, 400, options=everything)
        yield pytest.param(case, id=f'found_{found}')


_SQUARE = fit((1280, 720), (1024, 1024))
NETWORKS = [
    pytest.param(Case(ANCHORS, 21504, 100, transform=_SQUARE), id='obb'),
    pytest.param(Case(ANCHORS, 21504, 100, dtype=np.float16, transform=_SQUARE), id='obb-float16'),
    pytest.param(Case(END_TO_END, 300, 40, transform=_SQUARE), id='obb-end_to_end'),
]
"""Outputs of the sizes that networks have."""


class OnDevice(DecoderOnDevice):
    """A decoder with its output on the device, and a stream."""

    def __init__(self, device, case):
        make_decoder = partial(CudaOrientedDecoder, device, case.layout)
        super().__init__(device, outputs_of(case), make_decoder)


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='raise', under='ignore'):
        return decode_oriented(outputs_of(case), case.layout, case.transform, case.options)


def check(device, case):
    """Fail unless kernels and twin agree, or refuse what is not finite alike."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results, case.layout)


def assert_same(found, twin, layout):
    """Fail unless two results are equal, but for the last bits of boxes."""
    assert len(found) == len(twin)
    np.testing.assert_array_equal(found.class_id, twin.class_id)
    np.testing.assert_array_equal(found.score, twin.score)
    np.testing.assert_allclose(found.xyxy, twin.xyxy, rtol=1e-6, atol=BOX_TOLERANCE_PX)
    boxes, angles = found.oriented[:, :4], found.oriented[:, 4]
    np.testing.assert_allclose(boxes, twin.oriented[:, :4], rtol=1e-6, atol=BOX_TOLERANCE_PX)
    np.testing.assert_allclose(angles, twin.oriented[:, 4], rtol=0, atol=ANGLE_TOLERANCE)
    for name in ('xyxy', 'score', 'class_id', 'oriented'):
        assert getattr(found, name).dtype == getattr(twin, name).dtype
