"""Oriented boxes: their overlap, their layouts, and what becomes of them in the source image.

test/exports compares whole results with Ultralytics'.
"""

import numpy as np
import pytest

from jetson_perception.errors import ModelError
from jetson_perception.model_info import ModelInfo
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.network_outputs import NetworkOutputs
from jetson_perception.tasks.oriented_boxes import (
    OrientedLayout,
    decode_oriented,
    overlap,
    recognize_oriented,
)
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.results import enclosing, oriented_corners, stretched

SIZE_WH = (64, 64)
CELLS = 8 * 8 + 4 * 4 + 2 * 2
LAYOUT = OrientedLayout(2, end_to_end=False, channels_last=False)
QUARTER = np.pi / 2


def decoded(boxes, *, source_wh=SIZE_WH, resize='letterbox', layout=LAYOUT, **options):
    """Rows of x, y, width, height, score of class 0, of class 1, angle."""
    rows = np.zeros((CELLS, 7), np.float32)
    rows[: len(boxes)] = np.reshape(boxes, (-1, 7))
    transform = fit(source_wh, SIZE_WH, resize)
    return decode_oriented([rows.T[None]], layout, transform, DetectionOptions(**options))


def test_overlap_is_that_of_the_framework():
    """Figures of Ultralytics' `batch_probiou`."""
    some = np.float32(
        [
            [5.1, 14.2, 45.4, 11.3, -0.1],
            [48.1, 34.9, 26.5, 33.4, 0.9],
            [5.6, 26.0, 28.7, 37.3, 1.1],
            [28.7, 9.6, 45.6, 57.6, -0.1],
        ]
    )
    others = np.float32(
        [[0.1, 58.4, 30.9, 47.5, 1.0], [17.9, 18.8, 6.7, 43.9, 1.8], [53.5, 35.1, 25.6, 10, -0.4]]
    )
    expected = [
        [0.00548, 0.33898, 0.0],
        [0.03667, 0.06702, 0.49374],
        [0.12634, 0.25543, 0.00276],
        [0.06651, 0.225, 0.07753],
    ]
    assert overlap(some, others) == pytest.approx(np.array(expected), abs=2e-5)
    assert np.diag(overlap(some, some)) == pytest.approx(1, abs=1e-3)


def test_overlap_of_boxes_without_area_is_finite():
    boxes = np.float32([[5, 5, 0, 0, 1], [5, 5, 0, 4, 0], [5, 5, 4, 4, 0], [900, 5, 4, 4, 0]])
    assert np.isfinite(overlap(boxes, boxes)).all()
    assert overlap(boxes[2:3], boxes[3:]) == pytest.approx(0, abs=1e-3)


