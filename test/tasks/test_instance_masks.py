"""Ids of instances in the source image, against cases by hand and two plain references."""

import cv2
import numpy as np
import pytest

from jetson_perception.tasks.instance_masks import instance_ids
from jetson_perception.tasks.preprocess import fit

#: An 8×8 image that the network takes as it is: a prototype cell is 4×4 pixels, 2×2 cells in all.
SAME = fit((8, 8), (8, 8), 'stretch')
EVERYWHERE = (0, 0, 8, 8)


def ids_of(prototypes, coefficients, boxes, transform=SAME):
    return instance_ids(
        np.array(prototypes, np.float32),
        np.array(coefficients, np.float32).reshape(len(boxes), len(prototypes)),
        np.array(boxes, np.float32).reshape(-1, 4),
        transform,
    )


def test_nothing_found():
    ids = ids_of(np.ones((3, 2, 2)), [], [], fit((31, 17), (8, 8)))
    assert ids.shape == (17, 31)
    assert ids.dtype == np.uint8
    assert not ids.any()


def test_by_hand():
    """Logits -1 left and 3 right: centers of cells at 2 and 6, so 0 is crossed at 3."""
    ids = ids_of([[[-1, 3], [-1, 3]]], [1], [EVERYWHERE])
    assert ids.tolist() == [[0, 0, 0, 1, 1, 1, 1, 1]] * 8
    ids = ids_of([[[-1, -1], [3, 3]]], [1], [EVERYWHERE])
    assert ids.T.tolist() == [[0, 0, 0, 1, 1, 1, 1, 1]] * 8


def test_a_logit_of_0_is_a_probability_of_one_half_and_not_enough():
    assert not ids_of(np.zeros((1, 2, 2)), [1], [EVERYWHERE]).any()


