"""Outputs that end in ONNX's NonMaxSuppression, and the comparison with NumPy."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice

from jetson_perception.cuda.selected_boxes import CudaSelectedDecoder
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import ImageTransform, fit
from jetson_perception.tasks.selected_boxes import SelectedLayout, decode_selected

NETWORK_WH = (160, 96)
STRETCHED = fit((641, 479), NETWORK_WH, 'stretch')
LETTERBOX = fit((333, 517), NETWORK_WH)

CORNERS = SelectedLayout(5, 2, 0, 1, 'xyxy')
LAYOUTS = {
    'corners': CORNERS,
    'rows_first': replace(CORNERS, box_format='yxyx'),
    'centers': replace(CORNERS, box_format='cxcywh'),
    'fractions': replace(CORNERS, box_format='cxcywh', relative=True),
    'another_order': SelectedLayout(5, 0, 2, 1, 'xyxy'),
}


@dataclass(frozen=True)
class Case:
    """Outputs, and how they are decoded.

    Attributes
    ----------
    rows : int
        Rows of indices, of which `filling` select nothing: another image, or no box.
    boxes : int
        Boxes to select from.
    images : int
        Of the batch; only the first one counts.
    spoilt : int
        So many values that are no numbers, infinite, or huge, of boxes and scores.
    """

    layout: SelectedLayout
    rows: int = 90
    boxes: int = 400
    filling: int = 9
    images: int = 1
    spoilt: int = 0
    dtype: type = np.float32
    ids_dtype: type = np.int64
    transform: ImageTransform = STRETCHED
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """All outputs of the network."""
    layout, shape = case.layout, (case.images, case.boxes)
    random = np.random.default_rng([case.seed, case.rows, case.boxes])
    center = random.uniform(-0.1, 1.1, (*shape, 2))
    size = random.uniform(0, 0.4, (*shape, 2))
    unit = (1, 1) if layout.relative else NETWORK_WH
    boxes = np.concatenate((center * unit, size * unit), axis=-1)
    if layout.box_format != 'cxcywh':
        boxes = np.concatenate((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., 2:] * 2), axis=-1)
    if layout.box_format == 'yxyx':
        boxes = boxes[..., [1, 0, 3, 2]]
    # of hundredths, so many are equal
    scores = random.integers(5, 99, (case.images, layout.class_count, case.boxes)) / 100
    rows = np.stack(
        [
            np.zeros(case.rows),
            random.integers(0, layout.class_count, case.rows),
            random.integers(0, case.boxes, case.rows),
        ],
        axis=1,
    )
    for row in random.permutation(case.rows)[: case.filling]:
        rows[row] = ((1, 9999, 9999), (0, 9999, -1), (-1, -1, -1))[row % 3]
    made = {
        layout.indices: rows.astype(case.ids_dtype),
        layout.boxes: boxes.astype(case.dtype),
        layout.scores: scores.astype(case.dtype),
    }
    ugly = [np.nan, np.inf, -np.inf, -1, 3e38, -3e38, 0]
    with np.errstate(over='ignore'):
        ugly = np.array(ugly).astype(case.dtype)
    for index in (layout.boxes, layout.scores):
        flat = made[index].reshape(-1)
        flat[random.integers(0, flat.size, case.spoilt)] = random.choice(ugly, case.spoilt)
    return [made[index] for index in sorted(made)]


def cases():
    """Every layout, every option, and what is hard."""
    everything = DetectionOptions(0, max_detections=10000)
    for name, layout in LAYOUTS.items():
        yield pytest.param(Case(layout), id=name)
        yield pytest.param(Case(layout, dtype=np.float16), id=f'{name}-float16')
        yield pytest.param(Case(layout, spoilt=30), id=f'{name}-some_bad_values')
        yield pytest.param(Case(layout, transform=LETTERBOX), id=f'{name}-letterbox')
        yield pytest.param(Case(layout, options=everything), id=f'{name}-all')
    yield pytest.param(Case(CORNERS, spoilt=2000), id='garbage')
    yield pytest.param(Case(CORNERS, filling=90), id='nothing_selected')
    yield pytest.param(Case(CORNERS, rows=1, boxes=1, filling=0), id='one')
    yield pytest.param(Case(CORNERS, images=3), id='batch')
    yield pytest.param(Case(CORNERS, ids_dtype=np.int32), id='int32')
    options = {
        'one_detection': DetectionOptions(max_detections=1),
        'threshold_0.5': DetectionOptions(0.5),
        'threshold_1': DetectionOptions(1),
        'no_classes': DetectionOptions(class_ids=()),
        'some_classes': DetectionOptions(class_ids=(1, 3, 5000)),
        'class_thresholds': DetectionOptions(0.4, class_score_thresholds=((0, 0.05), (2, 0.9))),
    }
    for what, wanted in options.items():
        yield pytest.param(Case(CORNERS, options=wanted), id=what)
    for rows in (513, 1000):
        yield pytest.param(Case(CORNERS, rows, options=everything), id=f'rows_{rows}')


NETWORKS = [
    pytest.param(Case(replace(CORNERS, class_count=80), 200, 8400, 100), id='selected'),
    pytest.param(
        Case(replace(CORNERS, class_count=80), 1000, 25200, 900, dtype=np.float16),
        id='selected-float16',
    ),
]
"""Outputs of the sizes that networks have."""


class OnDevice(DecoderOnDevice):
    """A decoder with its outputs on the device, and a stream."""

    def __init__(self, device, case):
        make_decoder = partial(CudaSelectedDecoder, device, case.layout, NETWORK_WH)
        super().__init__(device, outputs_of(case), make_decoder)


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='ignore'):
        return decode_selected(outputs_of(case), case.layout, case.transform, case.options)


def check(device, case):
    """Fail unless kernels and twin agree, or refuse the same."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results, case.layout)


def assert_same(found, twin, layout):
    """Fail unless two results are equal, to the last bit."""
    for name in ('xyxy', 'score', 'class_id'):
        np.testing.assert_array_equal(getattr(found, name), getattr(twin, name))
        assert getattr(found, name).dtype == getattr(twin, name).dtype
