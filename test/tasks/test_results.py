"""What a result is made of, and rows taken out of it."""

import numpy as np
import pytest

from jetson_perception.errors import ImageError
from jetson_perception.images.regions import Region
from jetson_perception.tasks.results import Detections

IDS = np.array([[0, 1, 2], [3, 3, 1]], np.uint8)


def detections(count=3, **more):
    return Detections(
        np.arange(4 * count, dtype=np.float32).reshape(count, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.arange(count, dtype=np.int32),
        **more,
    )


def test_empty():
    nothing = Detections.empty()
    assert len(nothing) == 0
    assert (nothing.keypoints, nothing.instance_ids, nothing.track_id) == (None, None, None)
    assert nothing.track_names() == []
    assert Detections.empty(17).keypoints.shape == (0, 17, 3)
    ids = Detections.empty(masks_wh=(3, 2)).instance_ids
    assert (ids.shape, ids.dtype, ids.any()) == ((2, 3), np.uint8, False)


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        ({'score': np.zeros(2, np.float32)}, r'score \(2,\) .* with the same n'),
        ({'keypoints': np.zeros((2, 5, 3), np.float32)}, r'keypoints \(2, 5, 3\) must be \(3, k'),
        ({'instance_ids': np.zeros((3, 2, 2), np.uint8)}, r'uint8 \(3, 2, 2\) must be \(h, w\)'),
        (
            {'instance_ids': np.zeros((2, 2), np.int64)},
            r'int64 \(2, 2\) must be .* uint8 or uint16',
        ),
        ({'oriented': np.zeros((3, 4), np.float32)}, r'oriented \(3, 4\) must be \(3, 5\)'),
        ({'track_id': np.zeros(2, np.int64)}, r'track_id int64 \(2,\) must be \(3,\), int64'),
        ({'track_id': np.zeros(3, np.int32)}, r'track_id int32 \(3,\) must be \(3,\), int64'),
    ],
)
def test_what_does_not_fit_together(more, text):
    good = {
        'xyxy': np.zeros((3, 4), np.float32),
        'score': np.zeros(3, np.float32),
        'class_id': np.zeros(3, np.int32),
    }
    with pytest.raises(ValueError, match=text):
        Detections(**{**good, **more})


@pytest.mark.parametrize(
    ('rows', 'classes', 'ids'),
    [
        pytest.param(slice(0), [], [[0, 0, 0], [0, 0, 0]], id='none'),
        pytest.param(slice(None), [0, 1, 2], IDS.tolist(), id='all'),
        pytest.param(slice(1, None), [1, 2], [[0, 0, 1], [2, 2, 0]], id='slice'),
        pytest.param(
            np.array([True, False, True]), [0, 2], [[0, 1, 0], [2, 2, 1]], id='boolean_mask'
        ),
        pytest.param(np.array([2, 0]), [2, 0], [[0, 2, 0], [1, 1, 2]], id='another_order'),
        pytest.param(np.array([1, 1]), [1, 1], [[0, 0, 1], [0, 0, 0]], id='one_row_twice'),
    ],
)
def test_rows_take_their_pixels_along(rows, classes, ids):
    taken = detections(instance_ids=IDS)[rows]
    assert taken.class_id.tolist() == classes
    assert taken.instance_ids.tolist() == ids
    assert taken.instance_ids.dtype == np.uint8


@pytest.mark.parametrize(
    ('rows', 'names'),
    [
        pytest.param(slice(0), [], id='none'),
        pytest.param(slice(None), ['0', '', '41'], id='all'),
        pytest.param(np.array([2, 0]), ['41', '0'], id='another_order'),
    ],
)
def test_rows_take_their_tracks_along(rows, names):
    tracked = detections(track_id=np.array([0, -1, 41], np.int64))
    assert tracked[rows].track_names() == names


def test_without_a_tracker_track_names_are_empty():
    assert detections(2).track_names() == ['', '']


