"""Two engines compared with each other, on models that find what the test plants."""

import numpy as np
import pytest
from onnx_models import (
    color_segmentation,
    detector,
    instance_segmenter,
    objectness_detector,
    oriented_detector,
    pose_detector,
)

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.evaluation.agreement import (
    DetectionAgreement,
    Limits,
    MaskAgreement,
    make_agreement,
    match_boxes,
)
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model
from jetson_perception.tasks.results import Detections

PICTURE = np.zeros(
    (640, 640, 3), np.uint8
)  # the networks' size: planted boxes come out as they are
BOX = (320, 240, 100, 80, 0, 0.9)  # center, size, class, score


@pytest.fixture
def agree(tmp_path):
    """Compare two detectors with these boxes on one picture."""

    def run(one, other, make=detector, **options):
        models = [
            open_model(make(tmp_path / f'{name}.onnx', boxes, **options))
            for name, boxes in (('a', one), ('b', other))
        ]
        agreement = make_agreement(*models)
        agreement.add('picture', PICTURE)
        return agreement

    return run


def kept(agreement, **limits):
    return {limit.figure: limit.kept for limit in agreement.check(Limits(**limits))}


@pytest.mark.parametrize(
    ('one', 'other', 'matched', 'alone'),
    [
        pytest.param([BOX], [BOX], 1, (0, 0), id='same'),
        pytest.param([BOX], [], 0, (1, 0), id='only_a'),
        pytest.param([], [BOX], 0, (0, 1), id='only_b'),
        pytest.param([BOX], [(320, 240, 100, 80, 1, 0.9)], 0, (1, 1), id='other_class'),
        pytest.param([BOX], [(500, 500, 100, 80, 0, 0.9)], 0, (1, 1), id='elsewhere'),
        pytest.param([BOX], [(320, 240, 100, 80, 0, 0.2)], 1, (0, 0), id='b_below_the_threshold'),
        pytest.param([BOX], [(320, 240, 100, 80, 0, 0.1)], 0, (1, 0), id='b_below_half_of_it'),
        pytest.param([BOX, (500, 500, 50, 50, 0, 0.2)], [BOX], 1, (0, 0), id='weak_and_alone'),
        pytest.param(
            [BOX, (500, 500, 50, 50, 0, 0.2)],
            [BOX, (500, 500, 50, 50, 0, 0.2)],
            1,
            (0, 0),
            id='weak_pairs_do_not_count',
        ),
        pytest.param(
            [BOX, (380, 240, 100, 80, 0, 0.8)],
            [(380, 240, 100, 80, 0, 0.9), (320, 240, 100, 80, 0, 0.8)],
            2,
            (0, 0),
            id='order_changed',
        ),
    ],
)
def test_partners(agree, one, other, matched, alone):
    agreement = agree(one, other)
    assert agreement.matched == matched
    assert (agreement.only_one, agreement.only_other) == alone
    assert agreement.shares()['boxes matched'] == matched / (matched + sum(alone))


def test_nothing_found_is_not_agreement(agree):
    agreement = agree([], [])
    assert np.isnan(agreement.shares()['boxes matched'])
    assert agreement.drifts() == {}
    with pytest.raises(
        PerceptionError, match=r'neither engine found anything in 1 picture.* 0\.2'
    ):
        agreement.check(Limits())


def test_drift_of_scores_and_corners(agree):
    agreement = agree([BOX], [(323, 240, 100, 82, 0, 0.85)])
    drifts = agreement.drifts()
    assert set(drifts) == {'score drift', 'corner drift, px'}
    assert drifts['score drift'].largest == pytest.approx(0.05, abs=1e-6)
    # The center moved by 3 to the right, half of 2 pixels go to each side: 3 is the most.
    assert drifts['corner drift, px'].largest == pytest.approx(3, abs=1e-4)
    assert drifts['corner drift, px'].where == 'picture'
    assert all(kept(agreement).values())
    assert kept(agreement, score_drift=0.04)['score drift'] is False
    assert kept(agreement, corner_drift=2.9)['corner drift, px'] is False


