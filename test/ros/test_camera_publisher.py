"""Frames of a camera that compresses, on the topics of a node; the camera is a stand-in."""

import threading
import time

import cv2
import numpy as np
import pytest
from nodes.support import BEST_EFFORT, with_stamp_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from jetson_perception.camera.source import CapturedFrame
from jetson_perception.errors import CudaError
from jetson_perception.images.encodings import JPEG
from jetson_perception.ros.camera_parameters import CameraParams
from jetson_perception.ros.camera_publisher import CameraPublisher
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.picture_parameters import JpegParams

PICTURE = np.full((48, 64, 3), 90, np.uint8)


class StandInCamera:
    """A stand-in for a source; its frames are made here."""

    uri, live, rate_hz, truth_class_names = 'stand-in://camera', True, 30.0, ()


class Handler:
    """Keeps the frames that engines would get."""

    def __init__(self):
        self.frames = []

    def take(self, frame):
        self.frames.append(frame)

    def wait_until_done(self, frame, stop):
        pass


@pytest.fixture(params=['bgr8', 'native'])
def publisher(peer, request):
    handler = Handler()
    made = CameraPublisher(
        peer.node,
        'camera',
        StandInCamera(),
        lambda: CameraParams(encoding=request.param),
        JpegParams,
        every_frame=False,
        on_failure=lambda error: None,
        handler=handler,
    )
    made.begin()
    made.handler = handler
    yield made
    made.end(10)
    made.destroy()


def captured(data):
    return CapturedFrame(np.frombuffer(data, np.uint8), time.time_ns(), JPEG)


def test_engines_and_topics_get_them_in_the_form_that_each_takes(peer, publisher):
    images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
    jpegs = peer.collect('camera/image_raw/compressed', CompressedImage)
    infos = peer.collect('camera/camera_info', CameraInfo)
    for topic in ('image_raw', 'image_raw/compressed', 'camera_info'):
        full_name = f'/{peer.namespace}/camera/{topic}'
        peer.wait_for(lambda name=full_name: peer.node.count_subscribers(name), topic)
    data = cv2.imencode('.jpg', PICTURE)[1].tobytes()

    def all_of_one_frame():
        publisher.take(captured(data), threading.Event())
        for frame in publisher.handler.frames:
            found = [with_stamp_of(each, frame) for each in (images, jpegs, infos)]
            if all(found):
                return frame, *(messages[0] for messages in found)
        return None

    frame, image, jpeg, info = peer.wait_for(all_of_one_frame, 'all of one frame', 20)
    assert (frame.encoding, frame.raw().encoding) == (JPEG, 'bgr8')
    assert frame.stamp_ns == frame.trace_id == stamp_ns(image.header)  # by which traces follow it
    assert frame.bgr().shape == PICTURE.shape
    assert (image.encoding, image.width, image.height) == ('bgr8', 64, 48)
    assert jpeg.data.tobytes() == data
    assert (info.width, info.height) == (64, 48)


def test_one_that_is_damaged_is_told_of_and_the_next_one_is_sent(peer, publisher, capfd):
    images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
    name = f'/{peer.namespace}/camera/image_raw'
    peer.wait_for(lambda: peer.node.count_subscribers(name), 'the subscriber')
    data = cv2.imencode('.jpg', PICTURE)[1].tobytes()

    def heard():
        publisher.take(captured(data[:-40]), threading.Event())
        publisher.take(captured(data), threading.Event())
        return images

    peer.wait_for(heard, 'an image', 20)
    assert 'an image of stand-in://camera is not published: ' in capfd.readouterr().err
    whole = {frame.header.stamp.nanosec for frame in publisher.handler.frames[1::2]}
    assert {image.header.stamp.nanosec for image in images} <= whole


class StandInPicture:
    """A stand-in for a picture on a GPU; `error` is raised for who wants it on the host."""

    width, height, size_wh, encoding = 64, 48, (64, 48), 'nv12'

    def __init__(self, error=None):
        self._error = error

    def on_host(self):
        if self._error is not None:
            raise self._error
        return np.full((72, 64), 128, np.uint8)


def test_one_that_cannot_be_fetched_from_a_gpu_is_told_of_and_the_next_one_is_sent(
    peer, publisher, capfd
):
    images = peer.collect('camera/image_raw', Image, BEST_EFFORT)
    jpegs = peer.collect('camera/image_raw/compressed', CompressedImage)
    for topic in ('image_raw', 'image_raw/compressed'):
        full_name = f'/{peer.namespace}/camera/{topic}'
        peer.wait_for(lambda name=full_name: peer.node.count_subscribers(name), topic)
    full = CudaError('allocating failed: out of memory; the GPU is full')

    def heard():
        for error in (full, None):
            frame = CapturedFrame(StandInPicture(error), time.time_ns(), 'nv12')
            publisher.take(frame, threading.Event())
        return images and jpegs

    peer.wait_for(heard, 'an image and a JPEG', 20)
    said = capfd.readouterr().err
    assert said.count('is not published: allocating failed: out of memory') == 1
    failed = CudaError('a kernel failed', fatal=True)
    with pytest.raises(CudaError, match='a kernel failed'):
        publisher.take(
            CapturedFrame(StandInPicture(failed), time.time_ns(), 'nv12'), threading.Event()
        )
