"""Boxes cut out of an image, and what was found in them put back."""

import numpy as np
import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.tasks.crops import CropOptions, cut, join_objects
from jetson_perception.tasks.results import Detections

SIZE_WH = (100, 60)


def boxes(*xyxy, score=None, class_id=None, **more):
    count = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(count, 4),
        np.linspace(0.9, 0.5, count).astype(np.float32) if score is None else np.float32(score),
        np.zeros(count, np.int32) if class_id is None else np.array(class_id, np.int32),
        **more,
    )


def test_nothing_to_cut():
    crops = cut(boxes(), SIZE_WH, CropOptions())
    assert (len(crops), crops.left_out, crops.objects.parent_ids) == (0, 0, ())
    nothing = Detections.empty(2, SIZE_WH)
    joined = join_objects(crops, [], nothing, one_each=True)
    assert joined.keypoints.shape == (0, 2, 3)
    assert joined.instance_ids.shape == (60, 100)
    assert joined.parent_ids == ()


@pytest.mark.parametrize(
    'box',
    [
        (np.nan, 1, 5, 5),
        (1, 1, np.inf, 5),
        (-np.inf, -np.inf, np.inf, np.inf),
        (5, 5, 5, 9),
        (9, 5, 5, 9),
        (-20, 5, 0, 9),
        (100, 5, 120, 9),
        (1, 60, 5, 70),
    ],
    ids=str,
)
def test_a_box_without_area_in_the_image_has_no_crop(box):
    crops = cut(boxes(box, (10, 10, 20, 20)), SIZE_WH, CropOptions(margin=0.5))
    assert crops.objects.parent_ids == ('#1',)
    assert crops.left_out == 0


@pytest.mark.parametrize(
    ('box', 'margin', 'expected'),
    [
        pytest.param((10, 20, 30, 30), 0, (10, 20, 30, 30), id='whole_pixels'),
        pytest.param((10.2, 20.9, 29.1, 29.5), 0, (10, 20, 30, 30), id='all_that_it_touches'),
        pytest.param((10.2, 20.2, 10.3, 20.3), 0, (10, 20, 11, 21), id='less_than_a_pixel'),
        pytest.param((10, 20, 30, 30), 0.1, (8, 19, 32, 31), id='margin'),
        pytest.param((10, 20, 30, 30), 1, (0, 10, 50, 40), id='margin_at_the_edge'),
        pytest.param((-5, -5, 500, 500), 2, (0, 0, 100, 60), id='larger_than_the_image'),
        pytest.param((-3e38, 5, 3e38, 9), 2, (0, 0, 100, 17), id='huge'),
    ],
)
def test_the_pixels_of_a_box(box, margin, expected):
    crops = cut(boxes(box), SIZE_WH, CropOptions(margin=margin))
    (region,) = crops.regions
    assert (region.left, region.top, region.right, region.bottom) == expected
    left, top, right, bottom = expected
    picture = np.arange(60 * 100 * 3).reshape(60, 100, 3).astype(np.uint8)
    assert (region.of(picture) == picture[top:bottom, left:right]).all()


def test_the_best_of_the_wanted_classes_in_the_order_of_the_detector():
    found = boxes(
        *[(10 * i, 0, 10 * i + 9, 9) for i in range(6)],
        score=[0.5, 0.9, 0.7, 0.7, 0.95, 0.7],
        class_id=[0, 1, 1, 1, 2, 1],
    )
    crops = cut(found, SIZE_WH, CropOptions(class_ids=(0, 1), most=3))
    assert crops.objects.parent_ids == ('#1', '#2', '#3')
    assert crops.left_out == 2
    assert crops.objects.class_id.tolist() == [1, 1, 1]


def test_ids_are_those_of_the_detector_where_it_has_any():
    squares = [(10 * i, 0, 10 * i + 9, 9) for i in range(3)]
    tracked = boxes(*squares, track_id=np.array([7, -1, 0]))
    assert cut(tracked, SIZE_WH, CropOptions()).objects.parent_ids == ('7', '#1', '0')
    handed_on = boxes(*squares, parent_ids=('7', '7', '#0'))
    assert cut(handed_on, SIZE_WH, CropOptions()).objects.parent_ids == ('7', '7', '#0')


