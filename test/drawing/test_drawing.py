"""Which pixels drawings change, and which they do not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from jetson_perception.drawing import (
    color_mask,
    count_rows,
    draw_detections,
    draw_frame_rate,
    draw_segmentation,
)
from jetson_perception.drawing.colors import WHITE, vivid
from jetson_perception.palette import palette
from jetson_perception.tasks.results import Detections, Segmentation

NAMES = ('background', 'ulcer', 'sunburn', 'wind scar')


def gray(width=320, height=240, value=100):
    return np.full((height, width, 3), value, np.uint8)


def segmentation(mask, classes=4):
    return Segmentation(mask, np.bincount(mask.ravel(), minlength=classes))


def detections(*boxes, score=0.9, class_id=0, keypoints=None):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, score, np.float32),
        np.full(n, class_id, np.int32),
        keypoints,
    )


def changed(canvas, before):
    """Left, top, right, bottom of what differs, or None."""
    left, top, width, height = cv2.boundingRect((canvas != before).any(axis=2).astype(np.uint8))
    return (left, top, left + width, top + height) if width else None


@pytest.mark.parametrize('classes', [1, 4, 21, 256])
def test_color_mask(classes):
    mask = np.random.default_rng(0).integers(0, classes, (31, 33), np.uint8)
    colors = palette(classes)
    assert np.array_equal(color_mask(mask, colors), colors[mask])
    out = np.empty((31, 33, 3), np.uint8)
    assert color_mask(mask, colors, out) is out
    assert np.array_equal(out, colors[mask])


def test_ids_beyond_the_palette_are_black():
    assert color_mask(np.array([[3, 4, 255]], np.uint8), palette(4)).tolist() == [
        [palette(4)[3].tolist(), [0, 0, 0], [0, 0, 0]]
    ]


@pytest.mark.parametrize('blend', [0.0, 0.6, 1.0])
def test_a_mask_tints_its_pixels_and_no_others(blend):
    canvas = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    before = canvas.copy()
    mask = np.zeros((240, 320), np.uint8)
    mask[50:80, 60:90] = 1
    mask[70:100, 85:130] = 3
    draw_segmentation(canvas, segmentation(mask), palette(4), blend)
    expected = before * blend + palette(4)[mask] * (1 - blend)
    inside = mask > 0
    assert np.abs(canvas[inside] - expected[inside]).max() <= 0.51
    assert np.array_equal(canvas[~inside], before[~inside])


def test_blend_agrees_with_add_weighted_of_the_whole_image():
    canvas = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    mask = np.random.default_rng(1).integers(1, 4, (48, 64), np.uint8)
    expected = cv2.addWeighted(canvas, 0.6, palette(4)[mask], 0.4, 0)
    draw_segmentation(canvas, segmentation(mask), palette(4))
    assert np.array_equal(canvas, expected)


def test_a_mask_of_background_leaves_the_image_alone():
    canvas = gray()
    draw_segmentation(canvas, segmentation(np.zeros((240, 320), np.uint8)), palette(4), 0.6, NAMES)
    assert (canvas == 100).all()


def test_a_smaller_mask_is_enlarged():
    canvas, mask = gray(320, 240), np.zeros((24, 32), np.uint8)
    mask[12:, :] = 1
    draw_segmentation(canvas, segmentation(mask), palette(4))
    assert changed(canvas, gray()) == (0, 120, 320, 240)


def test_the_legend_names_the_classes_in_the_image():
    mask = np.zeros((240, 320), np.uint8)
    mask[0, 0] = 2
    canvas, silent = gray(), gray()
    draw_segmentation(canvas, segmentation(mask), palette(4), 0.6, NAMES)
    draw_segmentation(silent, segmentation(mask), palette(4), 0.6)
    left, top, _, _ = changed(canvas, silent)
    assert left < 20
    assert top > 120
    panel = canvas[top:, left:]
    assert (panel == palette(4)[2]).all(axis=2).any()
    assert not (panel == palette(4)[1]).all(axis=2).any()


def instances(ids, *boxes, class_id=0):
    found = detections(*boxes, class_id=class_id)
    return Detections(found.xyxy, found.score, found.class_id, None, ids)


def drawn_ids(ids, *boxes, width=320, height=240):
    """What the masks change; that of the boxes is the same in both pictures."""
    canvas, without = gray(width, height), gray(width, height)
    draw_detections(canvas, instances(ids, *boxes), ())
    draw_detections(without, instances(np.zeros_like(ids), *boxes), ())
    return canvas, without


def test_instances_are_tinted_and_outlined_inside_their_edge():
    ids = np.zeros((240, 320), np.uint8)
    ids[100:160, 40:140] = 1
    ids[100:160, 140:240] = 2
    canvas, without = drawn_ids(ids, (0, 0, 9, 9), (310, 230, 319, 239))
    assert changed(canvas, without) == (40, 100, 240, 160)
    left, right = canvas[130, 90], canvas[130, 190]
    edges = [canvas[130, x] for x in (40, 139, 140, 239)] + [canvas[100, 90], canvas[159, 190]]
    expected = [0, 0, 1, 1, 0, 1]
    for color, one in zip(edges, expected, strict=True):
        # The tint is the edge's color over the gray of the picture.
        tint = (left, right)[one].astype(int)
        assert np.abs(0.6 * 100 + 0.4 * color.astype(float) - tint).max() <= 1
    assert (left != right).any()


def test_an_instance_that_the_image_cuts_has_no_edge_there():
    ids = np.ones((240, 320), np.uint8)
    canvas, _ = drawn_ids(ids, (100, 100, 101, 101))
    assert (canvas[0, 0] == canvas[200, 300]).all()
    assert (canvas[239, 160] == canvas[200, 300]).all()


def test_no_instances_leave_the_image_alone():
    canvas = gray()
    draw_detections(canvas, Detections.empty(masks_wh=(320, 240)), NAMES)
    assert (canvas == 100).all()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('pixel', [(0, 0), (239, 319), (120, 0), (100, 100)], ids=str)
def test_an_instance_of_one_pixel(pixel, dtype):
    ids = np.zeros((240, 320), dtype)
    ids[pixel] = 1
    canvas, without = drawn_ids(ids, (150, 150, 160, 160))
    y, x = pixel
    assert changed(canvas, without) == (x, y, x + 1, y + 1)


def test_more_instances_than_a_byte_holds():
    """The last's id is 256 times some number, and still not nothing."""
    ids = np.zeros((240, 320), np.uint16)
    ids[100:140, 100:140] = 512
    canvas, without = drawn_ids(ids, (150, 150, 160, 160))
    assert changed(canvas, without) == (100, 100, 140, 140)
    boxes = np.tile([[200, 150, 260, 200]], (300, 1))
    canvas = gray()
    draw_detections(canvas, instances(ids, *boxes), ())
    assert (canvas != 100).any()


