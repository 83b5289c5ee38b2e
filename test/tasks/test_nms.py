"""Greedy suppression, against the plain loop over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetson_perception.tasks import nms
from jetson_perception.tasks.nms import class_aware_nms


def iou(one, other):
    width = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    areas = [max(b[2] - b[0], 0) * max(b[3] - b[1], 0) for b in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


def plain_nms(xyxy, score, class_id, iou_threshold, max_detections, class_agnostic=False):
    kept: list[int] = []
    for i in sorted(range(len(score)), key=lambda i: (-score[i], i)):
        rivals = [k for k in kept if class_agnostic or class_id[k] == class_id[i]]
        if all(iou(xyxy[i], xyxy[k]) <= iou_threshold for k in rivals):
            kept.append(i)
    return kept[:max_detections]


def run(boxes, scores, classes=None, threshold=0.5, most=300, **options):
    classes = [0] * len(boxes) if classes is None else classes
    return class_aware_nms(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int32),
        threshold,
        most,
        **options,
    ).tolist()


BOX, SHIFTED, FAR = [0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]  # IoU of the first two: 2/3
TURNED = [10, 10, 0, 0]


@pytest.mark.parametrize(
    ('boxes', 'scores', 'classes', 'options', 'kept'),
    [
        pytest.param([], [], [], {}, [], id='nothing'),
        pytest.param([BOX], [0.5], None, {}, [0], id='one'),
        pytest.param([BOX, SHIFTED], [0.5, 0.9], None, {}, [1], id='best_stays'),
        pytest.param([BOX, SHIFTED], [0.5, 0.9], [0, 1], {}, [1, 0], id='two_classes'),
        pytest.param(
            [BOX, SHIFTED], [0.5, 0.9], [0, 1], {'class_agnostic': True}, [1], id='agnostic'
        ),
        pytest.param([BOX, FAR, SHIFTED], [0.3, 0.6, 0.4], None, {}, [1, 2], id='best_first'),
        pytest.param([BOX, BOX, BOX], [0.5, 0.5, 0.5], None, {}, [0], id='tie_to_the_lower_row'),
        pytest.param([BOX, BOX], [0.5, 0.4], None, {'threshold': 1.0}, [0, 1], id='threshold_1'),
        pytest.param(
            [BOX, [9, 9, 19, 19], [10, 10, 20, 20]],
            [0.9, 0.8, 0.7],
            None,
            {'threshold': 0.0},
            [0, 2],
            id='threshold_0_spares_what_only_touches',
        ),
        pytest.param(
            [BOX, SHIFTED, [4, 0, 14, 10]], [0.9, 0.8, 0.7], None, {}, [0, 2], id='chain'
        ),
        pytest.param([[5, 5, 5, 5]] * 2, [0.9, 0.8], None, {}, [0, 1], id='points'),
        pytest.param([[5, 0, 5, 9]] * 2, [0.9, 0.8], None, {}, [0, 1], id='lines'),
        pytest.param(
            [BOX, [10, 10, 0, 0], [10, 10, 0, 0]],
            [0.9, 0.8, 0.7],
            None,
            {},
            [0, 1, 2],
            id='turned',
        ),
        pytest.param([BOX, FAR], [0.9, 0.8], None, {'most': 1}, [0], id='at_most_one'),
        pytest.param([BOX, FAR], [0.9, 0.8], None, {'most': 0}, [], id='at_most_none'),
    ],
)
def test_small_cases(boxes, scores, classes, options, kept):
    assert run(boxes, scores, classes, **options) == kept


def test_corners_are_not_taken_for_sizes():
    # Far from the origin, (x, y, right, bottom) read as (x, y, width, height) overlaps all.
    apart = [[500, 500, 510, 510], [520, 520, 530, 530]]
    assert run(apart, [0.9, 0.8], threshold=0.1) == [0, 1]


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(0, 300),
    classes=st.integers(1, 5),
    threshold=st.sampled_from([0.0, 0.3017, 0.5003, 0.7009, 1.0]),
    most=st.sampled_from([1, 10, 1000]),
    agnostic=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_agrees_with_the_plain_loop(count, classes, threshold, most, agnostic, seed):
    rng = np.random.default_rng(seed)
    # On a coarse grid, so that equal boxes and scores, and boxes of no size, do occur; no IoU of
    # such boxes is so close to a threshold that float32 could decide otherwise.
    corner = rng.integers(0, 40, (count, 2))
    xyxy = np.concatenate((corner, corner + rng.integers(0, 12, (count, 2))), axis=1)
    xyxy = xyxy.astype(np.float32)
    score = (rng.integers(0, 50, count) / 64).astype(np.float32)
    class_id = rng.integers(0, classes, count)
    kept = class_aware_nms(xyxy, score, class_id, threshold, most, class_agnostic=agnostic)
    expected = plain_nms(
        xyxy.tolist(), score.tolist(), class_id.tolist(), threshold, most, agnostic
    )
    assert kept.tolist() == expected


def test_more_boxes_than_one_block():
    assert nms._BLOCK < 300  # so that the test above covers several
