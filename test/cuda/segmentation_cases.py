"""Outputs of segmentation networks for the kernels, compared with NumPy; for emulator and GPUs."""

from contextlib import closing
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from outcomes import outcome

from jetson_perception.cuda import DeviceBuffer, PinnedBuffer, Resources
from jetson_perception.cuda.confidence import CudaConfidence
from jetson_perception.cuda.graphs import capture
from jetson_perception.cuda.segmentation import CudaSegmenter
from jetson_perception.tasks.grids import window_on_grid
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.segmentation import (
    SegmentationLayout,
    SegmentationOptions,
    confidence_of,
    segment,
)

# Pixels whose best two classes are as good as equal may go either way; see CudaSegmenter.
MOST_THAT_DIFFER = 1e-3
# OpenCV before 5 rounds positions to a 32nd of a grid point where the image's edge lies between
# points, which moves the borders of classes.
MOST_THAT_DIFFER_BETWEEN_POINTS = 0.005
# For the same reason, by so many 255ths of a probability at most.
MOST_STEPS_BETWEEN_POINTS = 8

BY_CLASS = SegmentationLayout('logits', 5)
FOREGROUND = SegmentationLayout('logits', 2, binary=True)


@dataclass(frozen=True)
class Case:
    """One output, and how a mask is made of it."""

    grid_hw: tuple = (48, 64)
    network_wh: tuple = (64, 48)
    source_wh: tuple = (160, 90)
    layout: SegmentationLayout = BY_CLASS
    options: SegmentationOptions = SegmentationOptions()  # noqa: RUF009 - frozen
    resize: str = 'stretch'
    dtype: type = np.float32
    content: str = 'smooth'
    seed: int = 0
    squeezed: bool = False  # (1, h, w) for one channel


def output_of(case):
    """The tensor of a case."""
    rng = np.random.default_rng(case.seed)
    height, width = case.grid_hw
    classes = 1 if case.layout.binary else case.layout.class_count
    if case.layout.output == 'class_ids':
        ids = rng.integers(0, classes, (1, height, width)).astype(case.dtype)
        if case.content != 'smooth':
            ids[0, 40, 50] = _CONTENTS[case.content](rng, (1, height, width))[0, 40, 50]
        return ids
    planes = _CONTENTS[case.content](rng, (classes, height, width))
    if case.layout.output == 'probabilities':
        planes = np.exp(planes - planes.max(axis=0))
        planes = planes / planes.sum(axis=0) if classes > 1 else 1 / (1 + planes)
    planes = planes.astype(case.dtype)
    if case.squeezed:
        return planes
    if case.layout.channels_last:
        planes = planes.transpose(1, 2, 0)
    return np.ascontiguousarray(planes)[None]


def smooth(rng, shape):
    """Regions of several points, as a network finds them."""
    classes, height, width = shape
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(0.05, 0.4, (classes, 2)), rng.uniform(0, 6, classes)
    rates, phases = waves
    return 4 * np.stack(
        [np.sin(rates[c, 0] * x + rates[c, 1] * y + phases[c]) for c in range(classes)]
    )


def noise(rng, shape):
    """Every point another class."""
    return rng.normal(0, 3, shape)


def ties(rng, shape):
    """Whole numbers, so that most points have several best classes."""
    return rng.integers(0, 2, shape)


def zeros(_rng, shape):
    """Nothing is better than anything else."""
    return np.zeros(shape)


def sure(rng, shape):
    """Probabilities of exactly 0 and 1."""
    return rng.integers(-3, 4, shape) * 40.0


