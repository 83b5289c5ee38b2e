"""Raw heads of YOLOv5 and YOLOv7, and the comparison with NumPy."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice

from jetson_perception.cuda.anchor_heads import CudaHeadDecoder
from jetson_perception.tasks.anchor_heads import HeadLayout, decode_heads
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import ImageTransform, fit

NETWORK_WH = (160, 96)
STRETCHED = fit((641, 479), NETWORK_WH, 'stretch')
LETTERBOX = fit((333, 517), NETWORK_WH)

# Exponentials differ in the last bits from NumPy's.
SCORE_TOLERANCE, BOX_TOLERANCE_PX = 1e-6, 1e-3

_YOLOV5 = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
THREE = HeadLayout(4, (0, 1, 2), _YOLOV5)
LAYOUTS = {
    'three': THREE,
    'four': HeadLayout(4, (0, 1, 2, 3), (*_YOLOV5, ((436, 615), (739, 380), (925, 792)))),
    'another_order': HeadLayout(4, (2, 0, 1), _YOLOV5),
    'one_class': HeadLayout(1, (0, 1, 2), _YOLOV5),
    'two_anchors': HeadLayout(11, (0, 1, 2), tuple(each[:2] for each in _YOLOV5)),
}


@dataclass(frozen=True)
class Case:
    """Outputs, and how they are decoded.

    Attributes
    ----------
    found : int
        Rows of each level that score above 0.3, if there are so many; all others less than 0.2.
    steps : int
        Scores of classes are multiples of 1 / steps, so that many are equal, and none are nearly
        so.
    spoilt : int
        So many values of the rows found, in each level, that are no numbers, infinite, or huge.
    certain : float
        What logits of the rows found are multiplied by: sigmoids of large ones are all 1.
    """

    layout: HeadLayout
    found: int = 20
    steps: int = 50
    spoilt: int = 0
    certain: float = 1
    dtype: type = np.float32
    network_wh: tuple[int, int] = NETWORK_WH
    transform: ImageTransform = STRETCHED
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """All outputs of the network."""
    layout = case.layout
    random = np.random.default_rng([case.seed, case.found, layout.class_count])
    made = {}
    for level, index in enumerate(layout.outputs):
        width, height = (-(-side // (8 << level)) for side in case.network_wh)
        anchors = len(layout.anchors[level])
        rows = np.zeros((anchors * height * width, 5 + layout.class_count))
        chosen = random.permutation(len(rows))[: case.found]
        rows[:, :4] = random.normal(0, 1, (len(rows), 4))
        rows[:, 4] = -3
        rows[:, 5:] = _logit(0.02)
        classes = random.integers(0, layout.class_count, (2, len(chosen)))
        score = random.integers(int(0.4 * case.steps), case.steps, len(chosen)) / case.steps
        rows[chosen, 4] = _logit(0.875)
        rows[chosen, 5 + classes[0]] = _logit(score)
        rows[chosen[::4], 5 + classes[1, ::4]] = _logit(score[::4])  # another, as good
        rows[chosen, 4:] *= case.certain
        with np.errstate(over='ignore'):
            ugly = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0]).astype(case.dtype)
            rows = rows.astype(case.dtype)
        for _ in range(case.spoilt):
            rows[random.choice(chosen), random.integers(rows.shape[1])] = random.choice(ugly)
        made[index] = rows.reshape(1, anchors, height, width, -1)
    return [made[index] for index in sorted(made)]


def _logit(score):
    return np.log(score / (1 - score))


def cases():
    """Every layout, every option, and what is hard."""
    everything = DetectionOptions(0, max_detections=10000)
    for name, layout in LAYOUTS.items():
        yield pytest.param(Case(layout), id=name)
        yield pytest.param(Case(layout, dtype=np.float16), id=f'{name}-float16')
        yield pytest.param(Case(layout, spoilt=1), id=f'{name}-bad_values')
    yield pytest.param(Case(THREE, found=0), id='nothing')
    yield pytest.param(Case(THREE, spoilt=100), id='garbage')
    yield pytest.param(Case(THREE, certain=30), id='certain')
    yield pytest.param(Case(THREE, certain=30, dtype=np.float16), id='certain-float16')
    yield pytest.param(Case(THREE, transform=LETTERBOX), id='letterbox')
    options = {
        'agnostic': DetectionOptions(class_agnostic=True),
        'one_detection': DetectionOptions(max_detections=1),
        'iou_0': DetectionOptions(iou_threshold=0),
        'iou_1': DetectionOptions(iou_threshold=1),
        'threshold_1': DetectionOptions(1),
        'no_classes': DetectionOptions(class_ids=()),
        'some_classes': DetectionOptions(class_ids=(1, 3, 5000)),
        'class_thresholds': DetectionOptions(0.53, class_score_thresholds=((0, 0.05), (2, 0.77))),
    }
    for what, wanted in options.items():
        yield pytest.param(Case(THREE, found=60, options=wanted), id=what)
    # More than the thousand that enter the suppression.
    crowd = Case(THREE, 600, network_wh=(320, 192), options=everything)
    yield pytest.param(crowd, id='all_rows')


_COCO = HeadLayout(80, (0, 1, 2), _YOLOV5)
_SQUARE = {'network_wh': (640, 640), 'transform': fit((1280, 720), (640, 640))}
NETWORKS = [
    pytest.param(Case(_COCO, **_SQUARE), id='anchors'),
    pytest.param(Case(_COCO, dtype=np.float16, **_SQUARE), id='anchors-float16'),
]
"""Outputs of the sizes that networks have."""


class OnDevice(DecoderOnDevice):
    """A decoder with its outputs on the device, and a stream."""

    def __init__(self, device, case):
        super().__init__(device, outputs_of(case), partial(CudaHeadDecoder, device, case.layout))


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='ignore'):
        return decode_heads(outputs_of(case), case.layout, case.transform, case.options)


def check(device, case):
    """Fail unless kernels and twin agree, or refuse what is not finite alike."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results, case.layout)


def assert_same(found, twin, layout):
    """Fail unless two results are equal, but for the last bits of exponentials."""
    assert len(found) == len(twin)
    np.testing.assert_array_equal(found.class_id, twin.class_id)
    np.testing.assert_allclose(found.score, twin.score, rtol=0, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(found.xyxy, twin.xyxy, rtol=0, atol=BOX_TOLERANCE_PX)
    for name in ('xyxy', 'score', 'class_id'):
        assert getattr(found, name).dtype == getattr(twin, name).dtype
