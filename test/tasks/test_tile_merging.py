"""What is found in tiles, merged: nothing twice, nothing lost, nothing in pieces."""

import numpy as np
import pytest

from jetson_perception.images.regions import Region
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.results import Detections, enclosing
from jetson_perception.tasks.tile_merging import merge_tiles
from jetson_perception.tasks.tiles import Tiles

FRAME_WH = (180, 100)
LEFT, RIGHT = Region(0, 0, 100, 100), Region(80, 0, 100, 100)
WHOLE = Region.whole(FRAME_WH)


def found_in(region, *boxes, masks=False, points=None):
    """What a tile has of boxes in pixels of the frame: x, y, right, bottom, class and score."""
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    xyxy = rows[:, :4] - (region.left, region.top) * 2
    xyxy = np.clip(xyxy, 0, region.size_wh * 2).astype(np.float32)
    ids = None
    if masks:
        ids = np.zeros(region.size_wh[::-1], np.uint8)
        for row in range(len(rows) - 1, -1, -1):
            left, top, right, bottom = xyxy[row].astype(int)
            ids[top:bottom, left:right] = row + 1
    keypoints = None
    if points is not None:
        keypoints = np.array(points, np.float32).reshape(len(rows), -1, 3)
        keypoints[..., :2] -= (region.left, region.top)
    return Detections(xyxy, rows[:, 5], rows[:, 4].astype(np.int32), keypoints, ids)


def merged(found, regions=(LEFT, RIGHT), frame_wh=FRAME_WH, **options):
    transforms = [fit(each.size_wh, (100, 100)) for each in regions]
    return merge_tiles(found, regions, transforms, frame_wh, DetectionOptions(**options))


def test_nothing_found():
    result = merged([found_in(LEFT), found_in(RIGHT)])
    assert len(result) == 0
    assert result.keypoints is None


def test_nothing_found_by_a_model_with_masks_and_keypoints():
    empty = Detections.empty(17, LEFT.size_wh)
    result = merged([empty, empty])
    assert result.instance_ids.shape == (100, 180)
    assert not result.instance_ids.any()
    assert result.keypoints.shape == (0, 17, 3)


def test_what_both_tiles_see_whole_is_one_object_where_it_was_seen_best():
    result = merged(
        [
            found_in(LEFT, (85, 10, 94, 20, 0, 0.6)),
            found_in(RIGHT, (86, 10, 95, 20, 0, 0.9)),
        ]
    )
    np.testing.assert_array_equal(result.xyxy, [[86, 10, 95, 20]])
    np.testing.assert_array_equal(result.score, np.float32([0.9]))


def test_a_whole_object_takes_its_piece_in_even_if_that_scores_more():
    result = merged(
        [
            found_in(LEFT, (70, 10, 98, 20, 0, 0.5)),  # cut from 100 on: touches the border
            found_in(RIGHT, (84, 10, 130, 20, 0, 0.4)),
        ]
    )
    np.testing.assert_array_equal(result.xyxy, [[70, 10, 130, 20]])  # cut on both sides
    result = merged(
        [
            found_in(LEFT, (60, 10, 94, 20, 0, 0.5)),
            found_in(RIGHT, (80, 10, 94, 20, 0, 0.8)),
        ]
    )
    np.testing.assert_array_equal(result.xyxy, [[60, 10, 94, 20]])
    np.testing.assert_array_equal(result.score, np.float32([0.8]))


def test_two_halves_are_joined_by_what_both_tiles_see():
    """The pieces overlap by less than half of either."""
    result = merged(
        [found_in(LEFT, (10, 10, 170, 50, 0, 0.5)), found_in(RIGHT, (10, 10, 170, 50, 0, 0.7))]
    )
    np.testing.assert_array_equal(result.xyxy, [[10, 10, 170, 50]])


def test_halves_of_two_objects_are_not():
    result = merged(
        [found_in(LEFT, (10, 10, 170, 30, 0, 0.5)), found_in(RIGHT, (60, 40, 170, 60, 0, 0.7))]
    )
    assert len(result) == 2