def nan(rng, shape):
    """A broken network's: no number at some points, of one class, of all, of the first."""
    planes = smooth(rng, shape)
    planes[:, 3, 4] = np.nan
    planes[shape[0] // 2, 20:40, 10:50] = np.nan
    planes[0, -1, -1] = np.nan
    return planes


def masked(rng, shape):
    """A class that is ruled out by an infinitely low score at some points."""
    planes = smooth(rng, shape)
    planes[-1, ::2] = -np.inf
    return planes


def overflown(rng, shape):
    """Infinitely high scores, of one class and of several."""
    planes = smooth(rng, shape)
    planes[0, 5:7, 5:9] = np.inf
    planes[:, 20, 30] = np.inf
    return planes


def all_nan(_rng, shape):
    return np.full(shape, np.nan)


def one_nan(rng, shape):
    """A foreground's values at one point."""
    planes = smooth(rng, shape)
    planes[0, 40, 50] = np.nan
    return planes


def one_infinite(rng, shape):
    planes = smooth(rng, shape)
    planes[0, 40, 50] = -np.inf
    return planes


_CONTENTS = {
    f.__name__: f
    for f in (
        smooth,
        noise,
        ties,
        zeros,
        sure,
        nan,
        masked,
        overflown,
        all_nan,
        one_nan,
        one_infinite,
    )
}


def cases():
    """Every layout, option, geometry and content."""
    return [*_cases()]


def _cases():
    for content in sorted(_CONTENTS.keys() - {'one_nan', 'one_infinite'}):
        for interpolation in ('probabilities', 'logits'):
            for mask_size in ('image', 'network'):
                options = SegmentationOptions(mask_size, interpolation)
                for name, layout in (('classes', BY_CLASS), ('foreground', FOREGROUND)):
                    yield pytest.param(
                        Case(content=content, options=options, layout=layout),
                        id=f'{name}-{content}-{interpolation}-{mask_size}',
                    )
    squeezed = Case(layout=FOREGROUND, squeezed=True)
    yield pytest.param(squeezed, id='foreground-without-an-axis-of-classes')
    for dtype in (np.float32, np.float16):
        for channels_last in (False, True):
            tensor = f'{"last" if channels_last else "first"}-{dtype.__name__}'
            for output in ('logits', 'probabilities'):
                for classes in (2, 21, 256):
                    layout = SegmentationLayout(output, classes, channels_last)
                    yield pytest.param(
                        Case(layout=layout, dtype=dtype, source_wh=(97, 61)),
                        id=f'{output}-{classes}-{tensor}',
                    )
                layout = SegmentationLayout(output, 2, channels_last, binary=True)
                yield pytest.param(
                    Case(layout=layout, dtype=dtype),
                    id=f'{output}-foreground-{tensor}',
                )
    for dtype in _ID_TYPES:
        layout = SegmentationLayout('class_ids', 19)
        for mask_size in ('image', 'network'):
            for name, geometry in _GEOMETRIES.items():
                case = Case(
                    layout=layout,
                    dtype=dtype,
                    options=SegmentationOptions(mask_size),
                    **geometry,
                )
                yield pytest.param(case, id=f'ids-{dtype.__name__}-{mask_size}-{name}')
    for dtype in (np.float32, np.float16):
        layout = SegmentationLayout('class_ids', 19)
        for content in ('one_nan', 'one_infinite'):
            case = Case(layout=layout, dtype=dtype, content=content, source_wh=(3, 2))
            yield pytest.param(case, id=f'ids-{dtype.__name__}-{content}')
            case = Case(layout=FOREGROUND, dtype=dtype, content=content, source_wh=(3, 2))
            yield pytest.param(case, id=f'foreground-{dtype.__name__}-{content}')
    for name, geometry in _GEOMETRIES.items():
        for mask_size in ('image', 'network'):
            for layout in (BY_CLASS, FOREGROUND):
                case = Case(options=SegmentationOptions(mask_size), layout=layout, **geometry)
                what = 'foreground' if layout.binary else 'classes'
                yield pytest.param(case, id=f'{what}-{mask_size}-{name}')


_ID_TYPES = (np.uint8, np.int8, np.int32, np.int64, np.float32, np.float16)

_GEOMETRIES = {
    'same_size': {'source_wh': (64, 48)},
    'twice': {'source_wh': (128, 96)},
    'half': {'source_wh': (32, 24)},
    'smaller': {'source_wh': (41, 17)},
    'one_pixel': {'source_wh': (1, 1)},
    'thread': {'source_wh': (300, 1)},
    'upright_thread': {'source_wh': (1, 300)},
    'coarse': {'grid_hw': (12, 16), 'source_wh': (161, 91)},
    'grid_of_one_point': {'grid_hw': (1, 1), 'network_wh': (32, 32), 'source_wh': (70, 50)},
    'grid_of_one_row': {'grid_hw': (1, 4), 'network_wh': (128, 32), 'source_wh': (70, 50)},
    'odd': {'grid_hw': (33, 31), 'network_wh': (31, 33), 'source_wh': (127, 65)},
    'wide_grid': {'grid_hw': (3, 300), 'network_wh': (300, 3), 'source_wh': (700, 40)},
    'letterbox': {'resize': 'letterbox', 'source_wh': (160, 90)},
    'letterbox_tall': {'resize': 'letterbox', 'source_wh': (90, 160)},
    'letterbox_corner': {'resize': 'letterbox_top_left', 'source_wh': (160, 90)},
    # The image's edge lies between grid points.
    'letterbox_coarse': {'grid_hw': (12, 16), 'resize': 'letterbox', 'source_wh': (160, 90)},
    'letterbox_coarse_tall': {'grid_hw': (12, 16), 'resize': 'letterbox', 'source_wh': (90, 160)},
    'letterbox_coarser': {'grid_hw': (6, 8), 'resize': 'letterbox', 'source_wh': (333, 100)},
}


def confidence_cases():
    """Every layout and type, and what is hard; with finite scores, as others make no mask."""
    layouts = {
        'classes': BY_CLASS,
        'last': SegmentationLayout('logits', 5, channels_last=True),
        'probabilities': SegmentationLayout('probabilities', 5),
        'foreground': FOREGROUND,
        'foreground_probabilities': SegmentationLayout('probabilities', 2, binary=True),
    }
    for name, layout in layouts.items():
        for dtype in (np.float32, np.float16):
            case = Case(layout=layout, dtype=dtype)
            yield pytest.param(case, id=f'{name}-{dtype.__name__}')
        for content in ('noise', 'sure', 'ties'):
            yield pytest.param(Case(layout=layout, content=content), id=f'{name}-{content}')
        sure = SegmentationOptions(interpolation='logits')
        yield pytest.param(Case(layout=layout, options=sure), id=f'{name}-logits')
    yield pytest.param(Case(content='masked'), id='masked')
    many = Case((5, 7), (7, 5), (31, 33), SegmentationLayout('logits', 256), content='noise')
    yield pytest.param(many, id='256_classes')
    for name, geometry in _GEOMETRIES.items():
        for mask_size in ('image', 'network'):
            case = Case(options=SegmentationOptions(mask_size), **geometry)
            yield pytest.param(case, id=f'{mask_size}-{name}')


_IMAGE = {'network_wh': (640, 640), 'source_wh': (1280, 720)}
CONFIDENCE_NETWORKS = [
    pytest.param(
        Case((640, 640), layout=SegmentationLayout('logits', 21), **_IMAGE), id='21_classes'
    ),
    pytest.param(
        Case((160, 160), layout=SegmentationLayout('logits', 150), dtype=np.float16, **_IMAGE),
        id='150_classes-float16',
    ),
    pytest.param(Case((640, 640), layout=FOREGROUND, **_IMAGE), id='foreground'),
]
"""Scores of the sizes that networks have."""


class ConfidenceOnDevice:
    """What computes the confidence of masks, with scores and masks of cases on the device.

    The masks are the twin's, and all scores those of the first case.
    """

    def __init__(self, device, case):
        self.device, self._held = device, Resources()
        self.scores = output_of(case)
        with self._held.closed_on_error(), device.pushed():
            shape, dtype = self.scores.shape, self.scores.dtype
            self.confidence = self._held.add(CudaConfidence(device, case.layout, shape, dtype))
            self.stream = self._held.add(device.new_stream())
            self.output = self._on_device(self.scores)
            self.set(case)

    def set(self, case):
        """Take a mask of another case."""
        self.case, self.transform = case, transform_of(case)
        with np.errstate(all='ignore'):
            frame = self.scores, case.layout, self.transform, case.options
            mask = segment(*frame).mask
            self.expected = confidence_of(mask, *frame)
        with self.device.pushed():
            self.mask = self._on_device(mask)

    def _on_device(self, array):
        staging = self._held.add(PinnedBuffer(self.device, array.shape, array.dtype))
        staging.array[...] = array
        buffer = self._held.add(DeviceBuffer(self.device, array.shape, array.dtype))
        buffer.copy_from_host(staging, self.stream)
        self.stream.synchronize()
        return buffer

    def frame(self):
        return self.output, self.mask.address, self.transform, self.case.options

    def check(self):
        """Fail unless kernels and twin agree, but for their last step."""
        with self.device.pushed():
            self.confidence.enqueue(*self.frame(), self.stream)
            self.stream.synchronize()
            found = self.confidence.collect()
        twin = self.expected
        assert found.dtype == twin.dtype
        assert found.shape == twin.shape
        differ = np.abs(found.astype(int) - twin)
        in_image = self.case.options.mask_size == 'image'
        between_points = in_image and not window_of(self.case).is_whole
        assert differ.max(initial=0) <= (MOST_STEPS_BETWEEN_POINTS if between_points else 1)
        assert np.mean(differ > 0) <= (0.2 if between_points else 0.1)

    def close(self):
        self._held.close()


def check_confidence(device, case):
    """Fail unless kernels and twin agree about the confidence of a case."""
    with closing(ConfidenceOnDevice(device, case)) as on_device:
        on_device.check()


def expected(case):
    """What NumPy and OpenCV make of the case."""
    with np.errstate(all='ignore'):
        return segment(output_of(case), case.layout, transform_of(case), case.options)


def transform_of(case):
    return fit(case.source_wh, case.network_wh, case.resize)


def computed(device, case, *, graph=False):
    """What the kernels make of it, launched one by one or as a graph."""
    data = output_of(case)
    held = Resources()
    with held.closed_on_error(), device.pushed():
        segmenter = held.add(CudaSegmenter(device, case.layout, data.shape, data.dtype))
        stream = held.add(device.new_stream())
        staging = held.add(PinnedBuffer(device, data.shape, data.dtype))
        staging.array[...] = data
        output = held.add(DeviceBuffer(device, data.shape, data.dtype))
        output.copy_from_host(staging, stream)
        segmenter.prepare(transform_of(case), case.options)
        if graph:
            recorded = held.add(capture(stream, lambda: segmenter.enqueue([output], stream)))
            recorded.launch(stream)
        else:
            segmenter.enqueue([output], stream)
        stream.synchronize()
        try:
            return segmenter.collect()
        finally:
            held.close()


def check(device, case, *, graph=False):
    """Fail unless mask and counts are right: those of the twin, but where classes are equal.

    What is not finite is to be refused as by the twin.
    """
    twin, refused = outcome(expected, case)
    result, told = outcome(computed, device, case, graph=graph)
    assert told == refused
    if refused:
        return
    assert result.mask.shape == twin.mask.shape
    assert result.mask.dtype == np.uint8
    assert result.pixels.dtype == np.int64
    counted = np.bincount(result.mask.ravel(), minlength=case.layout.class_count)
    np.testing.assert_array_equal(result.pixels, counted)
    if case.layout.output == 'class_ids' or case.options.mask_size == 'network':
        np.testing.assert_array_equal(result.mask, twin.mask)
        return
    with np.errstate(all='ignore'):
        best, finite, equal = _reference(case, twin.mask.shape)
        may_differ = equal | _next_to_infinity(case, twin.mask.shape)
    np.testing.assert_array_equal(result.mask[finite & ~equal], best[finite & ~equal])
    differ = result.mask != twin.mask
    if not window_of(case).is_whole:
        assert np.mean(differ) <= MOST_THAT_DIFFER_BETWEEN_POINTS
        return
    assert not (differ & ~may_differ).any(), f'{np.argwhere(differ & ~may_differ)[:5]}'
    if case.content not in _FULL_OF_TIES:
        assert np.mean(differ) <= MOST_THAT_DIFFER


# What is infinite or a tie at grid points is so at many pixels between them.
_FULL_OF_TIES = ('ties', 'sure', 'overflown', 'masked')
_AS_GOOD_AS_EQUAL = 1e-4  # of the scores' range


def window_of(case):
    return window_on_grid(case.grid_hw, transform_of(case))


def _reference(case, shape):
    """The best class of each pixel in double precision; where that is one; where two are equal."""
    scores = _scores(case)
    finite = scores[np.isfinite(scores)]
    range_ = np.ptp(finite) if finite.size else 0.0
    scores = _resized(scores, case, shape)
    ordered = np.sort(scores, axis=0)
    finite = np.isfinite(scores).all(axis=0)
    equal = finite & (ordered[-1] - ordered[-2] <= _AS_GOOD_AS_EQUAL * range_)
    best = scores[0] > scores[1] if case.layout.binary else scores.argmax(axis=0)
    return best, finite, equal


def _next_to_infinity(case, shape):
    """Where OpenCV's library decides what infinity times nothing is."""
    infinite = cv2.dilate(np.isinf(_scores(case)).any(axis=0).astype(np.uint8), np.ones((3, 3)))
    return _resized(infinite[None].astype(float), case, shape)[0] > 0


def _scores(case):
    """What is interpolated, (classes, h, w), float64; of a foreground the threshold is one too."""
    scores = output_of(case).astype(np.float64)
    scores = scores if case.squeezed else scores[0]
    scores = scores.reshape(1, *case.grid_hw) if case.layout.binary else scores
    if case.layout.channels_last and not case.layout.binary:
        scores = scores.transpose(2, 0, 1)
    logits = case.layout.output == 'logits'
    if logits and case.options.interpolation == 'probabilities':
        logits = False
        if case.layout.binary:
            scores = 1 / (1 + np.exp(-scores))
        else:
            with np.errstate(invalid='ignore'):
                scores = np.exp(scores - scores.max(axis=0))
                scores /= scores.sum(axis=0)
    if case.layout.binary:
        scores = np.concatenate([scores, np.full_like(scores, 0.0 if logits else 0.5)])
    return scores


def _resized(planes, case, shape):
    """The planes at the pixels of a mask of this shape, in double precision."""
    window = window_of(case)
    if window.is_whole:
        planes = planes[:, window.rows, window.columns]
        window = replace(window, left=0, top=0)
    rows = _taps(shape[0], window.top, window.height / shape[0], planes.shape[1])
    columns = _taps(shape[1], window.left, window.width / shape[1], planes.shape[2])
    return _interpolated(planes, rows, columns)


def _taps(count, origin, step, points):
    """Indices of two neighbors and the weight of the second, for each pixel of one axis."""
    position = origin + (np.arange(count) + 0.5) * step - 0.5
    first = np.floor(position).astype(int)
    last = points - 1
    return np.clip(first, 0, last), np.clip(first + 1, 0, last), position - first


def _interpolated(planes, rows, columns):
    (upper, lower, down), (left, right, across) = rows, columns
    planes = planes[:, :, left] * (1 - across) + planes[:, :, right] * across
    return planes[:, upper] * (1 - down)[:, None] + planes[:, lower] * down[:, None]
