"""Average precision against values worked out by hand."""

import builtins

import numpy as np
import pytest

from jetson_perception.errors import PerceptionError
from jetson_perception.evaluation.average_precision import (
    ObjectMatches,
    mean_of_known,
    require_pycocotools,
)
from jetson_perception.evaluation.datasets import ObjectTruth
from jetson_perception.tasks.results import Detections, enclosing, oriented_corners

pytest.importorskip('pycocotools', reason='needs pip install pycocotools')

BOX, FAR = (100, 100, 200, 200), (300, 300, 400, 400)
HALF = (100, 100, 200, 160)  # IoU 0.6 with BOX: right at thresholds 0.50, 0.55 and 0.60
SIZE_WH = (640, 480)


def truth(*rows, **more):
    """A truth from rows of a box and a class."""
    boxes = np.array([row[:4] for row in rows], float).reshape(-1, 4)
    return ObjectTruth(boxes, np.array([row[4] for row in rows], int), **more)


def found(*rows, keypoints=None):
    """Detections from rows of a box, a class and a score."""
    return Detections(
        np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[5] for row in rows], np.float32),
        np.array([row[4] for row in rows], np.int32),
        keypoints,
    )


def measure(*pictures, kind='boxes', class_ids=None, keypoint_count=0, masks=None):
    matches = ObjectMatches(('a', 'b'), keypoint_count)
    for true, there in pictures:
        matches.add(true, there, SIZE_WH, masks)
    return matches.average_precision(kind, class_ids)


@pytest.mark.parametrize(
    ('pictures', 'ap50', 'ap50_95'),
    [
        pytest.param([], [np.nan] * 2, [np.nan] * 2, id='no_pictures'),
        pytest.param([(truth(), found())], [np.nan] * 2, [np.nan] * 2, id='nothing_on_either'),
        pytest.param(
            [(truth(), found((*BOX, 0, 0.9)))], [np.nan] * 2, [np.nan] * 2, id='only_found'
        ),
        pytest.param([(truth((*BOX, 0)), found())], [0, np.nan], [0, np.nan], id='missed'),
        pytest.param(
            [(truth((*BOX, 0)), found((*BOX, 0, 0.9)))], [1, np.nan], [1, np.nan], id='right'
        ),
        pytest.param(
            [(truth((*BOX, 0)), found((*BOX, 1, 0.9)))], [0, np.nan], [0, np.nan], id='other_class'
        ),
        pytest.param(
            [(truth((*BOX, 0)), found((*HALF, 0, 0.9)))], [1, np.nan], [0.3, np.nan], id='half_on'
        ),
        pytest.param(
            # The better score is wrong: precision 1/2 at every recall.
            [(truth((*BOX, 0)), found((*FAR, 0, 0.9), (*BOX, 0, 0.8)))],
            [0.5, np.nan],
            [0.5, np.nan],
            id='wrong_one_first',
        ),
        pytest.param(
            [(truth((*BOX, 0)), found((*BOX, 0, 0.9), (*BOX, 0, 0.8)))],
            [1, np.nan],
            [1, np.nan],
            id='a_second_box_behind_costs_nothing',
        ),
        pytest.param(
            # Recall 1/2: 51 of the 101 points have precision 1.
            [(truth((*BOX, 0), (*FAR, 0)), found((*BOX, 0, 0.9)))],
            [51 / 101, np.nan],
            [51 / 101, np.nan],
            id='one_of_two',
        ),
        pytest.param(
            [
                (truth((*BOX, 0)), found((*BOX, 0, 0.9))),
                (truth((*BOX, 1)), found((*FAR, 1, 0.9))),
            ],
            [1, 0],
            [1, 0],
            id='a_class_each',
        ),
        pytest.param(
            # Had pictures been mixed up, each box would have found the other's object.
            [
                (truth((*BOX, 0)), found((*FAR, 0, 0.9))),
                (truth((*FAR, 0)), found((*BOX, 0, 0.9))),
            ],
            [0, np.nan],
            [0, np.nan],
            id='on_the_other_picture',
        ),
        pytest.param(
            [
                (
                    truth((*BOX, 0), (*FAR, 0), crowd=np.array([False, True])),
                    found((300, 300, 340, 340, 0, 0.95), (*BOX, 0, 0.9)),
                )
            ],
            [1, np.nan],
            [1, np.nan],
            id='in_a_crowd_does_not_count',
        ),
    ],
)
def test_boxes(pictures, ap50, ap50_95):
    ap = measure(*pictures)
    np.testing.assert_allclose(ap.ap50, ap50, atol=1e-9)
    np.testing.assert_allclose(ap.ap50_95, ap50_95, atol=1e-9)


