"""Our models against the nudenet package's own code, on its network and photographs.

nudenet carries 320n.onnx, a YOLOv8n export with its classes in the metadata, and code around it
that others wrote. That code suppresses across classes above an IoU of 0.45, keeps scores from
0.25, lays the picture into the upper left corner of black padding, cuts boxes to whole pixels, and
hands the channels to the network in the order of the array that it is given.
"""

from importlib import resources

import numpy as np
import pytest

from jetson_perception.model_info import ModelInfo
from jetson_perception.models import open_model
from jetson_perception.tasks.detection_options import DetectionOptions
from jetson_perception.tasks.preprocess import fit
from jetson_perception.tasks.yolo import YoloLayout, decode

nudenet = pytest.importorskip('nudenet', reason='needs pip install nudenet')
data = pytest.importorskip('skimage.data', reason='needs pip install scikit-image')

SIZE = (320, 320)
OPTIONS = DetectionOptions(score_threshold=0.25, iou_threshold=0.45, class_agnostic=True)
LAYOUT = YoloLayout('anchor_free', 18, None, channels_last=False)


@pytest.fixture(scope='module')
def theirs():
    return nudenet.NudeDetector()


def open_ours(resize):
    info = ModelInfo(input_size_wh=SIZE, resize=resize)
    return open_model(resources.files('nudenet') / '320n.onnx', overrides=info)


def their_boxes(found):
    """Corners and names, best first."""
    found = sorted(found, key=lambda each: -each['score'])
    corners = [[x, y, x + w, y + h] for x, y, w, h in (each['box'] for each in found)]
    return (
        [each['class'] for each in found],
        np.array([each['score'] for each in found]),
        np.array(corners, float).reshape(-1, 4),
    )


def assert_same(model, ours, theirs, score_tolerance):
    names, scores, corners = their_boxes(theirs)
    assert [model.class_name(class_id) for class_id in ours.class_id] == names
    np.testing.assert_allclose(ours.score, scores, rtol=0, atol=score_tolerance)
    # Corner and size are each cut to whole pixels, so the far corner may be almost 2 off.
    assert (np.abs(ours.xyxy - corners) < 2).all()


def photographs():
    astronaut = data.astronaut()
    return [
        pytest.param(np.zeros((240, 320, 3), np.uint8), 0, id='black'),
        pytest.param(astronaut, 1, id='square'),
        pytest.param(astronaut[:320, 100:420], 1, id='of_the_networks_size'),
        pytest.param(astronaut[:384], 1, id='wide'),
        pytest.param(astronaut[:, 100:420], 1, id='tall'),
    ]


def padded(picture):
    """Gray at the right and the bottom until it is square, as ours pads; theirs is black."""
    height, width = picture.shape[:2]
    side = max(height, width)
    amount = [(0, side - height), (0, side - width), (0, 0)]
    return np.pad(picture, amount, constant_values=114)


@pytest.mark.parametrize(('rgb', 'least'), photographs())
def test_end_to_end(theirs, rgb, least):
    """From the picture to names, scores and boxes in its pixels."""
    model = open_ours('letterbox_top_left')
    tensor, transform = model.preprocess(np.ascontiguousarray(rgb[..., ::-1]))
    ours = model.postprocess(model.infer(tensor), transform, OPTIONS)
    expected = theirs.detect(padded(rgb))
    assert len(expected) >= least
    assert_same(model, ours, expected, score_tolerance=0.02)


@pytest.mark.parametrize(('rgb', 'least'), photographs())
def test_decoder_on_the_same_tensor(theirs, rgb, least):
    """From what the network gave, so that resizing has no part in it: scores are equal."""
    model = open_ours('letterbox_top_left')
    height, width = rgb.shape[:2]
    blob, x_ratio, y_ratio, x_pad, y_pad, *_ = nudenet.nudenet._read_image(rgb, SIZE[0])
    outputs = theirs.onnx_session.run(None, {theirs.input_name: blob})
    expected = nudenet.nudenet._postprocess(
        outputs, x_pad, y_pad, x_ratio, y_ratio, width, height, *SIZE
    )
    transform = fit((width, height), SIZE, 'letterbox_top_left')
    ours = decode(outputs, LAYOUT, transform, OPTIONS)
    assert_same(model, ours, expected, score_tolerance=1e-6)


@pytest.mark.parametrize('seed', range(8))
def test_decoder_on_made_up_tensors(seed):
    """Many boxes of many classes. All lie inside: one across an edge is shifted by their code."""
    rng = np.random.default_rng(seed)
    anchors, width, height = 2100, 640, 400
    output = np.zeros((1, 22, anchors), np.float32)
    chosen = rng.choice(anchors, 60, replace=False)
    output[0, :2, chosen] = rng.uniform((50, 50), (270, 150), (60, 2))
    output[0, 2:4, chosen] = rng.uniform(15, 90, (60, 2))
    output[0, 4 + rng.integers(0, 18, 60), chosen] = rng.uniform(0.1, 0.99, 60)
    expected = nudenet.nudenet._postprocess(
        [output], 0, width - height, 1, width / height, width, height, *SIZE
    )
    assert 15 < len(expected) < 50
    transform = fit((width, height), SIZE, 'letterbox_top_left')
    ours = decode([output], LAYOUT, transform, OPTIONS)
    assert_same(open_ours('letterbox_top_left'), ours, expected, score_tolerance=1e-6)


def test_nothing_in_the_tensor():
    output = np.zeros((1, 22, 2100), np.float32)
    assert nudenet.nudenet._postprocess([output], 0, 0, 1, 1, 320, 320, *SIZE) == []
    assert len(decode([output], LAYOUT, fit(SIZE, SIZE), OPTIONS)) == 0