QUARTER = np.pi / 2


@pytest.mark.parametrize(
    ('other', 'matched', 'drift'),
    [
        pytest.param((320, 240, 100, 80, 0, 0.9, 0.5), 1, 0, id='same'),
        pytest.param((320, 240, 80, 100, 0, 0.9, 0.5 - QUARTER), 1, 0, id='other_side_first'),
        pytest.param((320, 240, 100, 80, 0, 0.9, 0.5 + np.pi), 1, 0, id='half_a_turn'),
        pytest.param((323, 244, 100, 80, 0, 0.9, 0.5), 1, 5, id='moved'),
        # Corners are 64.03 from the center.
        pytest.param((320, 240, 100, 80, 0, 0.9, 0.6), 1, 128.062 * np.sin(0.05), id='turned'),
        pytest.param((320, 240, 100, 10, 0, 0.9, 0.5), 0, None, id='thin'),
    ],
)
def test_oriented_boxes(agree, other, matched, drift):
    agreement = agree([(320, 240, 100, 80, 0, 0.9, 0.5)], [other], make=oriented_detector)
    assert agreement.matched == matched
    drifts = agreement.drifts()
    if matched:
        assert drifts['corner drift, px'].largest == pytest.approx(drift, abs=1e-3)
    else:
        assert (agreement.only_one, agreement.only_other) == (1, 1)


def test_oriented_boxes_crossed_in_one_upright_box_are_no_partners(agree):
    one, other = ((320, 240, 200, 20, 0, 0.9, angle) for angle in (QUARTER / 2, -QUARTER / 2))
    assert agree([one], [other], make=oriented_detector).matched == 0


def test_drift_of_a_tenth_of_the_boxes_is_seen(agree):
    others = [(60 * index + 40, 100, 40, 40, 0, 0.9) for index in range(10)]
    moved = [(*others[0][:5], 0.6), *others[1:]]
    drift = agree(others, moved).drifts()['score drift']
    assert drift.median == 0
    assert drift.p99 > 0.25
    assert drift.largest == pytest.approx(0.3, abs=1e-6)


def test_too_few_partners(agree):
    agreement = agree([BOX, (100, 100, 50, 50, 0, 0.9)], [BOX])
    assert kept(agreement)['boxes matched'] is False
    assert kept(agreement, matched=0.5)['boxes matched'] is True


def test_keypoints(tmp_path):
    paths = [
        pose_detector(tmp_path / 'a.onnx', keypoints=((300, 220, 0.8), (320, 230, 0.1))),
        pose_detector(tmp_path / 'b.onnx', keypoints=((303, 224, 0.8), (400, 400, 0.1))),
    ]
    agreement = make_agreement(*map(open_model, paths))
    agreement.add('picture', PICTURE)
    # 3 and 4 pixels are 5; the second keypoint is seen by neither.
    assert agreement.drifts()['keypoint drift, px'].largest == pytest.approx(5, abs=1e-4)
    assert kept(agreement, keypoint_drift=4.9)['keypoint drift, px'] is False


def test_instance_masks(agree):
    whole, left_half = BOX, (*BOX, -1)
    agreement = agree([whole], [left_half], instance_segmenter)
    assert agreement.shares()['mask agreement (mean IoU)'] == pytest.approx(0.5, abs=0.02)
    assert kept(agreement)['mask agreement (mean IoU)'] is False
    same = agree([whole], [whole], instance_segmenter)
    assert same.shares()['mask agreement (mean IoU)'] == 1
    assert all(kept(same).values())


def test_class_masks(tmp_path):
    path = color_segmentation(tmp_path / 'a.onnx')
    agreement = make_agreement(open_model(path), open_model(path))
    assert isinstance(agreement, MaskAgreement)
    with pytest.raises(PerceptionError, match='no pictures'):
        agreement.check(Limits())
    agreement.add('picture', PICTURE)
    assert agreement.shares() == {'mask agreement (pixels)': 1, 'mIoU': 1}
    assert all(kept(agreement).values())


