"""Our letterbox and its inverse against OpenCV's `Image2BlobParams`."""

import cv2
import numpy as np
import pytest

from jetson_perception.tasks.normalization import Normalization
from jetson_perception.tasks.preprocess import Preprocessor, fit

pytestmark = pytest.mark.skipif(
    not hasattr(cv2.dnn, 'Image2BlobParams'), reason='OpenCV before 4.8 has no letterbox'
)

NETWORK = (640, 640)


def letterbox(pad_value=114):
    params = cv2.dnn.Image2BlobParams()
    params.scalefactor = (1 / 255,) * 3 + (1.0,)
    params.size = NETWORK
    params.swapRB = True
    params.paddingmode = cv2.dnn.DNN_PMODE_LETTERBOX
    params.borderValue = (pad_value,) * 3 + (0,)
    return params


# Sizes that both round alike: OpenCV cuts the scaled side to whole pixels, Ultralytics and we
# round it.
SIZES = [
    pytest.param((640, 640), id='of_the_networks_size'),
    pytest.param((1280, 720), id='wide'),
    pytest.param((720, 1280), id='tall'),
    pytest.param((1920, 1080), id='full_hd'),
    pytest.param((640, 480), id='of_its_width'),
    pytest.param((320, 240), id='enlarged'),
    pytest.param((320, 320), id='enlarged_square'),
]


@pytest.mark.parametrize('size_wh', SIZES)
def test_tensors_are_equal(size_wh):
    rng = np.random.default_rng(size_wh)
    # Smooth, as pictures are: noise would measure how each resizes, not where it lays the picture.
    coarse = rng.integers(0, 256, (9, 16, 3), np.uint8)
    bgr = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
    expected = cv2.dnn.blobFromImageWithParams(bgr, letterbox())
    tensor, _ = Preprocessor(NETWORK, 'letterbox', Normalization(color_order='rgb'))(bgr)
    assert tensor.shape == expected.shape
    np.testing.assert_allclose(tensor, expected, rtol=0, atol=1.5 / 255)


# OpenCV 4.8 to 5.0 returns zeros for pictures that already have the network's size.
@pytest.mark.parametrize('size_wh', SIZES[1:])
@pytest.mark.parametrize(
    'xywh',
    [
        pytest.param((320, 320, 10, 10), id='middle'),
        pytest.param((100, 200, 300, 150), id='large'),
        pytest.param((0, 0, 640, 640), id='all'),
        pytest.param((200, 180, 1, 1), id='pixel'),
    ],
)
def test_boxes_come_back_to_the_same_place(size_wh, xywh):
    """OpenCV's boxes are whole pixels, cut on the way: within one on each side."""
    left, top, width, height = letterbox().blobRectToImageRect(xywh, size_wh)
    x, y, w, h = xywh
    network = np.array([[x, y, x + w, y + h]], np.float32)
    (ours,) = fit(size_wh, NETWORK, 'letterbox').boxes_to_source(network, clip=False)
    scale = max(size_wh) / 640
    np.testing.assert_allclose(
        ours, [left, top, left + width, top + height], rtol=0, atol=1 + scale
    )


@pytest.mark.parametrize('resize', ['letterbox', 'letterbox_top_left', 'stretch'])
def test_no_boxes(resize):
    back = fit((1280, 720), NETWORK, resize).boxes_to_source(np.empty((0, 4), np.float32))
    assert back.shape == (0, 4)
