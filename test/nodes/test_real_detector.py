"""yolo_node with a detector that others trained, on photographs, against what they compute.

`nudenet` (PyPI) brings 320n.onnx, a YOLOv8n whose classes include faces, and its own code around
it, which is the reference here. That code differs from Ultralytics' in ways that parameters of
yolo_node follow:

- it swaps red and blue twice, so it hands the channels to the network in the order of the array
  that it is given: `color_order`;
- it pads at the right and the bottom: `resize: letterbox_top_left`. Its padding is black, where
  Ultralytics' and ours is gray, which moves scores by up to 0.04 here: so pictures that are not
  square are padded with gray before it gets them;
- it suppresses boxes across classes, above an IoU of 0.45, and keeps scores from 0.25:
  `class_agnostic`, `iou_threshold`, `score_threshold`;
- it cuts corners and sizes to whole pixels, so a corner may be almost 2 pixels off.
"""

from importlib import resources

import numpy as np
import pytest
import skimage.data
from nodes.support import image_message, node_process
from nudenet import NudeDetector
from vision_msgs.msg import Detection2DArray


@pytest.fixture(scope='module')
def reference():
    """The package's own detector."""
    return NudeDetector()


def photographs():
    """RGB pictures with a face, of three proportions."""
    astronaut = skimage.data.astronaut()  # 512×512
    return [
        pytest.param(astronaut, id='square'),
        pytest.param(astronaut[:384], id='wide'),
        pytest.param(astronaut[:, 100:420], id='tall'),
    ]


def padded(picture):
    """Gray at the right and the bottom, until it is square."""
    height, width = picture.shape[:2]
    side = max(height, width)
    rows, columns = (0, side - height), (0, side - width)
    return np.pad(picture, [rows, columns, (0, 0)], constant_values=114)


def found_in(msg):
    """Name, score and corners of each object, best first."""
    return [
        (
            found.results[0].hypothesis.class_id,
            found.results[0].hypothesis.score,
            np.array(
                [
                    found.bbox.center.position.x - found.bbox.size_x / 2,
                    found.bbox.center.position.y - found.bbox.size_y / 2,
                    found.bbox.center.position.x + found.bbox.size_x / 2,
                    found.bbox.center.position.y + found.bbox.size_y / 2,
                ]
            ),
        )
        for found in msg.detections
    ]


def assert_same_objects(msg, expected):
    expected = sorted(expected, key=lambda each: -each['score'])
    found = found_in(msg)
    assert [name for name, _, _ in found] == [each['class'] for each in expected]
    for (_, score, corners), each in zip(found, expected, strict=True):
        left, top, width, height = each['box']
        assert score == pytest.approx(each['score'], abs=0.02)
        np.testing.assert_allclose(
            corners, [left, top, left + width, top + height], rtol=0, atol=2
        )


@pytest.mark.parametrize('rgb', photographs())
def test_publishes_what_the_package_itself_computes(peer, start, reference, rgb):
    """Both orders of channels side by side, as two engines of one node on one image topic."""
    model = resources.files('nudenet') / '320n.onnx'
    settings = {
        'model': str(model),
        'input_size': [320, 320],
        'resize': 'letterbox_top_left',
        'score_threshold': 0.25,
        'iou_threshold': 0.45,
        'class_agnostic': True,
    }
    engines = {'as_trained': 'rgb', 'swapped': 'bgr'}
    parameters = {
        f'{name}__{key}': value
        for name, order in engines.items()
        for key, value in {**settings, 'color_order': order}.items()
    }
    start(node_process('yolo_node', peer.namespace, engines=[*engines], **parameters))
    results = [peer.collect(f'{name}/detections', Detection2DArray) for name in engines]
    msg = image_message(rgb, 'rgb8')
    as_trained, swapped = peer.ask(peer.image_publisher(), msg, *results)
    assert as_trained.header == swapped.header == msg.header

    expected = reference.detect(padded(rgb))
    assert any('FACE' in each['class'] for each in expected)
    assert_same_objects(as_trained, expected)
    assert_same_objects(swapped, reference.detect(padded(rgb[..., ::-1])))


def test_needs_nothing_but_the_size_for_the_face(peer, start):
    """Everything else is in the file's metadata; the defaults are Ultralytics'."""
    model = resources.files('nudenet') / '320n.onnx'
    start(
        node_process(
            'yolo_node', peer.namespace, det__model=str(model), det__input_size=[320, 320]
        )
    )
    results = peer.collect('det/detections', Detection2DArray)
    bgr = skimage.data.astronaut()[..., ::-1]
    msg = image_message(bgr, 'bgr8')
    ((name, score, corners),) = found_in(peer.ask(peer.image_publisher(), msg, results))
    assert name == 'FACE_FEMALE'
    assert score > 0.7
    np.testing.assert_allclose(corners, [173, 83, 274, 180], rtol=0, atol=2)