class TestDecode:
    def test_a_box_turned_a_quarter(self):
        found = decoded([[32, 20, 30, 10, 0, 0.9, QUARTER]])
        assert found.oriented.tolist() == [pytest.approx([32, 20, 30, 10, QUARTER])]
        assert found.xyxy.tolist() == [pytest.approx([27, 5, 37, 35], abs=1e-4)]
        assert (found.class_id.tolist(), found.score.tolist()) == ([1], [pytest.approx(0.9)])

    def test_in_an_image_that_was_padded(self):
        # 128×64 fills the width of 64×64, and half of its height.
        found = decoded([[32, 32, 20, 10, 0.9, 0, 0.5]], source_wh=(128, 64))
        assert found.oriented.tolist() == [pytest.approx([64, 32, 40, 20, 0.5])]

    def test_in_an_image_that_was_stretched(self):
        row = [32, 32, 20, 10, 0.9, 0, QUARTER / 2]
        found = decoded([row], source_wh=(128, 64), resize='stretch')
        x, y, width, height, angle = found.oriented[0]
        side = 20 * np.sqrt(0.5)
        assert (x, y) == (64, 32)
        assert width == pytest.approx(np.hypot(2 * side, side), rel=1e-5)
        assert height == pytest.approx(np.hypot(side, side / 2), rel=1e-5)
        assert angle == pytest.approx(np.arctan2(1, 2), rel=1e-5)

    def test_of_two_that_overlap_the_better_one_stays(self):
        pair = [[30, 30, 20, 10, 0.8, 0, 0.1], [31, 30, 20, 10, 0.9, 0, 0.15]]
        assert decoded(pair, iou_threshold=0.5).score.tolist() == [pytest.approx(0.9)]
        crossed = [pair[0], [*pair[1][:6], 0.1 + QUARTER]]
        assert len(decoded(crossed, iou_threshold=0.6)) == 2
        other_class = [pair[0], [31, 30, 20, 10, 0, 0.9, 0.15]]
        assert len(decoded(other_class, iou_threshold=0.5)) == 2
        assert len(decoded(other_class, iou_threshold=0.5, class_agnostic=True)) == 1

    def test_a_suppressed_box_suppresses_others(self):
        chain = [[20 + 4 * i, 30, 20, 10, 0.9 - i / 10, 0, 0] for i in range(3)]
        boxes = np.array(chain, np.float32)[:, [0, 1, 2, 3, 6]]
        near, far = overlap(boxes[:1], boxes[1:])[0]
        assert near > 0.6 > far
        assert len(decoded(chain, iou_threshold=0.6)) == 1

    @pytest.mark.parametrize(
        'boxes', [[], [[30, 30, 20, 10, 0.2, 0, 0]]], ids=['none', 'unlikely']
    )
    def test_nothing(self, boxes):
        found = decoded(boxes)
        assert (found.xyxy.shape, found.oriented.shape) == ((0, 4), (0, 5))

    def test_a_box_outside_the_image_is_dropped(self):
        rows = [[900, 30, 20, 10, 0.9, 0, 1], [64, 30, 20, 10, 0.8, 0, 1]]
        found = decoded(rows)
        assert found.score.tolist() == [pytest.approx(0.8)]
        assert found.xyxy[0, 2] == 64
        assert found.oriented[0, 0] == 64

    @pytest.mark.parametrize('layout', ['anchors', 'end_to_end'])
    @pytest.mark.parametrize(
        'box',
        [
            pytest.param([32, 32, 0, 10], id='no_width'),
            pytest.param([32, 32, 20, 0], id='no_height'),
            pytest.param([32, 32, -20, 10], id='negative_width'),
            pytest.param([32, 32, -20, -10], id='both_negative'),
            pytest.param([32, 32, 1e-44, 10], id='denormal'),
            pytest.param([32, 32, 1e30, 10], id='huge_width'),
            pytest.param([32, 32, 3e38, 3e38], id='huge'),
            pytest.param([-3e38, 32, 20, 10], id='far'),
        ],
    )
    def test_what_is_no_box_is_dropped_and_suppresses_none(self, box, layout):
        good = [32, 32, 20, 10, 0.8, 0, 0.5]
        with np.errstate(all='raise', under='ignore'):
            if layout == 'anchors':
                rows = [[*box, 0.9, 0, 0.5], good]
                found = decoded(rows, source_wh=(128, 48), resize='stretch', iou_threshold=0)
            else:
                rows = np.zeros((1, 300, 7), np.float32)
                rows[0, :2] = [*box, 0.9, 0, 0.5], [*good[:4], 0.8, 0, 0.5]
                end_to_end = OrientedLayout(2, end_to_end=True, channels_last=True)
                transform = fit(SIZE_WH, SIZE_WH)
                found = decode_oriented([rows], end_to_end, transform, DetectionOptions())
        assert found.score.tolist() == [pytest.approx(0.8)]

    @pytest.mark.parametrize('angle', [0, 0.3, 0.7, 0.785, 1.5, 2.2, 1e30])
    def test_thin_and_long_boxes_suppress_their_like(self, angle):
        with np.errstate(all='raise', under='ignore'):
            rows = [[32, 32, 9e4, 1e-3, score, 0, angle] for score in (0.9, 0.8)]
            assert len(decoded(rows)) == 1
            decoded([[-9e4, 9e4, 9e4, 1, 0.9, 0, angle], [9e4, -9e4, 9e4, 9e4, 0.8, 0, 1]])

    def test_at_most_so_many(self):
        rows = [[8 * i, 30, 2, 2, 0.9 - i / 100, 0, 0] for i in range(8)]
        assert len(decoded(rows, max_detections=3)) == 3

    @pytest.mark.parametrize('column', range(7))
    @pytest.mark.parametrize('value', [np.nan, np.inf])
    def test_values_that_are_none(self, column, value):
        row = [30, 30, 20, 10, 0.9, 0.1, 0]
        row[column] = value
        with pytest.raises(ModelError, match='NaN or infinite'):
            decoded([row])

    def test_an_output_of_another_shape(self):
        transform = fit(SIZE_WH, SIZE_WH)
        with pytest.raises(ModelError, match='without the 7 values a row'):
            decode_oriented(
                [np.zeros((1, 8, CELLS), np.float32)], LAYOUT, transform, DetectionOptions()
            )

    def test_rows_that_need_no_suppression(self):
        layout = OrientedLayout(2, end_to_end=True, channels_last=True)
        rows = np.zeros((1, 300, 7), np.float32)
        rows[0, :4] = [
            [30, 30, 20, 10, 0.8, 1, 0.5],
            [30, 30, 20, 10, 0.9, 1, 0.5],
            [30, 30, 20, 10, 0.9, 2, 0.5],  # of a class that there is not
            [30, 30, 20, 10, 0.9, -1, 0.5],
        ]
        found = decode_oriented([rows], layout, fit(SIZE_WH, SIZE_WH), DetectionOptions())
        assert found.score.tolist() == pytest.approx([0.9, 0.8])
        assert found.class_id.tolist() == [1, 1]