def test_an_object_larger_than_a_tile_is_that_of_the_whole_image():
    tile_boxes = (5, 5, 175, 95, 0, 0.9)
    result = merged(
        [
            found_in(LEFT, tile_boxes),
            found_in(RIGHT, tile_boxes),
            found_in(WHOLE, (4, 4, 174, 96, 0, 0.8)),
        ],
        (LEFT, RIGHT, WHOLE),
    )
    np.testing.assert_array_equal(result.xyxy, [[4, 4, 174, 96]])
    np.testing.assert_array_equal(result.score, np.float32([0.9]))


def test_a_small_object_is_as_the_tile_saw_it():
    result = merged(
        [
            found_in(LEFT, (10, 10, 20, 20, 0, 0.6)),
            found_in(RIGHT),
            found_in(WHOLE, (9, 11, 20, 21, 0, 0.9)),
        ],
        (LEFT, RIGHT, WHOLE),
    )
    np.testing.assert_array_equal(result.xyxy, [[10, 10, 20, 20]])
    np.testing.assert_array_equal(result.score, np.float32([0.9]))


def test_a_small_object_in_front_of_a_large_one_of_its_class_stays():
    large, small = (20, 10, 78, 90, 0, 0.9), (40, 40, 50, 60, 0, 0.8)
    both = found_in(LEFT, large, small)
    result = merged([both, found_in(RIGHT), found_in(WHOLE, large, small)], (LEFT, RIGHT, WHOLE))
    np.testing.assert_array_equal(result.xyxy, [large[:4], small[:4]])


@pytest.mark.parametrize(('agnostic', 'expected'), [(False, 2), (True, 1)])
def test_objects_of_two_classes(agnostic, expected):
    result = merged(
        [found_in(LEFT, (85, 10, 95, 20, 0, 0.6)), found_in(RIGHT, (80, 10, 95, 20, 1, 0.9))],
        class_agnostic=agnostic,
    )
    assert len(result) == expected
    assert result.class_id[0] == 1


def test_four_pieces_of_one_object():
    regions = Tiles(2, 2, 0.2, whole_image=False).regions((180, 180))
    box = (20, 20, 160, 160, 0, 0.5)
    result = merged([found_in(each, box) for each in regions], regions, (180, 180))
    np.testing.assert_array_equal(result.xyxy, [box[:4]])


def test_the_best_ones_stay_in_order():
    boxes = [(10 * index, 0, 10 * index + 8, 8, 0, 0.1 + index / 20) for index in range(8)]
    result = merged([found_in(LEFT, *boxes), found_in(RIGHT)], max_detections=3)
    np.testing.assert_allclose(result.score, [0.45, 0.4, 0.35])
    np.testing.assert_array_equal(result.xyxy[:, 0], [70, 60, 50])


def test_keypoints_follow_their_box():
    result = merged(
        [
            found_in(LEFT, (60, 10, 94, 20, 0, 0.5), points=[(65, 12, 0.4), (90, 15, 0.3)]),
            found_in(RIGHT, (80, 10, 94, 20, 0, 0.8), points=[(81, 19, 0.9), (91, 15, 0.9)]),
        ]
    )
    np.testing.assert_allclose(result.keypoints, [[[65, 12, 0.4], [90, 15, 0.3]]], atol=1e-5)


def test_keypoints_of_pieces_are_each_from_where_it_was_seen_best():
    box = (10, 10, 170, 50, 0)
    result = merged(
        [
            found_in(LEFT, (*box, 0.5), points=[(20, 12, 0.9), (90, 15, 0.3)]),
            found_in(RIGHT, (*box, 0.8), points=[(85, 19, 0.2), (160, 15, 0.7)]),
        ]
    )
    np.testing.assert_allclose(result.keypoints, [[[20, 12, 0.9], [160, 15, 0.7]]], atol=1e-5)


def test_masks_are_of_the_merged_objects():
    split, small = (10, 10, 170, 50, 0, 0.5), (20, 60, 30, 70, 0, 0.9)
    result = merged([found_in(LEFT, small, split, masks=True), found_in(RIGHT, split, masks=True)])
    expected = np.zeros((100, 180), np.uint8)
    expected[10:50, 10:170], expected[60:70, 20:30] = 2, 1
    np.testing.assert_array_equal(result.instance_ids, expected)


