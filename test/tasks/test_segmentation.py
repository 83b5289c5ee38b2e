"""Class masks out of segmentation outputs, against the plain computation."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.segmentation import (
    PictureOptions,
    SegmentationLayout,
    SegmentationOptions,
    recognize_segmentation_layout,
    segment,
)

FOUR = ('background', 'ulcer', 'sunburn', 'wind scar')
LOGITS = SegmentationLayout('logits', 4)
IMAGE = SegmentationOptions()
OF_LOGITS = SegmentationOptions(interpolation='logits')
OF_NETWORK = SegmentationOptions(mask_size='network')


def recognize(shape, dtype=np.float32, network_wh=(224, 224), **info):
    return recognize_segmentation_layout(
        shape, dtype, ModelInfo(path='my.onnx', **info), network_wh
    )


@pytest.mark.parametrize(
    ('shape', 'dtype', 'info', 'layout'),
    [
        pytest.param((1, 4, 224, 224), np.float32, {}, LOGITS, id='logits'),
        pytest.param((1, 4, 224, 224), np.float16, {'class_names': FOUR}, LOGITS, id='float16'),
        pytest.param((1, 4, 56, 56), np.float32, {}, LOGITS, id='a_quarter_of_the_input'),
        pytest.param(
            (1, 4, 224, 224),
            np.float32,
            {'output': 'probabilities'},
            SegmentationLayout('probabilities', 4),
            id='probabilities',
        ),
        pytest.param(
            (1, 224, 224, 4),
            np.float32,
            {},
            SegmentationLayout('logits', 4, channels_last=True),
            id='channels_last',
        ),
        pytest.param(
            (1, 224, 224), np.int64, {}, SegmentationLayout('class_ids', 0), id='argmaxed'
        ),
        pytest.param(
            (1, 1, 224, 224),
            np.uint8,
            {'class_names': FOUR},
            SegmentationLayout('class_ids', 4),
            id='argmaxed_with_a_channel',
        ),
        pytest.param(
            (224, 224), np.int32, {}, SegmentationLayout('class_ids', 0), id='argmaxed_bare'
        ),
        pytest.param(
            (1, 224, 224, 1), np.int32, {}, SegmentationLayout('class_ids', 0), id='argmaxed_nhwc'
        ),
        pytest.param(
            (1, 224, 224),
            np.float32,
            {'output': 'class_ids'},
            SegmentationLayout('class_ids', 0),
            id='argmaxed_floats',
        ),
        pytest.param(
            (1, 1, 224, 224),
            np.float32,
            {'output': 'logits'},
            SegmentationLayout('logits', 2, binary=True),
            id='binary_logits',
        ),
        pytest.param(
            (1, 224, 224),
            np.float32,
            {'output': 'probabilities', 'class_names': ('background', 'crack')},
            SegmentationLayout('probabilities', 2, binary=True),
            id='binary_probabilities_squeezed',
        ),
    ],
)
def test_recognized(shape, dtype, info, layout):
    assert recognize(shape, dtype, **info) == layout


def test_inputs_that_are_not_square():
    assert recognize((1, 19, 128, 256), network_wh=(1024, 512)).class_count == 19
    assert recognize((1, 19, 129, 257), network_wh=(1025, 513)).class_count == 19
    with pytest.raises(ModelError, match='no two axes with the aspect ratio of the 1024×512'):
        recognize((1, 19, 256, 128), network_wh=(1024, 512))


@pytest.mark.parametrize(
    ('shape', 'dtype', 'info', 'error', 'text'),
    [
        pytest.param(
            (1, 1000), np.float32, {}, ModelError, 'does not hold a score for each', id='classes'
        ),
        pytest.param((2, 4, 224, 224), np.float32, {}, ModelError, 'one image', id='batch'),
        pytest.param(
            (1, 4, 100, 224), np.float32, {}, ModelError, 'aspect ratio', id='aspect_ratio'
        ),
        pytest.param(
            (1, 84, 8400), np.float32, {}, ModelError, 'does not hold a score', id='detector'
        ),
        pytest.param(
            (1, 3, 224, 224), np.int64, {}, ModelError, 'does not hold a class id', id='many_ids'
        ),
        pytest.param(
            (1, 4, 224, 224),
            np.float32,
            {'class_names': FOUR[:3]},
            ModelError,
            'has 4 classes, but class_names has 3',
            id='names',
        ),
        pytest.param((1, 0, 224, 224), np.float32, {}, ModelError, 'has no classes', id='0'),
        pytest.param(
            (1, 257, 224, 224), np.float32, {}, ModelError, '257 classes.*at most 256', id='257'
        ),
        pytest.param(
            (1, 224, 224),
            np.int64,
            {'class_names': tuple(map(str, range(257)))},
            ModelError,
            '257 classes',
            id='257_names',
        ),
        pytest.param(
            (1, 224, 224), np.int64, {'output': 'logits'}, ModelError, 'integers', id='integers'
        ),
        pytest.param(
            (1, 4, 224, 224), np.float32, {'task': 'detect'}, ModelError, "'detect'", id='task'
        ),
        pytest.param(
            (1, 1, 224, 224),
            np.float32,
            {},
            ParameterError,
            "one channel; set 'output' to what it holds: logits .*probabilities, or class_ids",
            id='one_channel',
        ),
        pytest.param(
            (1, 4, 224, 224),
            np.float32,
            {'output': 'softmax'},
            ParameterError,
            "'softmax'; choose one of logits, probabilities, class_ids",
            id='output',
        ),
    ],
)
def test_not_recognized(shape, dtype, info, error, text):
    with pytest.raises(error, match=text) as caught:
        recognize(shape, dtype, **info)
    if error is ParameterError:
        assert caught.value.parameter == 'output'


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def plain_mask(scores, size_wh):
    """Resized one by one and compared as a whole, as the definition says."""
    planes = [cv2.resize(np.ascontiguousarray(plane), size_wh) for plane in scores]
    return np.argmax(planes, axis=0).astype(np.uint8)


def smooth_logits(classes, height, width, seed=0, sharpness=4.0):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(classes, 5, 6)).astype(np.float32)
    planes = [
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in coarse
    ]
    return np.array(planes)[None] * np.float32(sharpness)


def spots(height, width):
    """Mostly background, with a few small spots: most of the image is certain."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    logits = np.full((1, 4, height, width), -6, np.float32)
    logits[0, 0] = 6
    for class_id, (row, column, radius) in enumerate(((9, 9, 4), (30, 50, 8), (60, 3, 3)), 1):
        inside = (radius - np.hypot(y - row, x - column)) * 2
        logits[0, class_id] = np.maximum(logits[0, class_id], inside)
        logits[0, 0] = np.minimum(logits[0, 0], -inside)
    return logits


