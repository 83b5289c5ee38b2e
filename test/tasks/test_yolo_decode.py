"""Boxes and keypoints out of YOLO outputs, in pixels of the source image."""

import numpy as np
import pytest

from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.tasks import yolo
from jetson_perception.tasks.detection_options import DetectionOptions, score_thresholds
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.yolo import YoloLayout, decode

LETTERBOX = fit((1280, 720), (640, 640), 'letterbox')  # half the size, 140 pixels down
ANCHORS = 8400
HUMAN = (17, 3)

ANCHOR_FREE = YoloLayout('anchor_free', 80, None, False)
ANCHOR_FREE_LAST = YoloLayout('anchor_free', 80, None, True)
OBJECTNESS = YoloLayout('objectness', 80, None, True)
OBJECTNESS_FIRST = YoloLayout('objectness', 80, None, False)
END_TO_END = YoloLayout('end_to_end', 80, None, True)
POSE = YoloLayout('anchor_free', 1, HUMAN, False)
POSE_END_TO_END = YoloLayout('end_to_end', 1, HUMAN, True)
ALL = [ANCHOR_FREE, ANCHOR_FREE_LAST, OBJECTNESS, OBJECTNESS_FIRST, END_TO_END]
SEGMENT = [
    YoloLayout('anchor_free', 3, None, False, 0, 2, 1),
    YoloLayout('anchor_free', 3, None, True, 1, 2, 0),
    YoloLayout('objectness', 3, None, True, 0, 2, 1),
    YoloLayout('end_to_end', 3, None, True, 0, 2, 1),
]


def row(layout, box, score, class_id, keypoints=()):
    """One anchor: box as left, top, right, bottom in the network's pixels.

    Mask coefficients go where keypoints do.
    """
    left, top, right, bottom = box
    if layout.family == 'end_to_end':
        return [*box, score, class_id, *np.ravel(keypoints)]
    scores = np.zeros(layout.class_count)
    center = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    if layout.family == 'objectness':
        scores[class_id] = score / 0.5 if score <= 0.5 else 1.0
        return [*center, score / scores[class_id], *scores, *np.ravel(keypoints)]
    scores[class_id] = score
    return [*center, *scores, *np.ravel(keypoints)]


def output(layout, rows, dtype=np.float32, anchors=ANCHORS):
    tensor = np.zeros((1, anchors, layout.value_count), dtype)
    for index, values in rows.items():
        tensor[0, index] = values
    return [tensor if layout.channels_last else np.ascontiguousarray(tensor.transpose(0, 2, 1))]


def names(layouts):
    return [
        f'{x.family}{"_last" * x.channels_last}{"_pose" * bool(x.keypoint_shape)}' for x in layouts
    ]


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', ALL, ids=names(ALL))
def test_boxes_in_source_pixels_best_first(layout, dtype):
    rows = {
        5: row(layout, (100, 240, 200, 340), 0.5, 0),
        4000: row(layout, (400, 300, 480, 400), 0.75, 79),
        17: row(layout, (0, 0, 50, 50), 0.125, 3),
    }
    found = decode(output(layout, rows, dtype), layout, LETTERBOX, DetectionOptions())
    assert found.xyxy.tolist() == [[800, 320, 960, 520], [200, 200, 400, 400]]
    assert found.score.tolist() == [0.75, 0.5]
    assert found.class_id.tolist() == [79, 0]
    assert found.keypoints is None
    assert (found.xyxy.dtype, found.score.dtype) == (np.float32, np.float32)
    assert found.class_id.dtype == np.int32


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize(
    'layout', [*ALL, POSE, POSE_END_TO_END], ids=names([*ALL, POSE, POSE_END_TO_END])
)
def test_nothing_found(layout, dtype):
    found = decode(output(layout, {}, dtype), layout, LETTERBOX, DetectionOptions())
    assert len(found) == 0
    if layout.keypoint_shape:
        assert found.keypoints.shape == (0, 17, 3)
    else:
        assert found.keypoints is None


