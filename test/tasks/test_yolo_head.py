"""The head's decoding by hand; test_onnx_head.py holds it against exported models."""

import numpy as np
import pytest

from jetson_perception.tasks.yolo_head import HeadLayout, decode_head


def maps_of(layout, seed=0, dtype=np.float32):
    """Random maps for every level."""
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(0, 3, (1, count, height, width)).astype(dtype) for count in layout.channels]
        for width, height in layout.grids_wh
    ]


def test_shapes():
    layout = HeadLayout(((80, 60), (40, 30), (20, 15)), (8, 16, 32), 16, 3, 51, 3)
    assert layout.channels == (64, 3, 51)
    assert layout.output_shape == (1, 58, 6300)
    assert HeadLayout(((2, 1),), (8,), 16, 3).channels == (64, 3)


def test_an_edge_is_the_mean_of_its_distribution():
    layout = HeadLayout(((2, 2),), (8,), 4, 1)
    boxes = np.full((1, 16, 2, 2), -np.float32(100))
    # Left, top, right, bottom.
    for side, (first, second) in enumerate([(0, 1), (0, 0), (3, 3), (1, 3)]):
        boxes[0, 4 * side + first] = boxes[0, 4 * side + second] = 5
    scores = np.zeros((1, 1, 2, 2), np.float32)
    found = decode_head(layout, [[boxes, scores]])
    # Half a cell to the left, none up, three to the right, two down, from (1.5, 0.5) of 8 pixels.
    x1, y1, x2, y2 = (1.5 - 0.5) * 8, 0.5 * 8, (1.5 + 3) * 8, (0.5 + 2) * 8
    np.testing.assert_allclose(
        found[0, :, 1], [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.5], rtol=1e-6
    )
    # The cell below lies a stride lower.
    np.testing.assert_allclose(found[0, :4, 3] - found[0, :4, 1], [0, 8, 0, 0], atol=1e-5)


def test_one_bin_is_the_distance_itself():
    layout = HeadLayout(((1, 1),), (32,), 1, 1)
    boxes = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1, 1)
    found = decode_head(layout, [[boxes, np.full((1, 1, 1, 1), np.log(3), np.float32)]])
    expected = [(0.5 + (3 - 1) / 2) * 32, (0.5 + (4 - 2) / 2) * 32, 4 * 32, 6 * 32, 0.75]
    np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize('depth', [2, 3])
def test_keypoints(depth):
    layout = HeadLayout(((3, 1),), (16,), 1, 1, 2 * depth, depth)
    points = np.zeros((1, 2 * depth, 1, 3), np.float32)
    points[0, depth, 0, 2], points[0, depth + 1, 0, 2] = 0.25, -1
    found = decode_head(layout, [[np.zeros((1, 4, 1, 3)), np.zeros((1, 1, 1, 3)), points]])
    score = [0.5] * (depth == 3)
    np.testing.assert_allclose(found[0, 5:, 2], [32, 0, *score, 40, -32, *score])


def test_extra_values_are_given_as_they_are():
    layout = HeadLayout(((2, 3),), (8,), 1, 2, 4)
    maps = maps_of(layout)
    found = decode_head(layout, maps)
    np.testing.assert_array_equal(found[0, 6:], maps[0][2].reshape(4, 6))


def test_levels_follow_each_other():
    layout = HeadLayout(((4, 2), (2, 1)), (8, 16), 16, 5)
    maps = maps_of(layout)
    both = decode_head(layout, maps)
    assert both.shape == layout.output_shape
    for index, part in enumerate((slice(8), slice(8, 10))):
        alone = HeadLayout(layout.grids_wh[index : index + 1], layout.strides[index:][:1], 16, 5)
        np.testing.assert_array_equal(both[:, :, part], decode_head(alone, maps[index:][:1]))


def test_half_and_infinite_logits():
    layout = HeadLayout(((2, 1),), (8,), 16, 2)
    maps = maps_of(layout, dtype=np.float16)
    maps[0][1][0, :, 0, 0] = np.inf, -np.inf
    maps[0][0][0, 3, 0, 1] = np.nan
    found = decode_head(layout, maps)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0, 4:, 0], [1, 0])
    assert np.isnan(found[0, [0, 2], 1]).all()
    assert np.isfinite(found[0, [1, 3], 1]).all()
