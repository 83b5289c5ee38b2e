import errno
import logging
import os
import time

import cv2
import numpy as np
import pytest

from jetson_perception.camera import v4l2 as v4l2_module
from jetson_perception.camera.v4l2 import V4l2Source, check_device
from jetson_perception.errors import ParameterError, SourceError
from jetson_perception.images.encodings import JPEG, to_bgr

MJPG = cv2.VideoWriter.fourcc(*'MJPG')
YUYV = cv2.VideoWriter.fourcc(*'YUYV')


class StandInCapture:
    """A stand-in for cv2.VideoCapture on a camera that has 640x480 and 1280x720 at 30 Hz.

    As a driver does, it keeps to what it has; MJPG alone has the larger size. `broken` frames
    cannot be decoded, and after `count` frames the camera is gone. Frames that are not converted
    are `raw`.
    """

    def __init__(self, *, opens=True, count=3, broken=0, age_ms=None, raw=None) -> None:
        self.calls: list[tuple] = []
        self.released = False
        self._opens = opens
        self._count = count
        self._broken = broken
        self._age_ms = age_ms
        self._raw = raw
        self._values = {
            cv2.CAP_PROP_CONVERT_RGB: 1,
            cv2.CAP_PROP_FOURCC: YUYV,
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: 30.0,
            cv2.CAP_PROP_BUFFERSIZE: 4,
        }

    def open(self, device, backend) -> bool:
        assert backend == cv2.CAP_V4L2
        self.calls.append(('open', device))
        return self._opens

    def set(self, prop, value) -> bool:
        assert prop in self._values
        self.calls.append((prop, value))
        large = self._values[cv2.CAP_PROP_FOURCC] == MJPG
        if prop == cv2.CAP_PROP_FOURCC and value not in (MJPG, YUYV):
            return False
        if prop == cv2.CAP_PROP_FRAME_WIDTH:
            value = 1280 if value >= 1280 and large else 640
        if prop == cv2.CAP_PROP_FRAME_HEIGHT:
            value = 720 if value >= 720 and large else 480
        if prop == cv2.CAP_PROP_FPS:
            value = min(value, 30.0)
        self._values[prop] = value
        return True

    def get(self, prop) -> float:
        if prop == cv2.CAP_PROP_POS_MSEC:
            return 0.0 if self._age_ms is None else time.monotonic_ns() / 1e6 - self._age_ms
        return float(self._values[prop])

    def grab(self) -> bool:
        assert not self.released
        self._count -= 1
        return self._count >= 0

    def retrieve(self, image):
        if self._broken:
            self._broken -= 1
            return False, None
        shape = int(self.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self.get(cv2.CAP_PROP_FRAME_WIDTH))
        if not self._values[cv2.CAP_PROP_CONVERT_RGB]:
            return True, self._raw.copy()
        shape = (*shape, 3)
        return True, np.zeros(shape, np.uint8) if image is None or image.shape != shape else image

    def release(self) -> None:
        self.released = True


@pytest.fixture
def open_camera(monkeypatch):
    """A function that opens a source on a stand-in; its device is taken to be there."""
    monkeypatch.setattr(v4l2_module, 'check_device', lambda device: None)
    sources = []

    def open_source(capture, **options) -> V4l2Source:
        source = V4l2Source('v4l2:///dev/video9', capture=lambda: capture, **options)
        sources.append(source)
        source.open()
        return source

    yield open_source
    for source in sources:
        source.close()


def test_asks_for_the_format_first(open_camera, caplog):
    capture = StandInCapture()
    with caplog.at_level(logging.INFO, 'jetson_perception'):
        open_camera(capture, size_wh=(1280, 720), frame_rate=30.0, pixel_format='MJPG')
    assert capture.calls == [
        ('open', '/dev/video9'),
        (cv2.CAP_PROP_FOURCC, MJPG),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30.0),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]
    assert caplog.messages == ['/dev/video9: 1280x720, 30 Hz, MJPG']


