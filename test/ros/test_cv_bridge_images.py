"""16-bit colors by cv_bridge: the real one where it is there, and stand-ins that work or break."""

import array
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.clock import Clock
from sensor_msgs.msg import Image

from jetson_perception.errors import ImageError
from jetson_perception.images.sixteen_bit import COLORS
from jetson_perception.ros import cv_bridge_images
from jetson_perception.ros.cv_bridge_images import CvBridgeImages
from jetson_perception.ros.image_messages import frame_from_image

STANDIN = str(Path(__file__).parent / 'standin_cv_bridge')
HEIGHT, WIDTH = 6, 8
BLUE, GREEN, RED = 30 * 257, 200 * 257, 90 * 257


def message(encoding='rgb16', *, padding=0, is_bigendian=False):
    """An image of one color."""
    order = {'r': (RED, GREEN, BLUE, 9), 'b': (BLUE, GREEN, RED, 9)}[encoding[0]]
    pixels = np.zeros((HEIGHT, WIDTH, COLORS[encoding]), np.uint16)
    pixels[:] = order[: COLORS[encoding]] if not encoding.startswith('bayer') else GREEN
    rows = pixels.astype('>u2' if is_bigendian else '<u2').view(np.uint8).reshape(HEIGHT, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    msg = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=rows.shape[1])
    msg.is_bigendian = int(is_bigendian)
    msg.data = array.array('B', rows.tobytes())
    return msg


def expected(encoding):
    bgr = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    bgr[:] = (200, 200, 200) if encoding.startswith('bayer') else (30, 200, 90)
    return bgr


@pytest.fixture
def standin(monkeypatch):
    """Makes a stand-in the cv_bridge that is there, with a behavior."""

    def use(behavior):
        monkeypatch.setenv('STANDIN_CV_BRIDGE', behavior)
        monkeypatch.syspath_prepend(STANDIN)
        monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
        return CvBridgeImages()

    yield use
    sys.modules.pop('cv_bridge', None)


@pytest.fixture(scope='module')
def installed():
    """What is there, tried once."""
    return CvBridgeImages()


@pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is None, reason='cv_bridge is not installed'
)
@pytest.mark.parametrize('is_bigendian', [False, True], ids=['little', 'big'])
@pytest.mark.parametrize('encoding', COLORS)
def test_the_real_one_converts_or_is_kept_out(installed, encoding, is_bigendian):
    msg = message(encoding, padding=6, is_bigendian=is_bigendian)
    try:
        bgr = frame_from_image(msg, Clock(), cv_bridge=installed).bgr()
    except ImageError as error:
        # Whatever is wrong with it, this process is still there to say so.
        assert installed.problem
        assert installed.problem in str(error)  # noqa: PT017
    else:
        np.testing.assert_allclose(bgr.astype(int), expected(encoding).astype(int), atol=1)


@pytest.mark.parametrize('is_bigendian', [False, True], ids=['little', 'big'])
@pytest.mark.parametrize('padding', [0, 5])
def test_rows_are_packed_and_bytes_in_order_before_cv_bridge_sees_them(
    standin, padding, is_bigendian
):
    bridge = standin('works')
    assert not bridge.problem
    for encoding in ('rgb16', 'rgba16', 'bgra16', 'bayer_rggb16'):
        msg = message(encoding, padding=padding, is_bigendian=is_bigendian)
        frame = frame_from_image(msg, Clock(), cv_bridge=bridge)
        np.testing.assert_array_equal(frame.bgr(), expected(encoding))
        assert frame.raw().encoding == 'bgr8'


def test_it_is_tried_once(standin, monkeypatch):
    tried = []
    monkeypatch.setattr(cv_bridge_images, '_trial', lambda: tried.append(1) or '')
    bridge = standin('works')
    assert not tried
    for _ in range(3):
        bridge.to_bgr(message())
    assert tried == [1]


@pytest.mark.parametrize(
    ('behavior', 'told'),
    [
        pytest.param('crash', r'ends the process \(SIGSEGV\) with NumPy', id='crash'),
        pytest.param('import_error', 'ImportError: numpy.core.multiarray failed', id='import'),
        pytest.param('attribute_error', '_ARRAY_API not found', id='attribute'),
        pytest.param('system_error', 'SystemError: ', id='system'),
        pytest.param('hang', 'does not answer within', id='hang'),
    ],
)
def test_a_broken_one_is_never_imported_and_reported(standin, monkeypatch, behavior, told):
    if behavior == 'hang':
        monkeypatch.setattr(cv_bridge_images, '_TRIAL_S', 1.0)
    bridge = standin(behavior)
    with pytest.raises(ImageError, match=f'image is rgb16, .*cv_bridge.*{told}'):
        frame_from_image(message(), Clock(), cv_bridge=bridge).bgr()
    assert 'cv_bridge' not in sys.modules
    # From now on the frame is refused as it comes.
    with pytest.raises(ImageError, match=told):
        frame_from_image(message(), Clock(), cv_bridge=bridge)


def test_without_one(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    bridge = CvBridgeImages()
    with pytest.raises(ImageError, match=r'rgb16, .* is not installed .* set the .* to bgr8'):
        frame_from_image(message(), Clock(), cv_bridge=bridge)


def test_encodings_that_it_does_not_convert(standin):
    bridge = standin('works')
    with pytest.raises(ImageError, match=r'bayer_bggr16, and .*\] is not\\n a color format'):
        bridge.to_bgr(message('bayer_bggr16'))
    assert not bridge.problem
    with pytest.raises(ImageError, match='something else than bgr8'):
        standin('wrong').to_bgr(message())


@pytest.mark.parametrize(
    ('wrong', 'told'),
    [
        pytest.param({'height': 0}, 'has no pixels', id='zero_size'),
        pytest.param({'step': 47}, 'takes at least 48', id='step'),
        pytest.param({'height': 7}, 'takes 336 bytes of data and has 288', id='short'),
    ],
)
def test_an_invalid_image_does_not_reach_it(standin, wrong, told):
    bridge = standin('crash')
    msg = message()
    for field, value in wrong.items():
        setattr(msg, field, value)
    with pytest.raises(ImageError, match=told):
        frame_from_image(msg, Clock(), cv_bridge=bridge).bgr()
    assert not bridge.problem


def test_the_standin_is_right():
    pixels = np.full((1, 1, 3), (RED, GREEN, BLUE), np.uint16)
    assert (cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) // 257).tolist() == [[[30, 200, 90]]]