def test_class_masks_that_differ(tmp_path):
    path = color_segmentation(tmp_path / 'a.onnx')
    one = open_model(path)
    other = open_model(path, overrides=ModelInfo(color_order='bgr'))
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :16, 0] = 255  # a quarter blue, which the other takes for red
    picture[:, 16:, 1] = 255
    agreement = make_agreement(one, other)
    agreement.add('picture', picture)
    assert agreement.shares()['mask agreement (pixels)'] == pytest.approx(0.75)
    assert agreement.shares()['mIoU'] == pytest.approx(1 / 3)  # red 0, green 1, blue 0
    assert agreement.drifts()['pixels that differ'].largest == pytest.approx(0.25)
    assert kept(agreement) == {'mask agreement (pixels)': False}
    assert kept(agreement, mask_agreement=0.7) == {'mask agreement (pixels)': True}


def test_no_two_engines_of_one_model(tmp_path):
    models = {
        'two': open_model(detector(tmp_path / 'two.onnx')),
        'three': open_model(detector(tmp_path / 'three.onnx', class_count=3)),
        'one': open_model(detector(tmp_path / 'one.onnx', class_count=1)),
        'pose': open_model(pose_detector(tmp_path / 'pose.onnx')),
        'masks': open_model(color_segmentation(tmp_path / 'masks.onnx')),
    }
    for one, other, text in (
        ('two', 'masks', 'differ in their task, detection and semantic segmentation'),
        ('two', 'three', r'differ in their classes, 2 \(name_0, name_1\) and 3 \(name_0'),
        ('one', 'pose', 'differ in their number of keypoints, 0 and 3'),
    ):
        with pytest.raises(ParameterError, match=text):
            make_agreement(models[one], models[other])


def test_other_layouts_of_one_model_may_be_compared(tmp_path):
    """A model exported as another family has other tensors and the same meaning."""
    one = open_model(detector(tmp_path / 'a.onnx', [BOX]))
    other = open_model(objectness_detector(tmp_path / 'b.onnx', [(*BOX[:5], 1.0, BOX[5])]))
    agreement = make_agreement(one, other)
    assert isinstance(agreement, DetectionAgreement)
    agreement.add('picture', PICTURE)
    assert agreement.shares() == {'boxes matched': 1}


def detections(*boxes, classes=None):
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    class_id = np.array(classes or [0] * len(boxes), np.int32)
    return Detections(xyxy, np.full(len(boxes), 0.9, np.float32), class_id)


@pytest.mark.parametrize(
    ('one', 'other', 'pairs'),
    [
        pytest.param([], [], [], id='nothing'),
        pytest.param([(0, 0, 10, 10)], [], [], id='none_to_pair_with'),
        pytest.param([(0, 0, 10, 10)], [(0, 0, 10, 10)], [(0, 0)], id='same'),
        pytest.param([(0, 0, 10, 10)], [(0, 0, 10, 5)], [(0, 0)], id='just_enough'),
        pytest.param([(0, 0, 10, 10)], [(0, 0, 10, 4.9)], [], id='just_too_little'),
        pytest.param([(5, 5, 5, 5)], [(5, 5, 5, 5)], [], id='points'),
        pytest.param(
            [(0, 0, 10, 10), (1, 0, 11, 10)],
            [(1, 0, 11, 10)],
            [(1, 0)],
            id='the_better_of_two',
        ),
        pytest.param(
            [(0, 0, 10, 10), (3, 0, 13, 10)],
            [(2, 0, 12, 10), (0, 0, 10, 10)],
            [(0, 1), (1, 0)],
            id='best_pairs_first',
        ),
    ],
)
def test_pairs(one, other, pairs):
    rows, columns = match_boxes(detections(*one), detections(*other), 0.5)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs
