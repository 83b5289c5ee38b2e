"""The arithmetic of two write-ups on networks on a Jetson: ours agrees where it is right.

One segments images on a Jetson Nano, one runs four YOLO engines at once on an Orin NX. Their
arithmetic is written anew here, from what they do. Each of their mistakes has a test that shows
what it does, and that ours does not.
"""

import cv2
import numpy as np
import pytest
from onnx_models import COLOR_CLASSES, color_segmentation, detector, pose_detector

from jetson_perception.drawing import draw_detections, draw_segmentation
from jetson_perception.models import open_model
from jetson_perception.palette import palette
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import Preprocessor, fit
from jetson_perception.tasks.yolo import YoloLayout, decode

SIDE = 640


def corner_letterbox(bgr):
    """Their preprocessing: the picture in the upper left corner, channels as they come."""
    height, width = bgr.shape[:2]
    ratio = min(SIDE / width, SIDE / height)
    small = cv2.resize(bgr, (int(width * ratio), int(height * ratio)))
    canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    blob = cv2.dnn.blobFromImage(canvas, 1 / 255, (SIDE, SIDE), swapRB=False)
    return blob, ratio


def candidates(rows, ratio, threshold):
    """Their decoder up to the suppression: corners in the picture's pixels, scores, classes."""
    class_id = rows[:, 4:].argmax(axis=1)
    score = rows[np.arange(len(rows)), 4 + class_id]
    rows, score, class_id = (each[score > threshold] for each in (rows, score, class_id))
    x, y, w, h = rows[:, :4].T
    corners = np.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), axis=1) / ratio
    return corners, score, class_id