TURNED = (150, 150, 100, 50, np.pi / 6)  # center, size, angle
AWAY = (450, 350, 100, 50, 0)


def corners_of(box):
    return oriented_corners(np.array([box], float)).ravel().tolist()


def oriented_truth(*rows, **more):
    """A truth from rows of an oriented box and a class."""
    boxes = np.array([row[:5] for row in rows], float).reshape(-1, 5)
    outlines = tuple([corners_of(row[:5])] for row in rows)
    ids = np.array([row[5] for row in rows], int)
    return ObjectTruth(enclosing(boxes), ids, outlines=outlines, **more)


def oriented_found(*rows):
    """Detections from rows of an oriented box, a class and a score."""
    boxes = np.array([row[:5] for row in rows], np.float32).reshape(-1, 5)
    score, ids = (np.array([row[i] for row in rows]) for i in (6, 5))
    xyxy = np.clip(enclosing(boxes), 0, np.float32(SIZE_WH * 2))
    return Detections(xyxy, score.astype(np.float32), ids.astype(np.int32), oriented=boxes)


def moved(box, share):
    """Moved along its width by a share of it: IoU (1 - share) / (1 + share)."""
    x, y, width, height, angle = box
    step = share * width
    return (x + step * np.cos(angle), y + step * np.sin(angle), width, height, angle)


BORDER = (0, 0, 100, 60, 0.4)  # its center is the corner of the picture


@pytest.mark.parametrize(
    ('true', 'there', 'ap50', 'ap50_95'),
    [
        pytest.param([], [], np.nan, np.nan, id='nothing_on_either'),
        pytest.param([], [(*TURNED, 0, 0.9)], np.nan, np.nan, id='only_found'),
        pytest.param([(*TURNED, 0)], [], 0, 0, id='missed'),
        pytest.param([(*TURNED, 0)], [(*TURNED, 0, 0.9)], 1, 1, id='right'),
        pytest.param([(*TURNED, 0)], [(*TURNED, 1, 0.9)], 0, 0, id='other_class'),
        pytest.param(
            [(*TURNED, 0)],
            [(150, 150, 50, 100, np.pi / 6 - np.pi / 2, 0, 0.9)],
            1,
            1,
            id='other_side_first',
        ),
        # The same upright box is around both.
        pytest.param(
            [(*TURNED, 0)], [(*TURNED[:4], -np.pi / 6, 0, 0.9)], 0, 0, id='turned_the_other_way'
        ),
        # IoU 0.8 / 1.2 = 0.667: right at thresholds 0.50 to 0.65.
        pytest.param([(*TURNED, 0)], [(*moved(TURNED, 0.2), 0, 0.9)], 1, 0.4, id='moved'),
        pytest.param(
            [(*TURNED, 0)], [(*AWAY, 0, 0.9), (*TURNED, 0, 0.8)], 0.5, 0.5, id='wrong_one_first'
        ),
        pytest.param(
            [(*TURNED, 0)], [(*TURNED, 0, 0.9), (*TURNED, 0, 0.8)], 1, 1, id='found_twice'
        ),
        # The second is wrong, so half of the recall has precision 1, the other none.
        pytest.param(
            [(*TURNED, 0), (*AWAY, 0)],
            [(*TURNED, 0, 0.9), (*TURNED, 0, 0.8)],
            51 / 101,
            51 / 101,
            id='found_twice_instead_of_the_other',
        ),
        # Precision 1 up to a recall of 1/2, then 2/3.
        pytest.param(
            [(*TURNED, 0), (*AWAY, 0)],
            [(*TURNED, 0, 0.9), (*TURNED, 0, 0.8), (*AWAY, 0, 0.7)],
            (51 + 50 * 2 / 3) / 101,
            (51 + 50 * 2 / 3) / 101,
            id='found_twice_before_the_other',
        ),
        pytest.param(
            [(*TURNED, 0), (*TURNED, 0)],
            [(*TURNED, 0, 0.9), (*TURNED, 0, 0.8)],
            1,
            1,
            id='two_objects_in_one_place',
        ),
        pytest.param([(*BORDER, 0)], [(*BORDER, 0, 0.9)], 1, 1, id='across_the_border'),
        # Inside the picture, only what is cut off differs: the whole box counts.
        pytest.param(
            [(*BORDER, 0)], [(*moved(BORDER, -0.4), 0, 0.9)], 0, 0, id='moved_beyond_the_border'
        ),
    ],
)
def test_oriented_boxes(true, there, ap50, ap50_95):
    matches = ObjectMatches(('a', 'b'), oriented=True)
    matches.add(oriented_truth(*true), oriented_found(*there), SIZE_WH)
    matches.add(oriented_truth(), oriented_found(), SIZE_WH)
    ap = matches.average_precision('oriented_boxes')
    np.testing.assert_allclose(ap.ap50, [ap50, np.nan], atol=1e-9)
    np.testing.assert_allclose(ap.ap50_95, [ap50_95, np.nan], atol=1e-9)