def test_masks_of_another_size_are_enlarged():
    """As of a slow engine, after the camera changed its size."""
    ids = np.zeros((24, 32), np.uint8)
    ids[12:, :] = 1
    canvas, without = drawn_ids(ids, (0, 0, 9, 9))
    assert changed(canvas, without) == (0, 120, 320, 240)


def test_a_box_has_the_color_of_its_mask():
    ids = np.zeros((240, 320), np.uint8)
    ids[60:100, 60:100] = 2
    canvas = gray()
    draw_detections(canvas, instances(ids, (10, 200, 50, 230), (50, 50, 200, 180)), ())
    assert np.array_equal(canvas[60, 80], canvas[120, 50])
    assert np.abs(canvas[60, 80].astype(int) - canvas[215, 10]).max() > 64


BOXES = [
    pytest.param((40, 60, 200, 180), id='inside'),
    pytest.param((0, 0, 320, 240), id='whole_image'),
    pytest.param((250, 0, 320, 30), id='upper_right_corner'),
    pytest.param((0, 200, 30, 240), id='lower_left_corner'),
    pytest.param((318, 238, 320, 240), id='two_pixels'),
    pytest.param((-500, -500, 900, 900), id='around'),
]


@pytest.mark.parametrize('size_wh', [(320, 240), (160, 120), (1920, 1080)], ids=str)
@pytest.mark.parametrize('box', BOXES)
def test_labels_stay_in_the_image(box, size_wh):
    width, height = size_wh
    scale = np.array([width / 320, height / 240] * 2)

    def ink(corners):
        canvas = gray(width, height)
        draw_detections(canvas, detections(np.array(corners) * scale), ('cat',))
        return (canvas > 200).all(axis=2).sum()

    assert ink(box) == ink((100, 100, 200, 200)) > 0


@pytest.mark.parametrize('box', BOXES)
def test_a_label_wider_than_the_image_touches_nothing_else(box):
    whole = gray(200, 160)
    canvas = whole[20:-20, 20:-20]  # a window into a larger image, whose rim stays
    draw_detections(canvas, detections(box), ('a very long class name that has no room',))
    assert (canvas != 100).any()
    canvas[:] = 100
    assert (whole == 100).all()


def test_a_box_and_its_label():
    canvas = gray()
    draw_detections(canvas, detections((40, 60, 200, 180)), ('cat',))
    left, top, right, bottom = changed(canvas, gray())
    assert abs(left - 40) <= 2
    assert abs(right - 200) <= 3
    assert abs(bottom - 180) <= 3
    assert 30 < top < 58  # the label's top
    assert (canvas[100:160, 60:180] == 100).all()


def test_an_oriented_box_is_drawn_turned():
    upright = np.float32([[60, 60, 140, 140]])
    diamond = np.float32([[100, 100, 80 / 2**0.5, 80 / 2**0.5, np.pi / 4]])
    canvas = np.zeros((200, 200, 3), np.uint8)
    found = Detections(upright, np.float32([0.9]), np.zeros(1, np.int32), oriented=diamond)
    draw_detections(canvas, found, ['ship'])
    drawn = canvas.any(axis=2)
    for x, y in ((80, 80), (120, 120), (80, 120), (100, 139)):  # on its sides, and a corner
        assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()
    for x, y in ((62, 138), (138, 138), (100, 100)):  # corners of the upright box, and its middle
        assert not drawn[y - 2 : y + 3, x - 2 : x + 3].any()


def test_the_id_of_a_tracked_object_makes_its_label_longer():
    found = detections((40, 60, 60, 180))
    canvases = {}
    for track in (None, -1, 7):
        canvases[track] = gray()
        track_id = None if track is None else np.array([track], np.int64)
        draw_detections(canvases[track], replace(found, track_id=track_id), ('cat',))
    assert (canvases[None] == canvases[-1]).all()  # not tracked yet
    assert changed(canvases[7], gray())[2] > changed(canvases[None], gray())[2]


def test_lines_and_text_grow_with_the_image():
    heights = []
    for scale in (1, 4):
        canvas = gray(320 * scale, 240 * scale)
        box = np.array((40, 60, 200, 180)) * scale
        draw_detections(canvas, detections(box), ('cat',))
        _, top, _, _ = changed(canvas, gray(320 * scale, 240 * scale))
        heights.append(60 * scale - top)
    assert heights[1] > 1.8 * heights[0]


def test_an_unnamed_class_is_drawn_as_it_is_called_elsewhere():
    unnamed, named = gray(), gray()
    draw_detections(unnamed, detections((40, 60, 200, 180), class_id=7), ('cat',))
    draw_detections(named, detections((40, 60, 200, 180), class_id=7), ('x',) * 7 + ('class_7',))
    assert np.array_equal(unnamed, named)


def test_nothing_found_draws_nothing():
    canvas = gray()
    draw_detections(canvas, Detections.empty(17), ('person',), skeleton=((0, 1),))
    assert (canvas == 100).all()


def people(*points):
    return np.array([points], np.float32)


@pytest.mark.parametrize(
    ('scores', 'joined', 'dots'),
    [
        ((0.9, 0.9), True, (True, True)),
        ((0.9, 0.4), False, (True, False)),
        ((0.5, 0.5), True, (True, True)),
        ((0.0, 0.0), False, (False, False)),
    ],
)
def test_keypoints_below_the_threshold_are_left_out_with_their_lines(scores, joined, dots):
    canvas = gray()
    points = people((80, 100, scores[0]), (160, 100, scores[1]))
    found = detections((40, 60, 200, 180), keypoints=points)
    draw_detections(canvas, found, ('person',), skeleton=((0, 1),))
    assert (canvas[100, 120] != 100).any() == joined
    assert ((canvas[100, 80] != 100).any(), (canvas[100, 160] != 100).any()) == dots


def test_every_keypoint_of_every_object_is_drawn():
    points = np.zeros((3, 5, 3), np.float32)
    points[..., 0] = 60 + 20 * np.arange(5)
    points[..., 1] = 40 + 60 * np.arange(3)[:, None]
    points[..., 2] = 1
    canvas = gray()
    draw_detections(canvas, detections(*[(40, 20, 300, 220)] * 3, keypoints=points), ('person',))
    for x, y, _ in points.reshape(-1, 3).astype(int):
        assert (canvas[y, x] != 100).any()


@pytest.mark.parametrize('x', [-1e9, 1e9, 5000.0])
def test_keypoints_far_outside_and_skeletons_of_other_models(x):
    canvas = gray()
    points = people((x, 100, 1), (160, 100, 1))
    found = detections((40, 60, 200, 180), keypoints=points)
    draw_detections(canvas, found, ('person',), skeleton=((0, 1), (5, 6), (0, 16)))
    assert (canvas[100, 160] != 100).any()


@pytest.mark.parametrize('hz', [0.0, -1.0, float('nan')])
def test_no_frame_rate_before_it_is_known(hz):
    canvas = np.full((120, 160, 3), 99, np.uint8)
    draw_frame_rate(canvas, hz)
    assert (canvas == 99).all()


def test_frame_rate_stays_in_its_corner():
    canvas = gray(1280, 720)
    draw_frame_rate(canvas, 29.97)
    left, top, right, bottom = changed(canvas, gray(1280, 720))
    assert (left, top) == (0, 0)
    assert 50 < right < 200
    assert 10 < bottom < 50
    assert (canvas[:bottom, :right] > 200).any()


def test_boxes_of_the_first_classes_have_different_colors():
    corner_colors = set()
    for class_id in range(20):
        canvas = gray()
        draw_detections(canvas, detections((40, 60, 200, 180), class_id=class_id), ())
        corner_colors.add(tuple(canvas[180, 120].tolist()))
    assert len(corner_colors) == 20


@pytest.mark.parametrize('size_wh', [(1, 1), (8, 8), (16, 9)], ids=str)
def test_tiny_images(size_wh):
    canvas = gray(*size_wh)
    mask = np.ones(canvas.shape[:2], np.uint8)
    draw_segmentation(canvas, segmentation(mask), palette(4), 0.6, NAMES)
    points = people((0, 0, 1), (3, 3, 1))
    found = detections((0, 0, *size_wh), keypoints=points)
    draw_detections(canvas, found, ('person',), skeleton=((0, 1),))
    draw_frame_rate(canvas, 30)


class TestCountRows:
    def test_of_nothing(self):
        assert count_rows(detections(), NAMES) == []

    def test_each_class_with_the_color_of_its_boxes(self):
        found = replace(detections(*[(0, 0, 9, 9)] * 4), class_id=np.array([2, 0, 2, 7], np.int32))
        assert count_rows(found, NAMES) == [
            (vivid(1), 'background', '1'),
            (vivid(3), 'sunburn', '2'),
            (vivid(8), 'class_7', '1'),
        ]

    def test_without_the_color_of_one_object(self):
        found = replace(detections((0, 0, 9, 9)), track_id=np.array([5], np.int64))
        assert count_rows(found, NAMES) == [(WHITE, 'background', '1')]