def test_more_objects_than_a_byte_counts():
    regions = (Region(0, 0, 400, 100), Region(380, 0, 20, 100))
    boxes = [(x, y, x + 3, y + 3, 0, 0.5) for x in range(0, 370, 5) for y in range(0, 20, 5)]
    found = [found_in(regions[0], *boxes[:280], masks=False), found_in(regions[1])]
    ids = np.zeros((100, 400), np.uint16)
    for row, box in enumerate(found[0].xyxy.astype(int)):
        ids[box[1] : box[3], box[0] : box[2]] = row + 1
    found = [
        Detections(found[0].xyxy, found[0].score, found[0].class_id, instance_ids=ids),
        Detections.empty(masks_wh=(20, 100)),
    ]
    result = merged(found, regions, (400, 100))
    assert result.instance_ids.dtype == np.uint16
    np.testing.assert_array_equal(result.instance_ids, ids)


def turned(region, *boxes):
    """Oriented boxes in pixels of the frame: center, size, angle and score; of one class."""
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    oriented = rows[:, :5] - np.float32((region.left, region.top, 0, 0, 0))
    xyxy = np.clip(enclosing(oriented), 0, region.size_wh * 2).astype(np.float32)
    return Detections(xyxy, rows[:, 5], np.zeros(len(rows), np.int32), oriented=oriented)


def test_oriented_boxes_are_compared_as_such():
    """Upright, the two would overlap by more than half; they lie across each other."""
    along, across = (90, 30, 24, 4, 0.6, 0.9), (90, 30, 24, 4, -0.6, 0.8)
    result = merged(
        [turned(LEFT), turned(RIGHT, along, across), turned(WHOLE, along, across)],
        (LEFT, RIGHT, WHOLE),
    )
    np.testing.assert_allclose(result.oriented, [along[:5], across[:5]], atol=1e-5)


def test_an_oriented_piece_is_a_part_of_the_whole():
    whole, piece = (78, 30, 30, 6, 0.1, 0.7), (86, 31, 13, 6, 0.3, 0.8)
    result = merged([turned(LEFT, whole), turned(RIGHT, piece)])
    np.testing.assert_allclose(result.oriented, [whole[:5]], atol=1e-5)
    np.testing.assert_array_equal(result.score, np.float32([0.8]))


def test_of_very_many_the_best_are_merged():
    regions = Tiles(4, 4).regions((4000, 4000))
    rng = np.random.default_rng(0)
    found = []
    for _ in regions:
        corner = rng.uniform(0, 900, (300, 2))
        xyxy = np.concatenate((corner, corner + 20), axis=1).astype(np.float32)
        score = np.sort(rng.uniform(0, 0.5, 300))[::-1].astype(np.float32)
        found.append(Detections(xyxy, score, np.zeros(300, np.int32)))
    result = merged(found, regions, (4000, 4000), max_detections=10_000)
    assert 500 < len(result) <= 1000
    assert result.score.min() > 0.35


def test_order_of_tiles_makes_no_difference():
    rng = np.random.default_rng(0)
    regions = Tiles(3, 2).regions((300, 200))
    found = []
    for each in regions:
        corner = rng.uniform(0, 80, (30, 2)) * (np.array(each.size_wh) / 100)
        size = rng.uniform(5, 60, (30, 2))
        frame_xy = np.concatenate((corner, corner + size), axis=1) + (each.left, each.top) * 2
        score = rng.permutation(30) / 40 + 0.1 + rng.uniform(0, 0.01)
        rows = np.concatenate((frame_xy, rng.integers(0, 2, (30, 1)), score[:, None]), axis=1)
        found.append(found_in(each, *rows))
    result = merged(found, regions, (300, 200))
    again = merged(found[::-1], regions[::-1], (300, 200))
    np.testing.assert_array_equal(result.xyxy, again.xyxy)
    assert (np.diff(result.score) <= 0).all()
    assert 5 < len(result) < 30 * len(regions)