def test_class_0_counts_in_every_family():
    # A decoder that skips the column after the box, as v5 needs and v8 does not, loses class 0.
    for layout in ALL:
        rows = {1: row(layout, (100, 200, 200, 300), 0.9, 0)}
        found = decode(output(layout, rows), layout, LETTERBOX, DetectionOptions())
        assert found.class_id.tolist() == [0], layout


def test_objectness_and_class_are_multiplied():
    values = np.zeros(85)
    values[:5] = 320, 320, 50, 50, 0.75
    values[5 + 2], values[5 + 7] = 0.5, 0.25
    options = DetectionOptions(score_threshold=0.3)
    found = decode(output(OBJECTNESS, {9: values}), OBJECTNESS, LETTERBOX, options)
    assert found.score.tolist() == [0.375]
    assert found.class_id.tolist() == [2]
    options = DetectionOptions(score_threshold=0.4)
    assert len(decode(output(OBJECTNESS, {9: values}), OBJECTNESS, LETTERBOX, options)) == 0


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', ALL, ids=names(ALL))
@pytest.mark.parametrize('threshold', [0.1, 0.25, 0.3, 0.7001, 1.0])
def test_scores_of_the_threshold_and_above_stay(layout, threshold, dtype):
    steps = np.nextafter(dtype(threshold), dtype([0, 2]))
    scores = [dtype(threshold), *steps[steps <= 1]]
    rows = {i: row(layout, (i * 60, 200, i * 60 + 50, 250), 1, 3) for i in range(len(scores))}
    column = {'objectness': 4, 'end_to_end': 4, 'anchor_free': 4 + 3}[layout.family]
    for i, score in enumerate(scores):
        rows[i][column] = score
    options = DetectionOptions(score_threshold=threshold)
    found = decode(output(layout, rows, dtype), layout, LETTERBOX, options)
    expected = sorted((float(s) for s in scores if np.float32(s) >= threshold), reverse=True)
    assert found.score.tolist() == expected


def test_overlapping_boxes_of_one_class_are_suppressed():
    rows = {
        1: row(ANCHOR_FREE, (100, 200, 200, 300), 0.9, 3),
        2: row(ANCHOR_FREE, (105, 200, 205, 300), 0.8, 3),
        3: row(ANCHOR_FREE, (105, 200, 205, 300), 0.7, 4),
        4: row(ANCHOR_FREE, (150, 200, 250, 300), 0.6, 3),
    }
    tensors = output(ANCHOR_FREE, rows)

    def scores(**options):
        found = decode(tensors, ANCHOR_FREE, LETTERBOX, DetectionOptions(**options))
        return found.score.round(2).tolist()

    assert scores() == pytest.approx([0.9, 0.7, 0.6])
    assert scores(iou_threshold=0.3) == pytest.approx([0.9, 0.7])
    assert scores(iou_threshold=1.0) == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert scores(class_agnostic=True) == pytest.approx([0.9, 0.6])
    assert scores(max_detections=1) == pytest.approx([0.9])


def test_suppression_takes_corners_not_sizes():
    # Seed-style cv2.dnn.NMSBoxes on corners would take (500, 500, 520, 520) for a huge box.
    rows = {
        1: row(ANCHOR_FREE, (500, 400, 520, 420), 0.9, 3),
        2: row(ANCHOR_FREE, (540, 440, 560, 460), 0.8, 3),
    }
    options = DetectionOptions(iou_threshold=0.1)
    assert len(decode(output(ANCHOR_FREE, rows), ANCHOR_FREE, LETTERBOX, options)) == 2


def test_end_to_end_needs_no_suppression():
    rows = {i: row(END_TO_END, (100, 200, 200, 300), 0.5 + i / 16, 3) for i in range(4)}
    tensors = output(END_TO_END, rows, anchors=300)
    found = decode(tensors, END_TO_END, LETTERBOX, DetectionOptions(max_detections=3))
    assert found.score.tolist() == [0.6875, 0.625, 0.5625]