@pytest.mark.parametrize('interpolation', ['probabilities', 'logits'])
@pytest.mark.parametrize(
    'logits',
    [
        pytest.param(smooth_logits(4, 56, 56), id='smooth'),
        pytest.param(smooth_logits(21, 56, 56, 1), id='21_classes'),
        pytest.param(smooth_logits(4, 56, 56, 2, 40.0), id='certain'),
        pytest.param(smooth_logits(256, 14, 14, 3), id='256_classes'),
        pytest.param(np.random.default_rng(4).normal(size=(1, 4, 56, 56)), id='noise'),
        pytest.param(spots(64, 64), id='spots'),
        pytest.param(np.zeros((1, 4, 56, 56)), id='ties'),
        pytest.param(np.eye(4)[:, [3]].reshape(1, 4, 1, 1).repeat(56, 2), id='one_column'),
        pytest.param(np.array([[[[0.0]], [[1.0]]]]), id='one_point'),
    ],
)
@pytest.mark.parametrize('source_wh', [(320, 180), (31, 33), (56, 56), (20, 20)], ids=str)
def test_multiclass_equals_the_plain_computation_bit_for_bit(logits, source_wh, interpolation):
    logits = logits.astype(np.float32)
    classes = logits.shape[1]
    layout = SegmentationLayout('logits', classes)
    transform = fit(source_wh, (224, 224), 'stretch')
    options = SegmentationOptions(interpolation=interpolation)
    found = segment(logits, layout, transform, options)
    scores = softmax(logits[0]) if interpolation == 'probabilities' else logits[0]
    expected = plain_mask(scores, source_wh)
    assert np.array_equal(found.mask, expected)
    assert found.mask.dtype == np.uint8
    assert found.pixels.tolist() == np.bincount(expected.ravel(), minlength=classes).tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(2, 12),
    grid=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    source_wh=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    sharpness=st.sampled_from([0.1, 3.0, 50.0]),
)
def test_any_sizes_equal_the_plain_computation(seed, classes, grid, source_wh, sharpness):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=sharpness, size=(1, classes, *grid)).astype(np.float32)
    layout = SegmentationLayout('logits', classes)
    transform = fit(source_wh, (grid[1], grid[0]), 'stretch')
    found = segment(logits, layout, transform, OF_LOGITS)
    assert np.array_equal(found.mask, plain_mask(logits[0], source_wh))