def test_requests_nothing_by_default(open_camera):
    capture = StandInCapture()
    open_camera(capture)
    assert capture.calls == [('open', '/dev/video9'), (cv2.CAP_PROP_BUFFERSIZE, 1)]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        pytest.param(
            {'size_wh': (1280, 720)},
            '/dev/video9 gives 640x480, not the 1280x720 asked for; v4l2-ctl -d /dev/video9',
            id='size',
        ),
        pytest.param(
            {'pixel_format': 'NV12'},
            '/dev/video9 gives YUYV, not the NV12 asked for',
            id='format',
        ),
        pytest.param(
            {'frame_rate': 60.0},
            '/dev/video9 gives 30 Hz, not the 60 Hz asked for; pixel_format MJPG is faster',
            id='rate',
        ),
        pytest.param(
            {'frame_rate': 60.0, 'pixel_format': 'MJPG'}, 'a smaller size', id='rate_of_mjpg'
        ),
    ],
)
def test_says_what_the_camera_did_not_give(open_camera, caplog, options, text):
    open_camera(StandInCapture(), **options)
    assert text in caplog.text


def test_frames_beyond_the_limit_are_refused(open_camera):
    capture = StandInCapture()
    with pytest.raises(SourceError, match='/dev/video9: frames of 640×480 pixels; max_image_pix'):
        open_camera(capture, max_image_pixels=640 * 480 - 1)
    assert capture.released


def test_frames_then_unplugged(open_camera):
    source = open_camera(StandInCapture(count=1))
    assert source.read().pixels.shape == (480, 640, 3)
    with pytest.raises(SourceError, match=r'/dev/video9 gave no more frames; was it unplugged\?'):
        source.read()


def test_a_broken_frame_is_passed_over(open_camera):
    source = open_camera(StandInCapture(count=10, broken=9))
    assert source.read().pixels.shape == (480, 640, 3)


def test_broken_frames_alone_are_a_loss(open_camera):
    source = open_camera(StandInCapture(count=100, broken=100))
    with pytest.raises(SourceError, match='gave 10 broken frames in a row; try another pixel_fo'):
        source.read()


def test_time_of_capture_is_the_drivers(open_camera):
    before_ns = time.time_ns()
    captured_ns = open_camera(StandInCapture(count=1, age_ms=300.0)).read().captured_ns
    assert before_ns - 301_000_000 <= captured_ns <= time.time_ns() - 299_000_000


def test_time_of_capture_is_the_arrival_where_the_driver_knows_none(open_camera):
    before_ns = time.time_ns()
    captured_ns = open_camera(StandInCapture(count=1)).read().captured_ns
    assert before_ns <= captured_ns <= time.time_ns()


def test_a_device_without_video(open_camera):
    capture = StandInCapture(opens=False)
    with pytest.raises(SourceError, match=r'gives OpenCV no video: it is in use .* metadata'):
        open_camera(capture)
    assert capture.released


@pytest.mark.parametrize('pixel_format', ['MJPEG', 'YU', 'ÄÖÜß'])
def test_pixel_format_has_four_characters(pixel_format):
    with pytest.raises(ParameterError, match='expected four characters such as MJPG') as caught:
        V4l2Source('v4l2:///dev/video0', pixel_format=pixel_format)
    assert caught.value.parameter == 'pixel_format'


def test_missing_device():
    source = V4l2Source('v4l2:///dev/video-that-is-not-there')
    with pytest.raises(
        SourceError, match=r'there is no /dev/video-that.*; (devices here are|this machine has no)'
    ):
        source.open()


def test_missing_device_names_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(v4l2_module, 'Path', lambda path: tmp_path / path.removeprefix('/'))
    (tmp_path / 'dev').mkdir()
    (tmp_path / 'dev/video0').touch()
    (tmp_path / 'dev/video1').touch()
    (tmp_path / 'sys/class/video4linux/video0').mkdir(parents=True)
    (tmp_path / 'sys/class/video4linux/video0/name').write_text('HD Webcam\n')
    with pytest.raises(
        SourceError, match=r'devices here are \S*/video0 \(HD Webcam\), \S*/video1 \(unknown\)$'
    ):
        check_device('/dev/video-that-is-not-there')


def test_a_name_that_opencv_cannot_take(tmp_path):
    link = tmp_path / os.fsdecode(b'caf\xe9')
    link.symlink_to('/dev/null')
    source = V4l2Source(f'v4l2://{link}', capture=lambda: pytest.fail('OpenCV was reached'))
    with pytest.raises(SourceError, match='the path is not UTF-8'):
        source.open()
    with pytest.raises(SourceError, match='holds a NUL'):
        V4l2Source('v4l2:///dev/vi\0deo')


def test_a_file_is_not_a_device(tmp_path):
    (tmp_path / 'a.mp4').touch()
    with pytest.raises(SourceError, match=r'is not a device; for a video file, use file:///'):
        check_device(str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        pytest.param(
            errno.EACCES, 'is not accessible to this user; sudo usermod -aG video', id='a'
        ),
        pytest.param(errno.EBUSY, 'in use by another program; fuser -v /dev/null', id='busy'),
        pytest.param(errno.ENODEV, 'no camera behind it; is it still plugged in', id='gone'),
        pytest.param(errno.EIO, '/dev/null cannot be opened: Input/output error', id='other'),
    ],
)
def test_device_that_refuses(monkeypatch, number, text):
    def refuse(path, flags):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(v4l2_module.os, 'open', refuse)
    with pytest.raises(SourceError, match=text):
        check_device('/dev/null')


def test_device_that_may_be_used():
    check_device('/dev/null')


class TestNative:
    """Frames that stay as the camera gives them."""

    @pytest.mark.parametrize(
        'shape',
        [
            pytest.param((480, 640, 2), id='as_pixels'),
            pytest.param((1, 480 * 640 * 2), id='as_bytes'),
        ],
    )
    def test_of_a_format_that_ros_names(self, open_camera, shape):
        capture = StandInCapture(raw=np.zeros(shape, np.uint8))
        frame = open_camera(capture, native=True).read()
        assert (frame.encoding, frame.pixels.shape) == ('yuv422_yuy2', (480, 640, 2))
        assert frame.size_wh == (640, 480)
        assert capture.calls[-1] == (cv2.CAP_PROP_CONVERT_RGB, 0)

    def test_of_a_camera_that_compresses(self, open_camera):
        picture = np.full((480, 640, 3), 90, np.uint8)
        jpeg = cv2.imencode('.jpg', picture)[1].reshape(1, -1)
        capture = StandInCapture(raw=jpeg)
        frame = open_camera(capture, native=True, pixel_format='MJPG').read()
        assert (frame.encoding, frame.size_wh) == (JPEG, (640, 480))
        assert np.array_equal(frame.pixels, jpeg[0])
        assert np.abs(to_bgr(frame.pixels, frame.encoding).astype(int) - 90).max() <= 1

    def test_that_are_not_understood_are_converted_from_the_next_on(self, open_camera, caplog):
        capture = StandInCapture(raw=np.zeros((1, 12345), np.uint8))
        frame = open_camera(capture, native=True).read()
        assert (frame.encoding, frame.pixels.shape) == ('bgr8', (480, 640, 3))
        assert 'frames of YUYV come as uint8 (1, 12345), which is not understood' in caplog.text
        assert capture.calls[-1] == (cv2.CAP_PROP_CONVERT_RGB, 1)

    def test_only_if_asked(self, open_camera):
        capture = StandInCapture(raw=np.zeros((480, 640, 2), np.uint8))
        assert open_camera(capture).read().encoding == 'bgr8'