FINITE = [ANCHOR_FREE, ANCHOR_FREE_LAST, OBJECTNESS, OBJECTNESS_FIRST, END_TO_END]


def spoilt(layout, column, value, dtype=np.float32, score=0.9):
    """Two objects, the second with a value that is none."""
    bad = row(layout, (100, 200, 200, 300), score, 3)
    bad[column] = value
    return output(layout, {100: row(layout, (10, 200, 60, 260), 0.9, 3), 7: bad}, dtype)


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', FINITE, ids=names(FINITE))
@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf], ids=['nan', 'negative_nan', 'inf'])
@pytest.mark.parametrize('score', [0.9, 0.01], ids=['found', 'not_found'])
@pytest.mark.filterwarnings('error')
def test_one_nan_score_fails_the_frame(layout, value, dtype, score):
    tensors = spoilt(layout, 4, value, dtype, score)
    with pytest.raises(ModelError, match=r'NaN or infinite scores for 1 of 8400 (anchors|rows)'):
        decode(tensors, layout, LETTERBOX, DetectionOptions())


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', FINITE, ids=names(FINITE))
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize('column', range(4))
@pytest.mark.filterwarnings('error')
def test_a_non_finite_box_fails_the_frame_if_it_counts(layout, value, dtype, column):
    tensors = spoilt(layout, column, value, dtype)
    with pytest.raises(ModelError, match=r'boxes.* for 1 of 8400 (anchors|rows): .* fp32'):
        decode(tensors, layout, LETTERBOX, DetectionOptions())
    tensors = spoilt(layout, column, value, dtype, score=0.01)
    found = decode(tensors, layout, LETTERBOX, DetectionOptions())
    assert found.xyxy.tolist() == [[20, 120, 120, 240]]
    found = decode(tensors, layout, LETTERBOX, DetectionOptions(0.01, class_ids=(4,)))
    assert len(found) == 0


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf], ids=str)
def test_a_non_finite_class_fails_the_frame(value):
    with pytest.raises(ModelError, match='boxes or classes for 1 of 8400 rows'):
        decode(spoilt(END_TO_END, 5, value), END_TO_END, LETTERBOX, DetectionOptions())
    options = DetectionOptions(class_ids=(4,))
    with pytest.raises(ModelError, match='boxes or classes for 1 of 8400 rows'):
        decode(spoilt(END_TO_END, 5, value), END_TO_END, LETTERBOX, options)


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', [ANCHOR_FREE, ANCHOR_FREE_LAST], ids=lambda x: x.family)
def test_a_class_may_be_ruled_out_by_minus_infinity(layout, dtype):
    found = decode(spoilt(layout, 4, -np.inf, dtype), layout, LETTERBOX, DetectionOptions())
    assert found.xyxy.tolist() == [[200, 120, 400, 320], [20, 120, 120, 240]]


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', [ANCHOR_FREE, ANCHOR_FREE_LAST], ids=lambda x: x.family)
def test_negative_scores_are_low_ones(layout, dtype):
    found = decode(spoilt(layout, 4, -3, dtype), layout, LETTERBOX, DetectionOptions())
    assert len(found) == 2
    tensors = spoilt(layout, 4, -3, dtype)
    tensors[0][np.isclose(tensors[0], 0.9, atol=1e-3)] = -0.5
    assert len(decode(tensors, layout, LETTERBOX, DetectionOptions())) == 0


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize('layout', ALL, ids=names(ALL))
def test_an_output_of_nothing_but_garbage(layout, value, dtype):
    rows = {i: np.full(layout.value_count, value) for i in range(ANCHORS)}
    with pytest.raises(ModelError, match='scores for 8400 of 8400'):
        decode(output(layout, rows, dtype), layout, LETTERBOX, DetectionOptions())


@pytest.mark.parametrize('layout', ALL, ids=names(ALL))
def test_no_anchors_at_all(layout):
    shape = (1, 0, layout.value_count) if layout.channels_last else (1, layout.value_count, 0)
    found = decode([np.empty(shape, np.float32)], layout, LETTERBOX, DetectionOptions())
    assert len(found) == 0