def test_objects_are_moved_to_where_their_crop_was():
    crops = cut(boxes((10, 20, 30, 40), (50, 0, 60, 10)), SIZE_WH, CropOptions(margin=0.1))
    points = np.array([[[1, 2, 0.5]]], np.float32)
    turned = np.array([[5, 6, 3, 2, 0.25]], np.float32)
    parts = [
        boxes((1, 2, 3, 4), keypoints=points, oriented=turned, score=[0.3]),
        boxes((4, 3, 6, 8), keypoints=points, oriented=turned, score=[0.8], class_id=[3]),
    ]
    joined = join_objects(crops, parts, Detections.empty(1), one_each=False)
    assert joined.xyxy.tolist() == [[9, 20, 11, 22], [53, 3, 55, 8]]
    assert joined.keypoints[:, 0].tolist() == [[9, 20, 0.5], [50, 2, 0.5]]
    assert joined.oriented[:, :2].tolist() == [[13, 24], [54, 6]]
    assert joined.oriented[:, 2:].tolist() == [[3, 2, 0.25]] * 2
    assert joined.parent_ids == ('#0', '#1')
    assert joined.class_id.tolist() == [0, 3]
    assert parts[0].xyxy.tolist() == [[1, 2, 3, 4]]


def test_one_of_each_crop_is_the_one_that_fits_its_box():
    crops = cut(boxes((20, 20, 40, 40), (60, 20, 80, 40)), SIZE_WH, CropOptions(margin=0.5))
    others = boxes((0, 0, 12, 12), (11, 9, 31, 29), (0, 0, 40, 40))
    none_there = boxes()
    joined = join_objects(crops, [others, none_there], Detections.empty(), one_each=True)
    assert joined.xyxy.tolist() == [[21, 19, 41, 39]]
    assert joined.parent_ids == ('#0',)
    everything = join_objects(crops, [others, none_there], Detections.empty(), one_each=False)
    assert everything.parent_ids == ('#0', '#0', '#0')


@pytest.mark.parametrize('many', [False, True], ids=['uint8', 'uint16'])
def test_masks_are_painted_where_they_were_and_the_first_wins(many):
    crops = cut(boxes((0, 0, 4, 2), (2, 0, 6, 2)), SIZE_WH, CropOptions())
    more = [(0, 0, 1, 1)] * 255 if many else []
    first = boxes((0, 0, 2, 2), (2, 0, 4, 2), instance_ids=np.uint8([[1, 1, 2, 2], [0, 0, 2, 0]]))
    second = boxes(
        (0, 0, 4, 2),
        *more,
        instance_ids=np.full((2, 4), 1 + len(more), np.uint16 if many else np.uint8),
    )
    nothing = Detections.empty(masks_wh=SIZE_WH)
    joined = join_objects(crops, [first, second], nothing, one_each=False)
    last = 3 + len(more)
    assert joined.instance_ids.dtype == (np.uint16 if many else np.uint8)
    assert joined.instance_ids[:2, :7].tolist() == [
        [1, 1, 2, 2, last, last, 0],
        [0, 0, 2, last, last, last, 0],
    ]
    assert not joined.instance_ids[2:].any()
    assert len(joined) == last


def test_no_more_masks_than_a_pixel_can_name():
    crops = cut(boxes((0, 0, 1, 1), (2, 0, 3, 1)), SIZE_WH, CropOptions())
    crowd = boxes(*[(0, 0, 1, 1)] * 40_000, instance_ids=np.full((1, 1), 40_000, np.uint16))
    nothing = Detections.empty(masks_wh=SIZE_WH)
    joined = join_objects(crops, [crowd, crowd], nothing, one_each=False)
    assert len(joined) == joined.instance_ids.max() == 40_000


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ({'margin': -0.1}, 'margin is -0.1; expected a share'),
        ({'margin': np.nan}, 'margin is nan'),
        ({'margin': np.inf}, 'margin is inf'),
        ({'most': 0}, 'most is 0; expected at least 1'),
    ],
)
def test_options_that_mean_nothing(options, told):
    with pytest.raises(ParameterError, match=told):
        CropOptions(**options)