def test_ids_become_small_when_few_are_left():
    ids = np.arange(301, dtype=np.uint16).reshape(7, 43)
    many = detections(300, instance_ids=ids)
    assert many[100:].instance_ids.dtype == np.uint8
    assert many[:256].instance_ids.dtype == np.uint16
    assert many[200:].instance_ids.ravel().tolist() == [0] * 201 + list(range(1, 101))


def test_scaled_are_the_coordinates_and_nothing_else():
    points = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    found = detections(keypoints=points, instance_ids=IDS, track_id=np.arange(3))
    half = found.scaled((0.5, 0.25))
    assert half.xyxy.tolist()[1] == [4 * 0.5, 5 * 0.25, 6 * 0.5, 7 * 0.25]
    assert half.keypoints[0].tolist() == [[0, 0.25, 2], [1.5, 1, 5]]
    assert (half.xyxy.dtype, half.keypoints.dtype) == (np.float32, np.float32)
    for name in ('score', 'class_id', 'instance_ids', 'track_id'):
        assert getattr(half, name) is getattr(found, name)
    assert found.xyxy[1].tolist() == [4, 5, 6, 7]  # as before


@pytest.mark.parametrize(
    'found',
    [pytest.param(Detections.empty(17), id='nothing'), pytest.param(detections(), id='boxes')],
)
def test_scaled_without_keypoints_or_objects(found):
    assert len(found.scaled((0.5, 0.5))) == len(found)
    assert found.scaled((1.0, 1.0)) is found


def test_oriented_boxes_go_with_their_rows():
    oriented = np.arange(15, dtype=np.float32).reshape(3, 5)
    found = detections(oriented=oriented)
    assert found[[2, 0]].oriented.tolist() == oriented[[2, 0]].tolist()
    assert found.scaled((2, 2)).oriented[:, :4].tolist() == pytest.approx(2 * oriented[:, :4])


def test_in_the_frame_that_a_region_is_a_part_of():
    ids = np.array([[0, 1], [2, 0]], np.uint8)
    found = Detections(
        np.array([[0, 0, 1, 1], [0.5, 1, 2, 2]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.zeros(2, np.int32),
        np.array([[[1, 0, 0.5]], [[0, 1, 0.4]]], np.float32),
        ids,
        oriented=np.array([[0.5, 0.5, 1, 1, 0.3], [1, 1, 1, 1, 0.1]], np.float32),
        trails=np.zeros((2, 3, 2), np.float32),
    )
    moved = found.in_frame(Region(10, 20, 2, 2), (40, 30))
    np.testing.assert_array_equal(moved.xyxy, [[10, 20, 11, 21], [10.5, 21, 12, 22]])
    np.testing.assert_array_equal(
        moved.keypoints, np.array([[[11, 20, 0.5]], [[10, 21, 0.4]]], np.float32)
    )
    np.testing.assert_array_equal(
        moved.oriented,
        np.array([[10.5, 20.5, 1, 1, 0.3], [11, 21, 1, 1, 0.1]], np.float32),
    )
    np.testing.assert_array_equal(moved.trails, np.full((2, 3, 2), (10, 20)))
    assert moved.instance_ids.shape == (30, 40)
    np.testing.assert_array_equal(moved.instance_ids[20:22, 10:12], ids)
    assert np.count_nonzero(moved.instance_ids) == 2
    assert {each.dtype for each in (moved.xyxy, moved.keypoints, moved.oriented)} == {
        np.dtype(np.float32)
    }


def test_a_region_that_is_the_whole_frame_moves_nothing():
    found = Detections.empty()
    assert found.in_frame(Region.whole((40, 30)), (40, 30)) is found


def test_a_region_of_another_frame():
    with pytest.raises(ImageError, match='reaches beyond'):
        Detections.empty().in_frame(Region(0, 0, 41, 30), (40, 30))