@pytest.mark.parametrize('offset', [0.0, -3.0, 1000.0])
@pytest.mark.parametrize('score', [0.125, 0.09375], ids=['wins_in_the_middle', 'never_wins'])
def test_a_class_may_win_between_points_where_it_never_does(score, offset):
    scores = np.zeros((5, 2, 2), np.float32)
    scores[range(4), [0, 0, 1, 1], [0, 1, 0, 1]] = 0.375
    scores[4] = score
    scores += np.float32(offset)
    layout = SegmentationLayout('logits', 5)
    found = segment(scores[None], layout, fit((9, 9), (2, 2), 'stretch'), OF_LOGITS)
    assert np.array_equal(found.mask, plain_mask(scores, (9, 9)))
    assert (found.mask[4, 4] == 4) == (score > 0.375 / 4)


@pytest.mark.parametrize('highest', [0, 3, 7, 8, 9, 255])
def test_pixels_of_each_class_are_counted(highest):
    ids = np.random.default_rng(highest).integers(0, highest + 1, (40, 30)).astype(np.int64)
    ids[0, 0] = highest
    layout = SegmentationLayout('class_ids', 6)
    found = segment(ids[None], layout, fit((30, 40), (30, 40), 'stretch'), SegmentationOptions())
    assert found.pixels.tolist() == np.bincount(ids.ravel(), minlength=6).tolist()


def test_float16_and_channels_last():
    logits = np.rint(smooth_logits(4, 56, 56) * 16) / 16  # exact in float16
    transform = fit((320, 180), (56, 56), 'stretch')
    expected = segment(logits, LOGITS, transform, IMAGE)
    half = segment(logits.astype(np.float16), LOGITS, transform, IMAGE)
    last = SegmentationLayout('logits', 4, channels_last=True)
    turned = segment(np.ascontiguousarray(logits.transpose(0, 2, 3, 1)), last, transform, IMAGE)
    assert np.array_equal(half.mask, expected.mask)
    assert np.array_equal(turned.mask, expected.mask)


def test_probabilities_are_taken_as_they_are():
    probabilities = softmax(smooth_logits(4, 56, 56)[0])[None]
    transform = fit((320, 180), (56, 56), 'stretch')
    layout = SegmentationLayout('probabilities', 4)
    expected = plain_mask(probabilities[0], (320, 180))
    for options in (IMAGE, OF_LOGITS):
        assert np.array_equal(segment(probabilities, layout, transform, options).mask, expected)


@pytest.mark.parametrize('interpolation', ['probabilities', 'logits'])
@pytest.mark.parametrize('shape', [(1, 1, 56, 56), (1, 56, 56), (1, 56, 56, 1)], ids=str)
def test_binary_logits(shape, interpolation):
    logits = smooth_logits(1, 56, 56)
    layout = recognize(shape, network_wh=(56, 56), output='logits')
    transform = fit((320, 180), (56, 56), 'stretch')
    options = SegmentationOptions(interpolation=interpolation)
    found = segment(logits.reshape(shape), layout, transform, options)
    plane = logits[0, 0]
    if interpolation == 'probabilities':
        plane = 1 / (1 + np.exp(-plane.astype(np.float64))).astype(np.float32)
    expected = cv2.resize(plane, (320, 180)) > (0.5 if interpolation == 'probabilities' else 0)
    assert (found.mask != expected).mean() < 1e-3  # rounding of the sigmoid at the very border
    assert set(np.unique(found.mask)) <= {0, 1}
    assert found.pixels.tolist() == [int((found.mask == i).sum()) for i in range(2)]