def test_oriented_boxes_without_pictures():
    ap = ObjectMatches(('a',), oriented=True).average_precision('oriented_boxes')
    assert np.isnan(ap.ap50).all()


def test_many_oriented_boxes_of_a_class_count():
    boxes = [(20 + 30 * (i % 20), 20 + 30 * (i // 20), 20, 8, 0.1 * i) for i in range(250)]
    matches = ObjectMatches(('a',), oriented=True)
    found = oriented_found(*((*box, 0, 0.9) for box in boxes))
    matches.add(oriented_truth(*((*box, 0) for box in boxes)), found, SIZE_WH)
    assert matches.average_precision('oriented_boxes').ap50_95 == pytest.approx(1)


def test_oriented_boxes_of_masks_and_in_crowds():
    runs = [480 * 100 + 100, 50, 430, 50]  # columns 100 and 101, rows 100 to 149
    mask = {'size': [480, 640], 'counts': [*runs, 640 * 480 - sum(runs)]}
    true = ObjectTruth(
        np.array([[100, 100, 102, 150], [300, 300, 400, 400]], float),
        np.zeros(2, int),
        outlines=(mask, [[300, 300, 400, 300, 400, 400, 300, 400]]),
        crowd=np.array([False, True]),
    )
    matches = ObjectMatches(('a',), oriented=True)
    in_crowd = (320, 320, 20, 10, 0.5, 0, 0.95)
    matches.add(true, oriented_found(in_crowd, (101, 125, 2, 50, 0, 0, 0.9)), SIZE_WH)
    assert matches.average_precision('oriented_boxes').ap50_95 == pytest.approx(1)


def test_only_some_classes():
    picture = truth((*BOX, 0), (*FAR, 1)), found((*BOX, 0, 0.9))
    np.testing.assert_allclose(measure(picture, class_ids=[0]).ap50, [1, np.nan])
    np.testing.assert_allclose(measure(picture).ap50, [1, 0])


def test_the_best_threshold_lies_above_what_is_wrong():
    picture = truth((*BOX, 0)), found((*BOX, 0, 0.8), (*FAR, 0, 0.3))
    f1, score = measure(picture).best_f1()
    np.testing.assert_allclose(f1, [1, np.nan])
    np.testing.assert_allclose(score, [0.8, np.nan], rtol=1e-6)


def test_a_class_that_is_never_found_has_no_best_threshold():
    f1, score = measure((truth((*BOX, 0)), found())).best_f1()
    np.testing.assert_allclose(f1, [0, np.nan])
    assert np.isnan(score).all()


def person(distance, count=17):
    """A truth whose keypoints are at (150, 150), and results so far to the right of them."""
    points = np.zeros((1, count, 3))
    points[..., :] = 150, 150, 2
    moved = points.astype(np.float32)
    moved[..., 0] += distance
    true = truth((*BOX, 0), keypoints=points, area=np.array([10_000.0]))
    return true, found((*BOX, 0, 0.9), keypoints=moved)


# OKS of k points of tolerance s, all of them d away: exp(-d² / (8 s² area)).
def oks_distance(oks, tolerance, area=10_000):
    return float(np.sqrt(-np.log(oks) * 8 * tolerance**2 * area))


@pytest.mark.parametrize(
    ('oks', 'ap50', 'ap50_95'),
    [
        pytest.param(1.0, 1, 1, id='exact'),
        pytest.param(0.97, 1, 1, id='close'),
        pytest.param(0.77, 1, 0.6, id='up_to_0.75'),
        pytest.param(0.49, 0, 0, id='too_far'),
    ],
)
def test_keypoints_of_a_count_other_than_cocos(oks, ap50, ap50_95):
    ap = measure(person(oks_distance(oks, 1 / 4), 4), kind='keypoints', keypoint_count=4)
    assert ap.ap50[0] == pytest.approx(ap50)
    assert ap.ap50_95[0] == pytest.approx(ap50_95)


def test_cocos_keypoints_have_cocos_tolerances():
    """A nose (0.026) forgives less than a hip (0.107)."""
    for index, tolerance in ((0, 0.026), (11, 0.107)):
        for oks, expected in ((0.52, 1), (0.48, 0)):
            true, there = person(0)
            true.keypoints[0, np.arange(17) != index, 2] = 0  # only this one is labelled
            there.keypoints[0, :, 0] += oks_distance(oks, tolerance)
            ap = measure((true, there), kind='keypoints', keypoint_count=17)
            assert ap.ap50[0] == pytest.approx(expected), (index, oks)


def test_objects_without_labelled_keypoints_do_not_count():
    true, there = person(0)
    true.keypoints[..., 2] = 0
    assert np.isnan(measure((true, there), kind='keypoints', keypoint_count=17).ap50[0])


@pytest.mark.parametrize(
    ('right_edge', 'ap50', 'ap50_95'),
    [
        pytest.param(200, 1, 1, id='exact'),
        pytest.param(160, 1, 0.3, id='iou_0.6'),
        pytest.param(140, 0, 0, id='iou_0.4'),
    ],
)
def test_masks(right_edge, ap50, ap50_95):
    """The boxes are exact in all cases: only the mask counts."""
    outline = [[100, 100, 200, 100, 200, 200, 100, 200]]
    mask = np.zeros(SIZE_WH[::-1], bool)
    mask[100:200, 100:right_edge] = True
    picture = truth((*BOX, 0), outlines=(outline,)), found((*BOX, 0, 0.9))
    ap = measure(picture, kind='masks', masks=[mask])
    assert ap.ap50[0] == pytest.approx(ap50)
    assert ap.ap50_95[0] == pytest.approx(ap50_95)


def test_the_mean_leaves_out_what_is_absent():
    assert mean_of_known(np.array([1, np.nan, 0])) == 0.5
    assert np.isnan(mean_of_known(np.array([np.nan])))


def test_nothing_is_printed(capsys):
    measure((truth((*BOX, 0)), found((*BOX, 0, 0.9))))
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        pytest.param(
            {'xyxy': np.zeros((2, 4))}, r'xyxy is \(2, 4\); expected \(1, 4\)', id='xyxy'
        ),
        pytest.param({'area': np.zeros(3)}, r'area has 3 rows; expected 1', id='area'),
        pytest.param({'outlines': ()}, r'outlines has 0 rows; expected 1', id='outlines'),
    ],
)
def test_truth_of_different_lengths(arguments, text):
    with pytest.raises(ValueError, match=text):
        ObjectTruth(**{'xyxy': np.zeros((1, 4)), 'class_id': np.zeros(1, int), **arguments})


def test_pycocotools_missing(monkeypatch):
    there = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith('pycocotools'):
            raise ImportError(f'No module named {name!r}')
        return there(name, *rest, **more)

    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(PerceptionError, match='pip install pycocotools'):
        require_pycocotools()