def test_boxes_are_clipped_and_those_outside_are_dropped():
    rows = {
        1: row(ANCHOR_FREE, (-20, 120, 100, 700), 0.9, 3),
        2: row(ANCHOR_FREE, (100, 0, 200, 140), 0.8, 3),
        3: row(ANCHOR_FREE, (300, 200, 300, 300), 0.7, 3),
        4: row(ANCHOR_FREE, (700, 200, 800, 300), 0.6, 3),
    }
    found = decode(output(ANCHOR_FREE, rows), ANCHOR_FREE, LETTERBOX, DetectionOptions())
    assert found.xyxy.tolist() == [[0, 0, 200, 720]]


def test_end_to_end_rows_of_unknown_classes_are_dropped():
    rows = {i: row(END_TO_END, (100, 200, 200, 300), 0.9, c) for i, c in enumerate((-1, 79, 80))}
    found = decode(
        output(END_TO_END, rows, anchors=300), END_TO_END, LETTERBOX, DetectionOptions()
    )
    assert found.class_id.tolist() == [79]
    unknown = YoloLayout('end_to_end', 0, None, True)
    found = decode(output(END_TO_END, rows, anchors=300), unknown, LETTERBOX, DetectionOptions())
    assert found.class_id.tolist() == [79, 80]


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('shape', [(17, 3), (17, 2), (4, 3), (1, 2)], ids=str)
@pytest.mark.parametrize('family', ['anchor_free', 'end_to_end'])
@pytest.mark.parametrize('classes', [1, 80])
def test_keypoints(family, shape, classes, dtype):
    layout = YoloLayout(family, classes, shape, channels_last=family == 'end_to_end')
    count, depth = shape
    near = np.tile([150, 250, 0.5][:depth], (count, 1))
    far = np.tile([600, 700, 0.0][:depth], (count, 1))  # below the image: at its edge
    far[:, 0] += np.arange(count)
    rows = {
        3: row(layout, (100, 200, 200, 300), 0.5, 0, far),
        9: row(layout, (400, 200, 500, 300), 0.75, classes - 1, near),
    }
    found = decode(output(layout, rows, dtype, 300), layout, LETTERBOX, DetectionOptions())
    assert found.class_id.tolist() == [classes - 1, 0]
    assert found.keypoints.shape == (2, count, 3)
    assert found.keypoints.dtype == np.float32
    assert (found.keypoints[0] == (300, 220, 0.5 if depth == 3 else 1)).all()
    expected = [[1200 + 2 * i, 720, 0 if depth == 3 else 1] for i in range(count)]
    assert found.keypoints[1].tolist() == pytest.approx(np.array(expected), abs=1)


@pytest.mark.parametrize('layout', [POSE, POSE_END_TO_END], ids=lambda x: x.family)
@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_non_finite_keypoints_fail_the_frame(layout, dtype):
    points = np.tile([150, 250, 0.5], (17, 1))
    points[3, 0], points[4, 2] = np.nan, np.inf
    rows = {3: row(layout, (100, 200, 200, 300), 0.9, 0, points)}
    with pytest.raises(ModelError, match='keypoints for 2 of 17 keypoints'):
        decode(output(layout, rows, dtype), layout, LETTERBOX, DetectionOptions())
    found = decode(output(layout, rows, dtype), layout, LETTERBOX, DetectionOptions(0.95))
    assert len(found) == 0


def test_the_best_candidates_are_found_among_many():
    rng = np.random.default_rng(0)
    tensors = output(ANCHOR_FREE, {})
    tensors[0][0, :2] = rng.uniform(150, 490, (2, ANCHORS))
    tensors[0][0, 2:4] = 4
    tensors[0][0, 4:] = rng.uniform(0, 1, (80, ANCHORS))
    options = DetectionOptions(score_threshold=0.0, max_detections=50)
    found = decode(tensors, ANCHOR_FREE, LETTERBOX, options)
    best = np.sort(tensors[0][0, 4:].max(axis=0))[::-1]
    assert len(found) == 50
    assert ANCHORS > yolo.MAX_CANDIDATES > 50
    assert found.score[0] == best[0]
    assert set(found.score.tolist()) <= set(best[: yolo.MAX_CANDIDATES].tolist())
    assert (np.diff(found.score) <= 0).all()