def test_binary_probabilities():
    probabilities = np.array([[[[0.2, 0.2], [0.6, 0.6]]]], np.float32)
    layout = SegmentationLayout('probabilities', 2, binary=True)
    found = segment(probabilities, layout, fit((4, 4), (2, 2), 'stretch'), IMAGE)
    # Rows at 0.2, 0.3, 0.5 (not above it) and 0.6.
    assert found.mask.tolist() == [[0] * 4, [0] * 4, [0] * 4, [1] * 4] or found.mask[3].all()
    assert not found.mask[:2].any()


@pytest.mark.parametrize('dtype', [np.int64, np.int32, np.uint8, np.float32])
@pytest.mark.parametrize('shape', [(1, 4, 6), (1, 1, 4, 6), (4, 6), (1, 4, 6, 1)], ids=str)
def test_class_ids_are_repeated(shape, dtype):
    ids = np.random.default_rng(0).integers(0, 4, (4, 6)).astype(dtype)
    transform = fit((60, 40), (6, 4), 'stretch')
    found = segment(ids.reshape(shape), SegmentationLayout('class_ids', 4), transform, IMAGE)
    assert np.array_equal(found.mask, ids.astype(np.uint8).repeat(10, axis=0).repeat(10, axis=1))
    assert found.pixels.sum() == 2400


def test_class_ids_of_unknown_number():
    ids = np.array([[0, 7]], np.int64)
    found = segment(ids, SegmentationLayout('class_ids', 0), fit((2, 1), (2, 1), 'stretch'), IMAGE)
    assert found.pixels.tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


def halves(grid_wh, content_wh, offset_xy):
    """Scores of a letterboxed image: left half 1, right half 2, and 3 all over the padding."""
    (width, height), (content_w, content_h) = grid_wh, content_wh
    scores = np.zeros((1, 4, height, width), np.float32)
    scores[0, 3] = 9
    left, top = offset_xy
    inside = scores[0, :, top : top + content_h, left : left + content_w]
    inside[:] = 0
    inside[1, :, : content_w // 2] = 5
    inside[2, :, content_w // 2 :] = 5
    return scores


@pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left'])
@pytest.mark.parametrize('options', [IMAGE, OF_LOGITS], ids=['probabilities', 'logits'])
@pytest.mark.parametrize('source_wh', [(1280, 720), (720, 1280), (640, 640)], ids=str)
def test_the_padding_of_a_letterbox_is_cut_off(source_wh, options, resize):
    transform = fit(source_wh, (64, 64), resize)
    scores = halves((64, 64), transform.content_wh, transform.offset_xy)
    found = segment(scores, LOGITS, transform, options)
    width, height = source_wh
    assert found.mask.shape == (height, width)
    assert (found.mask[:, : width // 2 - 1] == 1).all()
    assert (found.mask[:, width // 2 + 1 :] == 2).all()


def ramp_logits(grid_wh, network_wh, transform, source_x):
    """Class 1 right of a vertical line of the source image, by a linear score."""
    x = (np.arange(grid_wh[0]) + 0.5) * network_wh[0] / grid_wh[0]
    line = transform.source_to_network(np.array([source_x, 0], np.float32))[0]
    scores = np.zeros((1, 2, grid_wh[1], grid_wh[0]), np.float32)
    scores[0, 1] = x - line
    return scores


@pytest.mark.parametrize('stride', [1, 4, 8])
@pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left', 'stretch'])
@pytest.mark.parametrize('source_wh', [(720, 1280), (270, 480), (333, 1000)], ids=str)
def test_a_coarse_grid_keeps_the_geometry(source_wh, resize, stride):
    # The padding ends within a grid point here: 640 - 360 is 140 at either side, 17.5 × 8.
    network_wh = (640, 640)
    transform = fit(source_wh, network_wh, resize)
    line = round(source_wh[0] * 0.6)
    grid_wh = (640 // stride, 640 // stride)
    scores = ramp_logits(grid_wh, network_wh, transform, line)
    mask = segment(scores, SegmentationLayout('logits', 2), transform, OF_LOGITS).mask
    first = mask.argmax(axis=1)
    assert np.abs(first - line).max() <= 1 + source_wh[0] / transform.content_wh[0] / 32 * stride


@pytest.mark.parametrize('stride', [1, 8])
def test_class_ids_of_a_letterbox_keep_the_geometry(stride):
    transform = fit((720, 1280), (640, 640), 'letterbox')
    line = transform.source_to_network(np.array([432, 0], np.float32))[0]
    x = (np.arange(640 // stride) + 0.5) * stride
    ids = np.tile((x > line).astype(np.int32), (640 // stride, 1))
    mask = segment(ids, SegmentationLayout('class_ids', 2), transform, IMAGE).mask
    assert mask.shape == (1280, 720)
    assert np.abs(mask.argmax(axis=1) - 432).max() <= stride + 1


@pytest.mark.parametrize(
    ('resize', 'shape'), [('stretch', (64, 64)), ('letterbox', (36, 64))], ids=str
)
def test_mask_of_the_networks_size(resize, shape):
    transform = fit((1280, 720), (64, 64), resize)
    logits = smooth_logits(4, 64, 64)
    found = segment(logits, LOGITS, transform, OF_NETWORK)
    assert found.mask.shape == shape
    top = transform.offset_xy[1]
    expected = logits[0].argmax(axis=0)[top : top + shape[0]]
    assert np.array_equal(found.mask, expected)
    ids = segment(
        expected[None],
        SegmentationLayout('class_ids', 4),
        fit((9, 9), shape[::-1], 'stretch'),
        OF_NETWORK,
    )
    assert np.array_equal(ids.mask, expected)


ANY_OPTIONS = pytest.mark.parametrize('options', [IMAGE, OF_LOGITS, OF_NETWORK], ids=str)


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf, -np.inf], ids=str)
@ANY_OPTIONS
@pytest.mark.filterwarnings('error')
def test_an_output_of_nothing_but_garbage_fails_the_frame(value, options, dtype):
    transform = fit((320, 180), (56, 56), 'stretch')
    garbage = np.full((1, 4, 56, 56), value, dtype)
    for layout in (
        LOGITS,
        SegmentationLayout('probabilities', 4),
        SegmentationLayout('logits', 2, binary=True),
        SegmentationLayout('class_ids', 4),
    ):
        of_layout = garbage[:, :1] if layout.binary or layout.output == 'class_ids' else garbage
        with pytest.raises(
            ModelError, match=r'for 3136 of 3136 grid points: .* precision to fp32'
        ):
            segment(of_layout, layout, transform, options)


@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf], ids=str)
@ANY_OPTIONS
def test_a_nan_score_at_one_point_fails_the_frame(value, options):
    transform = fit((320, 180), (56, 56), 'stretch')
    logits = smooth_logits(4, 56, 56)
    logits[0, 2, 10, 10] = value
    with pytest.raises(ModelError, match='NaN or infinite scores for 1 of 3136 grid points'):
        segment(logits, LOGITS, transform, options)


@ANY_OPTIONS
@pytest.mark.filterwarnings('error')
def test_a_class_may_be_ruled_out_by_minus_infinity(options):
    transform = fit((320, 180), (56, 56), 'stretch')
    logits = smooth_logits(4, 56, 56)
    logits[0, 2] = -np.inf
    found = segment(logits, LOGITS, transform, options)
    assert found.pixels[2] == 0
    assert found.pixels.sum() == found.mask.size


def test_nan_in_the_padding_is_ignored():
    transform = fit((320, 160), (64, 64), 'letterbox')
    logits = smooth_logits(4, 64, 64)
    expected = segment(logits, LOGITS, transform, IMAGE)
    logits[..., :16, :] = np.nan
    assert np.array_equal(segment(logits, LOGITS, transform, IMAGE).mask, expected.mask)


def test_results_do_not_share_memory_with_the_next():
    transform = fit((320, 180), (56, 56), 'stretch')
    first = segment(smooth_logits(4, 56, 56, 1), LOGITS, transform, IMAGE)
    kept = first.mask.copy()
    segment(smooth_logits(4, 56, 56, 2), LOGITS, transform, IMAGE)
    assert np.array_equal(first.mask, kept)


def test_two_threads_do_not_disturb_each_other():
    from concurrent.futures import ThreadPoolExecutor

    transform = fit((320, 180), (56, 56), 'stretch')
    jobs = [smooth_logits(4, 56, 56, seed) for seed in range(40)]
    expected = [plain_mask(softmax(job[0]), (320, 180)) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        masks = list(pool.map(lambda job: segment(job, LOGITS, transform, IMAGE).mask, jobs))
    assert all(np.array_equal(mask, want) for mask, want in zip(masks, expected, strict=True))


def test_ratio():
    ids = np.array([[0, 1], [1, 1]])
    found = segment(ids, SegmentationLayout('class_ids', 3), fit((2, 2), (2, 2), 'stretch'), IMAGE)
    assert found.ratio.tolist() == [0.25, 0.75, 0]


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'mask_size': 'full'}, "'full'; choose one of image, network"),
        ({'interpolation': 'cubic'}, "'cubic'; choose one of probabilities, logits"),
    ],
)
def test_unusable_options(arguments, text):
    with pytest.raises(ParameterError, match=text) as caught:
        SegmentationOptions(**arguments)
    assert caught.value.parameter in arguments


@pytest.mark.parametrize('blend', [-0.1, 1.5, float('nan'), True, '0.5', None])
def test_an_invalid_blend_is_refused(blend):
    with pytest.raises(ParameterError, match='0 to 1') as caught:
        PictureOptions(tinted=True, blend=blend)
    assert caught.value.parameter == 'blend'


def plain_probabilities(scores, layout):
    """Of each class at each grid point, by the definition."""
    if layout.binary:
        foreground = 1 / (1 + np.exp(-scores)) if layout.output == 'logits' else scores
        return np.concatenate((1 - foreground, foreground))
    return softmax(scores) if layout.output == 'logits' else scores


@pytest.mark.parametrize('interpolation', ['probabilities', 'logits'])
@pytest.mark.parametrize(
    'layout',
    [
        pytest.param(LOGITS, id='logits'),
        pytest.param(SegmentationLayout('probabilities', 4), id='probabilities'),
        pytest.param(SegmentationLayout('logits', 2, binary=True), id='binary'),
    ],
)
def test_the_confidence_is_the_probability_of_the_masks_class(layout, interpolation):
    classes = 1 if layout.binary else 4
    scores = smooth_logits(classes, 24, 32)[0]
    if layout.output == 'probabilities':
        scores = softmax(scores)
    options = SegmentationOptions(interpolation=interpolation, confidence=True)
    found = segment(scores[None], layout, fit((100, 75), (32, 24), 'stretch'), options)
    enlarged = [
        cv2.resize(plane.astype(np.float32), (100, 75))
        for plane in plain_probabilities(scores, layout)
    ]
    expected = np.take_along_axis(np.array(enlarged), found.mask[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(found.confidence, expected * 255, atol=0.51)
    assert found.confidence.dtype == np.uint8
    assert np.ptp(found.confidence) > 50


@pytest.mark.parametrize('resize', ['letterbox', 'stretch'])
@pytest.mark.parametrize('mask_size', ['image', 'network'])
def test_the_confidence_has_the_place_and_the_size_of_the_mask(resize, mask_size):
    """A network that is sure on the left and unsure on the right of a very wide image."""
    transform = fit((200, 50), (64, 64), resize)
    scores = np.zeros((1, 2, 64, 64), np.float32)
    scores[0, 1, :, :32], scores[0, 1, :, 32:] = 20, 1
    options = SegmentationOptions(mask_size, confidence=True)
    found = segment(scores, SegmentationLayout('logits', 2), transform, options)
    assert found.confidence.shape == found.mask.shape
    middle = found.mask.shape[1] // 2
    assert (found.confidence[:, : middle - 3] == 255).all()
    assert (found.confidence[:, middle + 3 :] == round(255 / (1 + np.exp(-1)))).all()


def test_no_confidence_unless_asked_and_none_of_class_ids():
    scores = smooth_logits(4, 24, 32)
    transform = fit((32, 24), (32, 24))
    assert segment(scores, LOGITS, transform, IMAGE).confidence is None
    ids = scores.argmax(axis=1).astype(np.uint8)
    sure = SegmentationOptions(confidence=True)
    assert segment(ids, SegmentationLayout('class_ids', 4), transform, sure).confidence is None


def test_a_class_that_is_ruled_out_leaves_the_confidence_whole():
    scores = smooth_logits(4, 24, 32)
    scores[0, 2] = -np.inf
    sure = SegmentationOptions(confidence=True)
    found = segment(scores, LOGITS, fit((60, 40), (32, 24), 'stretch'), sure)
    assert found.confidence.min() > 255 / 4 - 1
