"""Outputs of MoveNet, and the comparison with NumPy."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from decoder_on_device import DecoderOnDevice

from jetson_perception.cuda.movenet import CudaPeopleDecoder
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.movenet import PersonLayout, decode_people
from jetson_perception.tasks.preprocess import ImageTransform, fit

NETWORK_WH = (256, 192)
LETTERBOX = fit((1280, 720), NETWORK_WH)
STRETCHED = fit((641, 479), NETWORK_WH, 'stretch')

ONE, SEVERAL = PersonLayout(several=False), PersonLayout(several=True)
LAYOUTS = {'one': ONE, 'several': SEVERAL}


@dataclass(frozen=True)
class Case:
    """An output, and how it is decoded.

    Attributes
    ----------
    score : tuple of float
        Of people, and of their keypoints on the average.
    equal_points : bool
        Whether all keypoints are at one place, so that they bound nothing.
    spoilt : int
        So many values that are no numbers, infinite, or huge.
    """

    layout: PersonLayout
    score: tuple[float, ...] = (0.3, 0.9, 0.1, 0.6, 0.9, 0.25)
    equal_points: bool = False
    spoilt: int = 0
    dtype: type = np.float32
    transform: ImageTransform = LETTERBOX
    options: DetectionOptions = field(default_factory=DetectionOptions)
    seed: int = 0


def outputs_of(case):
    """The output of the network."""
    random = np.random.default_rng([case.seed, case.layout.several])
    people = 6 if case.layout.several else 1
    score = np.resize(case.score, people)
    points = random.uniform(-0.2, 1.2, (people, 17, 3))
    if case.equal_points:
        points[:] = 0.5
    points[..., 2] = np.clip(score[:, None] + random.normal(0, 0.1, (people, 17)), 0, 1)
    low = random.uniform(-0.2, 0.8, (people, 2))
    boxes = np.concatenate((low, low + random.uniform(0, 0.5, (people, 2))), axis=1)
    output = points[None]
    if case.layout.several:
        rows = [points.reshape(people, -1), boxes, score[:, None]]
        output = np.concatenate(rows, axis=1)[None]
    output = output.astype(case.dtype)
    with np.errstate(over='ignore'):
        ugly = np.array([np.nan, np.inf, -np.inf, -1, 3e38]).astype(case.dtype)
    flat = output.reshape(-1)
    flat[random.integers(0, flat.size, case.spoilt)] = random.choice(ugly, case.spoilt)
    return [output]


def cases():
    """Both layouts, every option, and what is hard."""
    options = {
        'one_detection': DetectionOptions(max_detections=1),
        'threshold_0': DetectionOptions(0),
        'threshold_1': DetectionOptions(1),
        'no_classes': DetectionOptions(class_ids=()),
        'another_class': DetectionOptions(class_ids=(1,)),
        'class_threshold': DetectionOptions(0.9, class_score_thresholds=((0, 0.2),)),
    }
    for name, layout in LAYOUTS.items():
        for seed in range(3):
            yield pytest.param(Case(layout, seed=seed), id=f'{name}-{seed}')
        yield pytest.param(Case(layout, dtype=np.float16), id=f'{name}-float16')
        yield pytest.param(Case(layout, transform=STRETCHED), id=f'{name}-stretched')
        yield pytest.param(Case(layout, (0.05,)), id=f'{name}-nobody')
        yield pytest.param(Case(layout, (0.5,)), id=f'{name}-as_good')
        yield pytest.param(Case(layout, equal_points=True), id=f'{name}-one_place')
        yield pytest.param(Case(layout, spoilt=1), id=f'{name}-one_bad_value')
        yield pytest.param(Case(layout, spoilt=500), id=f'{name}-garbage')
        for what, wanted in options.items():
            yield pytest.param(Case(layout, options=wanted), id=f'{name}-{what}')
    uncertain = Case(ONE, (0.0,), options=DetectionOptions(0))
    yield pytest.param(uncertain, id='no_certain_point')


NETWORKS = [
    pytest.param(Case(ONE), id='movenet'),
    pytest.param(Case(SEVERAL), id='movenet-several'),
    pytest.param(Case(SEVERAL, dtype=np.float16), id='movenet-several-float16'),
]
"""Outputs of the sizes that networks have, which are the only ones."""


class OnDevice(DecoderOnDevice):
    """A decoder with its output on the device, and a stream."""

    def __init__(self, device, case):
        make_decoder = partial(CudaPeopleDecoder, device, case.layout, NETWORK_WH)
        super().__init__(device, outputs_of(case), make_decoder)


def expected(case):
    """What NumPy makes of a case."""
    with np.errstate(all='ignore'):
        return decode_people(outputs_of(case), case.layout, case.transform, case.options)


def check(device, case):
    """Fail unless kernels and twin agree, or refuse what is not finite alike."""
    results = OnDevice.results(device, case, expected)
    if results is not None:
        assert_same(*results, case.layout)


def assert_same(found, twin, layout):
    """Fail unless two results are equal, to the last bit."""
    for name in ('xyxy', 'score', 'class_id', 'keypoints'):
        np.testing.assert_array_equal(getattr(found, name), getattr(twin, name))
        assert getattr(found, name).dtype == getattr(twin, name).dtype
