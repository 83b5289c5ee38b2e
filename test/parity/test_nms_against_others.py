"""Our suppression against that of OpenCV and of supervision, on the same boxes."""

import cv2
import numpy as np
import pytest

from jetson_perception.tasks.nms import class_aware_nms

MOST = 10_000


def ours(xyxy, score, class_id, threshold, *, agnostic=False):
    kept = class_aware_nms(xyxy, score, class_id, threshold, MOST, class_agnostic=agnostic)
    return kept.tolist()


def opencv(xyxy, score, class_id, threshold, *, agnostic=False):
    """`NMSBoxesBatched`, which wants left, top, width, height; `NMSBoxes` knows no classes."""
    xywh = np.concatenate((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), axis=1).tolist()
    # Zero is not a threshold to it but 'every score above': all of ours are.
    if agnostic:
        kept = cv2.dnn.NMSBoxes(xywh, score.tolist(), 0.0, threshold)
    else:
        kept = cv2.dnn.NMSBoxesBatched(xywh, score.tolist(), class_id.tolist(), 0.0, threshold)
    return np.asarray(kept, int).ravel().tolist()


def supervision(xyxy, score, class_id, threshold, *, agnostic=False):
    """`box_non_max_suppression`: a mask of what stays, which we put in order of score."""
    package = pytest.importorskip('supervision', reason='needs pip install supervision')
    columns = [xyxy, score[:, None]] + ([] if agnostic else [class_id[:, None]])
    stays = package.box_non_max_suppression(np.concatenate(columns, axis=1), threshold)
    rows = np.flatnonzero(stays)
    return rows[np.argsort(-score[rows], kind='stable')].tolist()


OTHERS = [
    pytest.param(
        opencv,
        id='opencv',
        marks=pytest.mark.skipif(
            not hasattr(cv2.dnn, 'NMSBoxesBatched'), reason='OpenCV before 4.7 has none'
        ),
    ),
    pytest.param(supervision, id='supervision'),
]


def case(boxes, score, class_id=None):
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    ids = np.zeros(len(xyxy), np.int32) if class_id is None else np.array(class_id, np.int32)
    return xyxy, np.array(score, np.float32), ids


BOX, SHIFTED, FAR = (
    (0, 0, 10, 10),
    (2, 0, 12, 10),
    (500, 300, 600, 400),
)  # IoU 2/3 of the first two


@pytest.mark.parametrize('other', OTHERS)
@pytest.mark.parametrize('agnostic', [False, True])
@pytest.mark.parametrize(
    ('boxes', 'scores', 'classes', 'threshold', 'kept'),
    [
        pytest.param([], [], [], 0.5, [[], []], id='nothing'),
        pytest.param([BOX], [0.5], [0], 0.5, [[0], [0]], id='one'),
        pytest.param([BOX, SHIFTED], [0.5, 0.9], [0, 0], 0.5, [[1], [1]], id='best_stays'),
        pytest.param([BOX, SHIFTED], [0.5, 0.9], [0, 0], 0.7, [[1, 0]] * 2, id='little_overlap'),
        pytest.param([BOX, SHIFTED], [0.5, 0.9], [0, 1], 0.5, [[1, 0], [1]], id='two_classes'),
        pytest.param([BOX, FAR], [0.5, 0.9], [0, 0], 0.5, [[1, 0]] * 2, id='apart'),
        pytest.param(
            # The second loses to the first, so it does not take the third with it.
            [BOX, SHIFTED, (4, 0, 14, 10)],
            [0.9, 0.8, 0.7],
            [0, 0, 0],
            0.5,
            [[0, 2]] * 2,
            id='chain',
        ),
        pytest.param(
            [(500, 500, 510, 510), (520, 520, 530, 530)],
            [0.9, 0.8],
            [0, 0],
            0.1,
            [[0, 1]] * 2,
            id='far_from_the_corner',
        ),
    ],
)
def test_small_cases(other, agnostic, boxes, scores, classes, threshold, kept):
    arguments = (*case(boxes, scores, classes), threshold)
    expected = kept[agnostic]
    if boxes:  # supervision does not take an array without rows; ours must
        assert other(*arguments, agnostic=agnostic) == expected
    assert ours(*arguments, agnostic=agnostic) == expected


@pytest.mark.parametrize('other', OTHERS)
@pytest.mark.parametrize('threshold', [0.3, 0.45, 0.7])
@pytest.mark.parametrize('classes', [1, 3, 80])
@pytest.mark.parametrize('agnostic', [False, True])
def test_crowded_pictures(other, threshold, classes, agnostic):
    """Clusters of boxes as a detector gives them before the suppression."""
    rng = np.random.default_rng((classes, round(threshold * 100)))
    centers = rng.uniform(50, 590, (40, 1, 2))
    sizes = rng.uniform(20, 120, (40, 1, 2))
    jittered = centers + rng.normal(0, 6, (40, 12, 2))
    size = sizes * rng.uniform(0.85, 1.15, (40, 12, 2))
    xyxy = np.concatenate((jittered - size / 2, jittered + size / 2), axis=2)
    xyxy = xyxy.reshape(-1, 4).astype(np.float32)
    score = rng.permutation(np.linspace(0.01, 0.99, len(xyxy))).astype(np.float32)  # no ties
    class_id = np.repeat(rng.integers(0, classes, 40), 12).astype(np.int32)
    expected = other(xyxy, score, class_id, threshold, agnostic=agnostic)
    assert 40 <= len(expected) < len(xyxy) or agnostic
    assert ours(xyxy, score, class_id, threshold, agnostic=agnostic) == expected


def test_corners_given_where_sizes_are_wanted():
    """Handed (left, top, right, bottom), OpenCV takes boxes for larger, and far ones overlap."""
    boxes, scores, classes = case([(400, 400, 450, 450), (500, 500, 550, 550)], [0.9, 0.8], [0, 0])
    mistaken = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.3, 0.1)
    assert np.ravel(mistaken).tolist() == [0]
    assert ours(boxes, scores, classes, 0.1) == [0, 1]
