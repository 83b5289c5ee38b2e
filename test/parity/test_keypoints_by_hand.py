"""Keypoints worked out by hand, on paper: from the network's pixels to the picture's."""

import numpy as np
import pytest

from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.yolo import YoloLayout, decode

NETWORK = (640, 640)


def output(points, depth=3, classes=1, count=1):
    """(1, values, 8400) with `count` equal people of rising place, or none."""
    rows = np.zeros((8400, 4 + classes + len(points) * depth), np.float32)
    for row in range(count):
        rows[row, :4] = 320, 320, 100, 200
        rows[row, 4] = 0.9 - 0.1 * row
        rows[row, 4 + classes :] = np.ravel(points)
    return [rows.T[None]]


# 1280×720 in 640×640: halved, 640×360 with (640 - 360) / 2 = 140 rows above.
# 640×480: as it is, with 80 rows above. 320×640: as it is, with 160 columns at the left.
# 333×500: times 1.28, 426 columns (426.24) with 107 at the left (106.9).
@pytest.mark.parametrize(
    ('size_wh', 'resize', 'point', 'expected'),
    [
        pytest.param((1280, 720), 'letterbox', (320, 320), (640, 360), id='middle'),
        pytest.param((1280, 720), 'letterbox', (0, 140), (0, 0), id='upper_left_corner'),
        pytest.param((1280, 720), 'letterbox', (640, 500), (1280, 720), id='lower_right_corner'),
        pytest.param((1280, 720), 'letterbox', (10, 130), (20, 0), id='above'),
        pytest.param((1280, 720), 'letterbox', (-5, 600), (0, 720), id='left_and_below'),
        pytest.param((1280, 720), 'letterbox', (700, 320), (1280, 360), id='right'),
        pytest.param((1280, 720), 'letterbox_top_left', (320, 180), (640, 360), id='corner'),
        pytest.param((1280, 720), 'stretch', (320, 320), (640, 360), id='stretched'),
        pytest.param((1280, 720), 'stretch', (64, 64), (128, 72), id='stretched_each_axis'),
        pytest.param((640, 480), 'letterbox', (100, 200), (100, 120), id='only_moved_down'),
        pytest.param((320, 640), 'letterbox', (200, 100), (40, 100), id='only_moved_right'),
        pytest.param((640, 640), 'letterbox', (12.5, 7.25), (12.5, 7.25), id='of_its_size'),
        pytest.param((333, 500), 'letterbox', (107, 0), (0, 0), id='rounded_padding'),
        pytest.param((333, 500), 'letterbox', (533, 640), (333, 500), id='rounded_far_corner'),
    ],
)
def test_place(size_wh, resize, point, expected):
    layout = YoloLayout('anchor_free', 1, (1, 3), channels_last=False)
    transform = fit(size_wh, NETWORK, resize)
    found = decode(output([(*point, 0.7)]), layout, transform, DetectionOptions())
    np.testing.assert_allclose(found.keypoints, [[[*expected, np.float32(0.7)]]], atol=1e-3)


@pytest.mark.parametrize('count', [0, 1, 3])
@pytest.mark.parametrize('depth', [2, 3])
def test_all_keypoints_of_all_people(count, depth):
    """17 in their order; without scores in the output each has 1."""
    points = [(10.0 * i, 5.0 * i, i / 17)[:depth] for i in range(17)]
    layout = YoloLayout('anchor_free', 1, (17, depth), channels_last=False)
    options = DetectionOptions(iou_threshold=1.0)  # they stand on each other
    found = decode(output(points, depth, count=count), layout, fit(NETWORK, NETWORK), options)
    assert found.keypoints.shape == (count, 17, 3)
    for person in found.keypoints:
        np.testing.assert_allclose(person[:, 0], 10 * np.arange(17), rtol=1e-6)
        np.testing.assert_allclose(person[:, 1], 5 * np.arange(17), rtol=1e-6)
        scores = np.arange(17) / 17 if depth == 3 else np.ones(17)
        np.testing.assert_allclose(person[:, 2], scores, rtol=1e-6)


def test_keypoints_stay_with_their_box_through_the_suppression():
    """The best box is the third row, the first and the second go."""
    rows = np.zeros((8400, 4 + 1 + 3), np.float32)
    for row, score in enumerate((0.5, 0.6, 0.9)):
        rows[row] = 320, 320, 100, 100, score, 100 * (row + 1), 50, 0.8
    rows[3] = 100, 100, 50, 50, 0.7, 400, 50, 0.8
    layout = YoloLayout('anchor_free', 1, (1, 3), channels_last=False)
    found = decode([rows.T[None]], layout, fit(NETWORK, NETWORK), DetectionOptions())
    np.testing.assert_allclose(found.keypoints[:, 0, 0], [300, 400])
    np.testing.assert_allclose(found.score, [0.9, 0.7])