def people(rows, ratio, threshold=0.1, keypoint_threshold=0.2, iou_threshold=0.1):
    """Their pose decoder: a box's best rival goes first; weak keypoints are None."""
    rows = rows[rows[:, 4] >= threshold]
    x, y, w, h = rows[:, :4].T
    corners = np.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), axis=1) / ratio
    order, kept = rows[:, 4].argsort()[::-1], []
    while order.size:
        kept.append(order[0])
        low = np.maximum(corners[order[0], :2], corners[order[1:], :2])
        high = np.minimum(corners[order[0], 2:], corners[order[1:], 2:])
        both = np.maximum(high - low, 0).prod(axis=1)
        area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
        iou = both / (area[order[0]] + area[order[1:]] - both)
        order = order[1:][iou <= iou_threshold]
    points = rows[kept, 5:].reshape(len(kept), (rows.shape[1] - 5) // 3, 3)
    return [
        [tuple((point[:2] / ratio).astype(int)) if point[2] >= keypoint_threshold else None
         for point in person]
        for person in points
    ]  # fmt: skip


SIZES = [
    pytest.param((640, 480), id='of_the_networks_width'),
    pytest.param((1280, 720), id='wide'),
    pytest.param((480, 640), id='tall'),
    pytest.param((640, 640), id='of_the_networks_size'),
    pytest.param((1001, 333), id='odd'),
]


def crowd(seed, values, boxes=30, anchors=8400):
    """(anchors, values) with some boxes that do not touch, so that nothing is suppressed."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((anchors, values), np.float32)
    cells = rng.choice(100, boxes, replace=False)
    chosen = rng.choice(anchors, boxes, replace=False)
    rows[chosen, 0] = cells % 10 * 20 + 100
    rows[chosen, 1] = cells // 10 * 10 + 60
    rows[chosen, 2] = rng.uniform(4, 18, boxes)
    rows[chosen, 3] = rng.uniform(2, 8, boxes)
    return rng, rows, chosen


class TestWhereTheyAreRight:
    @pytest.mark.parametrize('size_wh', SIZES)
    def test_the_picture_in_the_corner(self, size_wh):
        """`letterbox_top_left` and `bgr` give their tensor."""
        bgr = np.random.default_rng(1).integers(0, 256, (*size_wh[::-1], 3), np.uint8)
        blob, ratio = corner_letterbox(bgr)
        corner = Preprocessor((SIDE, SIDE), 'letterbox_top_left', Normalization(color_order='bgr'))
        tensor, transform = corner(bgr)
        np.testing.assert_allclose(tensor, blob, rtol=0, atol=1e-6)
        # A network's pixels divided by one ratio are the picture's, to the rounding of its size.
        points = np.array([[100, 50], [600, 200]], np.float32)
        slack = max(size_wh) / min(transform.content_wh)
        np.testing.assert_allclose(
            transform.points_to_source(points), points / ratio, rtol=0, atol=slack
        )

    @pytest.mark.parametrize('boxes', [0, 1, 30])
    @pytest.mark.parametrize('size_wh', SIZES[:4])
    def test_boxes(self, size_wh, boxes):
        rng, rows, chosen = crowd(boxes, 84, boxes)
        rows[chosen, 4 + rng.integers(0, 80, boxes)] = rng.uniform(0.05, 1, boxes)
        ratio = min(SIDE / size_wh[0], SIDE / size_wh[1])
        corners, score, class_id = candidates(rows, ratio, 0.3)
        order = np.argsort(-score, kind='stable')
        layout = YoloLayout('anchor_free', 80, None, channels_last=False)
        transform = fit(size_wh, (SIDE, SIDE), 'letterbox_top_left')
        found = decode([rows.T[None]], layout, transform, DetectionOptions(score_threshold=0.3))
        np.testing.assert_allclose(found.score, score[order])
        np.testing.assert_array_equal(found.class_id, class_id[order])
        width, height = size_wh
        clipped = corners[order].clip(0, (width, height, width, height))
        np.testing.assert_allclose(found.xyxy, clipped, atol=1e-3)

    @pytest.mark.parametrize('boxes', [0, 1, 30])
    def test_poses(self, boxes):
        """Theirs drop weak keypoints and cut to whole pixels; ours keep them, with their score."""
        rng, rows, chosen = crowd(boxes + 1, 56, boxes)
        rows[chosen, 4] = rng.uniform(0.2, 1, boxes)
        rows[chosen, 5:] = rng.uniform(0, 1, (boxes, 51)) * np.tile((640, 360, 1), 17)
        size_wh = (1280, 720)
        expected = people(rows, SIDE / 1280)
        layout = YoloLayout('anchor_free', 1, (17, 3), channels_last=False)
        transform = fit(size_wh, (SIDE, SIDE), 'letterbox_top_left')
        options = DetectionOptions(score_threshold=0.1, iou_threshold=0.1)
        found = decode([rows.T[None]], layout, transform, options)
        assert found.keypoints.shape == (len(expected), 17, 3)
        for ours, theirs in zip(found.keypoints, expected, strict=True):
            for (x, y, score), point in zip(ours, theirs, strict=True):
                assert (point is not None) == (score >= 0.2)
                if point:
                    assert (int(x), int(y)) == point


class TestTheirMistakes:
    def test_corners_in_the_place_of_sizes(self):
        """They hand (left, top, right, bottom) to OpenCV's suppression, which wants sizes.

        Two cars far apart in the lower right become boxes of hundreds of pixels that overlap.
        """
        cars = [(420, 420, 60, 40, 0, 0.9), (560, 560, 60, 40, 0, 0.8)]
        rows = np.zeros((8400, 84), np.float32)
        for row, (x, y, w, h, class_id, score) in enumerate(cars):
            rows[row, :4] = x, y, w, h
            rows[row, 4 + class_id] = score
        corners, score, _ = candidates(rows, 1.0, 0.3)
        theirs = cv2.dnn.NMSBoxes(corners.astype(int).tolist(), score.tolist(), 0.3, 0.1)
        assert len(theirs) == 1
        layout = YoloLayout('anchor_free', 80, None, channels_last=False)
        options = DetectionOptions(score_threshold=0.3, iou_threshold=0.1)
        transform = fit((SIDE, SIDE), (SIDE, SIDE), 'letterbox_top_left')
        assert len(decode([rows.T[None]], layout, transform, options)) == 2

    def test_one_class_suppresses_another(self):
        """A person on a bicycle: theirs keep the better one only."""
        rows = np.zeros((8400, 84), np.float32)
        rows[0, :4], rows[0, 4] = (100, 100, 80, 120), 0.9
        rows[1, :4], rows[1, 5] = (100, 105, 80, 110), 0.8
        corners, score, _ = candidates(rows, 1.0, 0.3)
        xywh = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        assert len(cv2.dnn.NMSBoxes(xywh.tolist(), score.tolist(), 0.3, 0.1)) == 1
        layout = YoloLayout('anchor_free', 80, None, channels_last=False)
        options = DetectionOptions(score_threshold=0.3, iou_threshold=0.1)
        found = decode([rows.T[None]], layout, fit((SIDE, SIDE), (SIDE, SIDE)), options)
        assert found.class_id.tolist() == [0, 1]

    def test_blue_given_for_red(self, tmp_path):
        """The network was trained on RGB; they hand it the camera's BGR."""
        model = open_model(color_segmentation(tmp_path / 'colors.onnx', size_wh=(SIDE, SIDE)))
        red = np.zeros((SIDE, SIDE, 3), np.uint8)
        red[..., 2] = 255
        blob, _ = corner_letterbox(red)
        (output,) = model.infer(blob)
        assert COLOR_CLASSES[output[0, :, 0, 0].argmax()] == 'blue'
        mask = model(red).mask
        assert [COLOR_CLASSES[class_id] for class_id in np.unique(mask)] == ['red']

    def test_results_of_some_engines_never_drawn(self, tmp_path):
        """With four engines they draw the first detector twice and the second never."""
        planted = {
            'det': detector(tmp_path / 'a.onnx', [(100, 100, 60, 60, 0, 0.9)]),
            'det_int8': detector(tmp_path / 'b.onnx', [(500, 100, 60, 60, 0, 0.9)]),
            'pose': pose_detector(
                tmp_path / 'c.onnx', [(100, 500, 60, 60, 0, 0.9)], ((100, 500, 1),)
            ),
            'pose_int8': pose_detector(
                tmp_path / 'd.onnx', [(500, 500, 60, 60, 0, 0.9)], ((500, 500, 1),)
            ),
        }
        frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        canvas = frame.copy()
        for path in planted.values():
            model = open_model(path)
            found = model(frame)
            draw_detections(canvas, found, model.class_names, skeleton=model.skeleton)
        for top in (0, 320):
            for left in (0, 320):
                assert canvas[top : top + 320, left : left + 320].any(), (left, top)
        assert not frame.any()  # and what the engines see stays as it was

    @pytest.mark.parametrize('size_wh', [(64, 48), (65, 48), (1, 1)])
    def test_a_frame_of_the_networks_size(self, tmp_path, size_wh):
        """They resize only where sizes differ, into a variable that else does not exist."""
        model = open_model(color_segmentation(tmp_path / 'colors.onnx', size_wh=(64, 48)))
        frame = np.zeros((*size_wh[::-1], 3), np.uint8)
        frame[..., 1] = 255
        result = model(frame)
        assert result.mask.shape == frame.shape[:2]
        assert (result.mask == COLOR_CLASSES.index('green')).all()
        draw_segmentation(frame, result, palette(4), class_names=COLOR_CLASSES)

    def test_height_and_width_of_a_network_that_is_not_square(self, tmp_path):
        """They hand (height, width) to OpenCV's resize, which wants (width, height)."""
        model = open_model(color_segmentation(tmp_path / 'colors.onnx', size_wh=(64, 48)))
        frame = np.zeros((72, 160, 3), np.uint8)
        frame[:, :80, 2] = 255
        frame[:, 80:, 1] = 255
        assert cv2.resize(frame, (48, 64)).shape != (48, 64, 3)
        mask = model(frame).mask
        assert mask.shape == (72, 160)
        assert (mask[:, :76] == COLOR_CLASSES.index('red')).all()
        assert (mask[:, 84:] == COLOR_CLASSES.index('green')).all()

    def test_no_keypoints_lost_with_more_classes(self):
        """They take what follows the first score for keypoints: right for one class only."""
        values = 4 + 2 + 9
        rows = np.zeros((8400, values), np.float32)
        rows[0, :4], rows[0, 5] = (100, 100, 40, 40), 0.9  # class 1
        rows[0, 6:] = (90, 90, 0.9, 100, 100, 0.8, 110, 110, 0.7)
        assert (values - 5) % 3 == 1  # a value is left over, and all others are shifted
        assert people(rows, 1.0) == []  # the score of class 0 is what they look at
        layout = YoloLayout('anchor_free', 2, (3, 3), channels_last=False)
        found = decode([rows.T[None]], layout, fit((SIDE, SIDE), (SIDE, SIDE)), DetectionOptions())
        assert found.class_id.tolist() == [1]
        np.testing.assert_allclose(found.keypoints[0, :, 0], [90, 100, 110])