def test_prototypes_are_summed():
    prototypes = [np.full((2, 2), 2.0), [[1, -5], [1, -5]]]
    assert ids_of(prototypes, [1, 1], [EVERYWHERE])[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert ids_of(prototypes, [-1, -1], [EVERYWHERE])[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ('box', 'columns', 'rows'),
    [
        pytest.param((2, 1, 5, 4), (2, 5), (1, 4), id='whole_pixels'),
        pytest.param((2.4, 1.5, 5.6, 4.5), (2, 6), (1, 4), id='pixels_whose_center_is_inside'),
        pytest.param((2.6, 0, 3.4, 8), (3, 3), (0, 8), id='narrower_than_a_pixel'),
        pytest.param((0, 0, 8, 8), (0, 8), (0, 8), id='the_whole_image'),
        pytest.param((-50, -3, 2, 2), (0, 2), (0, 2), id='beyond_upper_left'),
        pytest.param((6, 7, 900, 12), (6, 8), (7, 8), id='beyond_lower_right'),
        pytest.param((9, 9, 12, 12), (0, 0), (0, 0), id='outside'),
        pytest.param((-9, -9, -2, -2), (0, 0), (0, 0), id='outside_on_the_other_side'),
        pytest.param((5, 5, 2, 2), (0, 0), (0, 0), id='inside_out'),
        pytest.param((3, 3, 3, 3), (0, 0), (0, 0), id='no_area'),
    ],
)
def test_no_pixel_outside_the_box(box, columns, rows):
    expected = np.zeros((8, 8), np.uint8)
    expected[slice(*rows), slice(*columns)] = 1
    np.testing.assert_array_equal(ids_of(np.ones((1, 2, 2)), [1], [box]), expected)


def test_a_pixel_of_several_is_the_first_ones():
    boxes = [(0, 0, 4, 8), (2, 0, 6, 8), (0, 0, 8, 8)]
    ids = ids_of(np.ones((1, 2, 2)), [1, 1, 1], boxes)
    assert ids.tolist() == [[1, 1, 1, 1, 2, 2, 3, 3]] * 8


@pytest.mark.parametrize('garbage', [np.nan, np.inf, -np.inf])
def test_non_finite_coefficients_give_no_pixels(garbage):
    prototypes = np.stack([np.ones((2, 2)), np.zeros((2, 2))])
    ids = ids_of(prototypes, [[1, garbage], [1, 0]], [EVERYWHERE, (0, 0, 8, 1)])
    assert ids.tolist() == [[2] * 8] + [[0] * 8] * 7


def test_more_than_255_objects():
    boxes = [(i % 20, i // 20, i % 20 + 1, i // 20 + 1) for i in range(300)]
    transform = fit((20, 15), (32, 32))
    ids = ids_of(np.ones((1, 8, 8)), np.ones(300), boxes, transform)
    assert ids.dtype == np.uint16
    assert ids.ravel().tolist() == list(range(1, 301))
    ids = ids_of(np.ones((1, 8, 8)), np.ones(255), boxes[:255], transform)
    assert ids.dtype == np.uint8
    assert ids.ravel().tolist() == [*range(1, 256), *[0] * 45]


def test_padding_has_no_part_in_it():
    """A 16×8 image in a 16×16 input: rows 4 to 12, cells 1 and 2 of 4. The others say no."""
    transform = fit((16, 8), (16, 16))
    assert transform.offset_xy == (0, 4)
    prototypes = np.full((1, 4, 4), -100.0)
    prototypes[0, 1:3] = 1
    assert ids_of(prototypes, [1], [(0, 0, 16, 8)], transform).all()


@pytest.mark.parametrize('wh', [(1, 1), (1, 9), (9, 1), (3, 2), (640, 3), (3, 640)])
@pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left', 'stretch'])
def test_images_of_every_shape(wh, resize):
    ids = ids_of(np.ones((2, 8, 8)), [1, 1], [(0, 0, *wh)], fit(wh, (32, 32), resize))
    assert ids.shape == wh[::-1]
    assert (ids == 1).all()


def reference_logit(logits, x, y, transform):
    """Where the pixel (x, y) of the source image lies in the input, then between the cells."""
    network = transform.source_to_network(np.array([x + 0.5, y + 0.5], np.float64))
    at, bounds = [], []
    for axis in (0, 1):
        stride = transform.network_wh[axis] / logits.shape[1 - axis]
        begin = transform.offset_xy[axis]
        end = begin + transform.content_wh[axis]
        cells = [i for i in range(logits.shape[1 - axis]) if begin <= (i + 0.5) * stride < end]
        bounds.append(cells[-1])
        at.append(min(max(network[axis] / stride - 0.5, cells[0]), cells[-1]))
    (left, top), (last_x, last_y) = (int(at[0]), int(at[1])), bounds
    right, bottom = min(left + 1, last_x), min(top + 1, last_y)
    share_x, share_y = at[0] - left, at[1] - top
    upper = logits[top, left] * (1 - share_x) + logits[top, right] * share_x
    lower = logits[bottom, left] * (1 - share_x) + logits[bottom, right] * share_x
    return upper * (1 - share_y) + lower * share_y


@pytest.mark.parametrize(
    ('source_wh', 'network_wh', 'resize'),
    [
        ((53, 31), (64, 64), 'letterbox'),
        ((31, 53), (64, 32), 'letterbox'),
        ((97, 61), (64, 64), 'letterbox_top_left'),
        ((41, 67), (64, 32), 'stretch'),
    ],
)
def test_like_a_plain_loop_over_the_pixels(source_wh, network_wh, resize):
    random = np.random.default_rng(7)
    transform = fit(source_wh, network_wh, resize)
    prototypes = random.normal(size=(5, network_wh[1] // 4, network_wh[0] // 4))
    coefficients = random.normal(size=(4, 5))
    corners = np.sort(random.uniform(0, 1, (4, 2, 2)), axis=1) * source_wh
    boxes = corners.reshape(4, 4)
    ids = ids_of(prototypes, coefficients, boxes, transform)

    logits = np.tensordot(coefficients, prototypes, 1)
    for y in range(source_wh[1]):
        for x in range(source_wh[0]):
            expected, unsure = 0, False
            for row in range(3, -1, -1):
                left, top, right, bottom = boxes[row]
                if left <= x + 0.5 < right and top <= y + 0.5 < bottom:
                    logit = reference_logit(logits[row], x, y, transform)
                    unsure |= abs(logit) < 1e-4
                    if 1 / (1 + np.exp(-logit)) > 0.5:
                        expected = row + 1
            assert unsure or ids[y, x] == expected, (x, y)
    assert set(np.unique(ids)) >= {0, 1}


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_like_opencvs_resize_where_the_content_is_whole_cells(dtype):
    """At 1280×720 the content is cells 35 to 125: cut out, enlarged, cut to the box, above 0."""
    random = np.random.default_rng(11)
    transform = fit((1280, 720), (640, 640))
    prototypes = random.normal(size=(32, 160, 160)).astype(dtype)
    coefficients = random.normal(size=(6, 32)).astype(dtype)
    boxes = np.array(
        [
            (0, 0, 1280, 720),
            (100, 50, 400, 700),
            (300, 200, 301, 600),
            (640, 360, 1280, 720),
            (1200, 0, 1280, 40),
            (17, 600, 90, 720),
        ],
        np.float32,
    )[::-1]
    expected = np.zeros((720, 1280), int)
    unsure = np.zeros((720, 1280), bool)
    for row in range(5, -1, -1):
        left, top, right, bottom = boxes[row].astype(int)
        logits = np.tensordot(coefficients[row].astype(np.float64), prototypes, 1)
        logits = cv2.resize(logits[35:125].astype(np.float32), (1280, 720))
        inside = np.s_[top:bottom, left:right]
        expected[inside][logits[inside] > 0] = row + 1
        unsure[inside] |= np.abs(logits[inside]) < 1e-4
    ids = instance_ids(prototypes, coefficients, boxes, transform)
    assert unsure.mean() < 1e-3
    np.testing.assert_array_equal(ids[~unsure], expected[~unsure])
    assert set(np.unique(ids)) == set(range(7))