class TestRecognize:
    @pytest.mark.parametrize(
        ('shape', 'names', 'expected'),
        [
            ((1, 7, CELLS), 2, OrientedLayout(2, False, False)),
            ((1, CELLS, 7), 2, OrientedLayout(2, False, True)),
            ((1, 7, CELLS), 0, OrientedLayout(2, False, False)),
            ((1, 300, 7), 2, OrientedLayout(2, True, True)),
            ((1, 300, 7), 0, OrientedLayout(0, True, True)),
        ],
        ids=str,
    )
    def test_layout(self, shape, names, expected):
        info = ModelInfo(task='obb', class_names=tuple(map(str, range(names))))
        assert recognize_oriented(outputs(shape), info) == expected

    @pytest.mark.parametrize(
        ('shape', 'names'),
        [((1, 7, CELLS), 3), ((1, 5, CELLS), 0), ((1, 7, 99), 2), ((7, CELLS), 2), ((), 2)],
        ids=str,
    )
    def test_what_holds_none(self, shape, names):
        info = ModelInfo(task='obb', class_names=tuple(map(str, range(names))))
        with pytest.raises(ModelError, match=r'expected \(1, 4 \+ classes \+ 1, anchors\)'):
            recognize_oriented(outputs(shape), info)

    def test_another_task(self):
        assert recognize_oriented(outputs((1, 7, CELLS)), ModelInfo()) is None


def outputs(shape):
    return NetworkOutputs(['output0'], [np.zeros(shape, np.float32)], SIZE_WH)


def test_corners_go_around():
    (corners,) = oriented_corners(np.float32([[10, 20, 8, 4, QUARTER]]))
    assert corners.tolist() == [
        pytest.approx(corner, abs=1e-5) for corner in ([12, 16], [12, 24], [8, 24], [8, 16])
    ]


def test_enclosing_none():
    assert enclosing(np.zeros((0, 5), np.float32)).shape == (0, 4)


@pytest.mark.parametrize('angle', [-0.7, 0, 0.3, 1.5, 2.3, 4, -4])
def test_stretched_by_equal_factors_only_sizes_change(angle):
    boxes = np.float32([[10, 20, 8, 4, angle]])
    assert stretched(boxes, (2, 2)).tolist() == [pytest.approx([20, 40, 16, 8, angle])]
    angle_then = stretched(boxes, (1.001, 1))[0, 4]
    assert angle_then == pytest.approx(angle, abs=1e-3)