def test_stretched_images_have_a_factor_for_each_axis():
    stretch = fit((1280, 360), (640, 640), 'stretch')
    rows = {1: row(ANCHOR_FREE, (100, 200, 200, 300), 0.9, 3)}
    found = decode(output(ANCHOR_FREE, rows), ANCHOR_FREE, stretch, DetectionOptions())
    assert found.xyxy[0] == pytest.approx([200, 112.5, 400, 168.75])


def test_arrays_are_the_callers_own():
    for layout in (ANCHOR_FREE, END_TO_END, POSE_END_TO_END):
        points = np.ones(HUMAN) if layout.keypoint_shape else ()
        tensors = output(layout, {1: row(layout, (100, 200, 200, 300), 0.9, 0, points)})
        found = decode(tensors, layout, LETTERBOX, DetectionOptions())
        for values in (found.xyxy, found.score, found.class_id):
            assert not np.shares_memory(values, tensors[0])


@pytest.mark.parametrize(
    'shape', [(1, 85, 8400), (84, 8400), (1, 8400, 84)], ids=['values', 'axes', 'transposed']
)
def test_an_output_that_changed_its_shape(shape):
    with pytest.raises(ModelError, match=r'not \(1, …\) with 84 values per anchor'):
        decode([np.zeros(shape, np.float32)], ANCHOR_FREE, LETTERBOX, DetectionOptions())


def segment(layout, rows, dtype=np.float32, **options):
    """What is found with a prototype of ones and one that is 1 in the left half and -1 right."""
    prototypes = np.ones((1, 2, 160, 160), dtype)
    prototypes[0, 1, :, 80:] = -1
    outputs = [prototypes] * 2
    outputs[layout.output] = output(layout, rows, dtype, 300)[0]
    return decode(outputs, layout, LETTERBOX, DetectionOptions(**options))


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', SEGMENT, ids=names(SEGMENT))
def test_instance_masks_at_the_size_of_the_image(layout, dtype):
    """Both straddle the middle: the better one is all of its box, the other the left half."""
    rows = {
        5: row(layout, (240, 240, 400, 340), 0.5, 0, (0, 1)),
        40: row(layout, (300, 200, 340, 300), 0.75, 2, (1, 0)),
        41: row(layout, (302, 200, 340, 300), 0.625, 2, (1, 0)),
    }
    if layout.family == 'end_to_end':
        del rows[41]
    found = segment(layout, rows, dtype)
    assert found.class_id.tolist() == [2, 0]
    assert found.keypoints is None
    expected = np.zeros((720, 1280), np.uint8)
    expected[200:400, 480:640] = 2
    expected[120:320, 600:680] = 1
    np.testing.assert_array_equal(found.instance_ids, expected)


@pytest.mark.parametrize('layout', SEGMENT, ids=names(SEGMENT))
def test_no_instances(layout):
    found = segment(layout, {})
    assert len(found) == 0
    assert found.instance_ids.shape == (720, 1280)
    assert not found.instance_ids.any()


def test_ids_count_the_boxes_that_are_left():
    """A box in the padding is dropped, and so is what its row would have been called."""
    layout = SEGMENT[0]
    rows = {
        1: row(layout, (100, 0, 200, 140), 0.9, 0, (1, 0)),
        2: row(layout, (100, 200, 200, 300), 0.8, 1, (1, 0)),
        3: row(layout, (300, 200, 310, 210), 0.7, 1, (-1, 0)),
    }
    found = segment(layout, rows)
    assert found.score.round(2).tolist() == pytest.approx([0.8, 0.7])
    assert np.unique(found.instance_ids).tolist() == [0, 1]
    assert (found.instance_ids[120:320, 200:400] == 1).all()


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize('layout', SEGMENT, ids=names(SEGMENT))
def test_non_finite_masks_fail_the_frame(layout, value, dtype):
    rows = {1: row(layout, (100, 200, 200, 300), 0.9, 0, (1, value))}
    with pytest.raises(ModelError, match='mask coefficients for 1 of 2 values'):
        segment(layout, rows, dtype)
    assert not segment(layout, rows, dtype, score_threshold=0.95).instance_ids.any()
    rows = {1: row(layout, (100, 200, 200, 300), 0.9, 0, (1, 0))}
    prototypes = np.ones((1, 2, 160, 160), dtype)
    prototypes[0, 1, 3, 5] = value
    outputs = [prototypes] * 2
    outputs[layout.output] = output(layout, rows, dtype, 300)[0]
    with pytest.raises(ModelError, match='NaN or infinite mask prototypes: '):
        decode(outputs, layout, LETTERBOX, DetectionOptions())
    outputs[layout.output] = output(layout, {}, dtype, 300)[0]
    assert len(decode(outputs, layout, LETTERBOX, DetectionOptions())) == 0


@pytest.mark.parametrize('shape', [(1, 3, 160, 160), (2, 160, 160)])
def test_prototypes_that_changed_their_shape(shape):
    outputs = [output(SEGMENT[0], {})[0], np.zeros(shape, np.float32)]
    with pytest.raises(ModelError, match=r'output 1 is .* not \(1, 2, …\) mask prototypes'):
        decode(outputs, SEGMENT[0], LETTERBOX, DetectionOptions())


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('layout', [*ALL, POSE], ids=names([*ALL, POSE]))
@pytest.mark.parametrize(
    ('options', 'classes'),
    [
        pytest.param({'class_ids': None}, [0, 3, 79, 7], id='all'),
        pytest.param({'class_ids': ()}, [], id='no_class'),
        pytest.param({'class_ids': (3, 7)}, [3, 7], id='some'),
        pytest.param({'class_ids': (79, 500)}, [79], id='one_that_the_model_lacks'),
        pytest.param({'class_score_thresholds': ((0, 0.95),)}, [3, 79, 7], id='a_higher_one'),
        pytest.param(
            {'class_score_thresholds': ((5, 0.125),)}, [0, 3, 79, 7, 5], id='a_lower_one'
        ),
        pytest.param({'class_score_thresholds': ((3, 0.75),)}, [0, 3, 79, 7], id='reached'),
        pytest.param(
            {'class_ids': (0, 5), 'class_score_thresholds': ((5, 0.1), (3, 0.1))},
            [0, 5],
            id='both',
        ),
        pytest.param(
            {'class_ids': (5,), 'score_threshold': 0.1}, [5], id='and_the_threshold_of_all'
        ),
        pytest.param({'class_ids': (5,), 'max_detections': 1}, [], id='below_the_threshold'),
        pytest.param({'class_ids': (7,), 'max_detections': 1}, [7], id='counts_what_is_left'),
    ],
)
def test_classes_and_their_thresholds(layout, options, classes, dtype):
    scores = {0: 0.875, 3: 0.75, 79: 0.625, 7: 0.5, 5: 0.1875}
    if layout.class_count == 1:
        scores, classes = {0: 0.875}, [c for c in classes if c == 0]
    points = np.zeros(HUMAN) if layout.keypoint_shape else ()
    rows = {
        10 * i: row(layout, (60 * i, 200, 60 * i + 50, 250), score, class_id, points)
        for i, (class_id, score) in enumerate(scores.items())
    }
    tensors = output(layout, rows, dtype)
    found = decode(tensors, layout, LETTERBOX, DetectionOptions(**options))
    assert found.class_id.tolist() == classes


@pytest.mark.parametrize('zero', [0, 0.0, np.float32(0), np.int64(0)], ids=repr)
@pytest.mark.parametrize('own', [0.5, 1, np.float32(0.5)], ids=repr)
def test_a_whole_number_is_as_good_as_any(zero, own):
    """The first of equal options is kept, so that a 0 does not change what a 0.0 means."""
    rows = {
        1: row(ANCHOR_FREE, (100, 200, 200, 300), 0.4, 3),
        2: row(ANCHOR_FREE, (300, 200, 400, 300), 0.4, 7),
    }
    options = DetectionOptions(zero, class_ids=(3, 7), class_score_thresholds=((3, own),))
    assert type(options.score_threshold) is float
    lowest, table = score_thresholds(options)
    assert (lowest, table[3], table[7]) == (0.0, own, 0.0)
    found = decode(output(ANCHOR_FREE, rows), ANCHOR_FREE, LETTERBOX, options)
    assert found.class_id.tolist() == [7]


@pytest.mark.parametrize('layout', [ANCHOR_FREE, OBJECTNESS], ids=names([ANCHOR_FREE, OBJECTNESS]))
def test_classes_that_are_left_out_suppress_none(layout):
    rows = {
        1: row(layout, (100, 200, 200, 300), 0.9, 3),
        2: row(layout, (100, 200, 200, 300), 0.8, 4),
    }
    options = DetectionOptions(class_agnostic=True, class_ids=(4,))
    found = decode(output(layout, rows), layout, LETTERBOX, options)
    assert found.class_id.tolist() == [4]
    options = DetectionOptions(class_agnostic=True, class_score_thresholds=((3, 0.95),))
    found = decode(output(layout, rows), layout, LETTERBOX, options)
    assert found.class_id.tolist() == [4]


def test_a_box_is_of_its_best_class_alone():
    """What is most likely a truck is no car because trucks are not asked for."""
    values = row(ANCHOR_FREE, (100, 200, 200, 300), 0.9, 7)
    values[4 + 2] = 0.8
    tensors = output(ANCHOR_FREE, {1: values})
    found = decode(tensors, ANCHOR_FREE, LETTERBOX, DetectionOptions(class_ids=(2,)))
    assert len(found) == 0


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'class_score_thresholds': ((3, 1.5),)}, 'has 1.5 for class 3; give a number from 0'),
        ({'class_score_thresholds': ((3, np.nan),)}, 'has nan for class 3'),
        ({'class_score_thresholds': ((-1, 0.5),)}, '-1 is not a class id; expected 0 to 65535'),
        ({'class_ids': (0, -1)}, '-1 is not a class id'),
        ({'class_ids': (1 << 40,)}, 'is not a class id'),
        ({'class_ids': (True,)}, 'True is not a class id'),
        ({'class_ids': (0.5,)}, '0.5 is not a class id'),
        ({'class_ids': ('person',)}, "'person' is not a class id"),
        ({'class_score_thresholds': ((3, True),)}, 'has True for class 3; give a number'),
        ({'class_score_thresholds': ((3, '0.5'),)}, "has '0.5' for class 3; give a number"),
    ],
)
def test_unusable_choices_of_classes(arguments, text):
    with pytest.raises(ParameterError, match=text):
        DetectionOptions(**arguments)


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'score_threshold': -0.1}, 'score_threshold is -0.1; give a number from 0 to 1'),
        ({'score_threshold': 1.5}, 'score_threshold is 1.5'),
        ({'iou_threshold': float('nan')}, 'iou_threshold is nan'),
        ({'max_detections': 0}, 'max_detections is 0; give 1 or more'),
        ({'max_detections': True}, 'max_detections is True'),
        ({'max_detections': 2.5}, 'max_detections is 2.5'),
        ({'score_threshold': True}, 'score_threshold is True'),
        ({'score_threshold': '0.5'}, "score_threshold is '0.5'; give a number from 0 to 1"),
        ({'score_threshold': None}, 'score_threshold is None'),
        ({'class_agnostic': 'false'}, "class_agnostic is 'false'; give True or False"),
    ],
)
def test_unusable_options(arguments, text):
    with pytest.raises(ParameterError, match=text) as caught:
        DetectionOptions(**arguments)
    assert caught.value.parameter in arguments
