"""Images sent with and without the interpreter's lock are the same, and let others run or not."""

import threading
import time

import numpy as np
import pytest
from nodes.support import unique_header, with_stamp_of
from sensor_msgs.msg import Image

from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import ImageMessage
from jetson_perception.ros.image_sender import (
    LockedSender,
    UnlockedSender,
    image_sender,
    image_struct,
)
from jetson_perception.ros.image_struct import rcl_of_images

RNG = np.random.default_rng(5)


def pixels(*shape, dtype=np.uint8):
    return RNG.integers(0, 255, shape, dtype)


@pytest.mark.parametrize('frame_id', ['', 'a', 'camera_optical', 'kamera_fünf', 'x' * 1000])
@pytest.mark.parametrize(
    ('image', 'encoding'),
    [
        pytest.param(pixels(0, 0), 'mono8', id='empty'),
        pytest.param(pixels(1, 1), 'mono8', id='one_pixel'),
        pytest.param(pixels(7, 5, 3), 'bgr8', id='odd_size'),
        pytest.param(pixels(6, 5, dtype=np.uint16), '16UC1', id='deep'),
        pytest.param(pixels(9, 8), 'nv12', id='rows_of_chroma'),
    ],
)
def test_ros_reads_the_struct_as_the_message(image, encoding, frame_id):
    header = unique_header(frame_id)
    texts = frame_id.encode(), encoding.encode()
    found = image_struct(image, texts, header.stamp).to_message()
    assert found == ImageMessage().fill(image, encoding, header)


@pytest.fixture
def publisher(peer):
    made = peer.node.create_publisher(Image, 'pictures', **qos.overridable(qos.IMAGES))
    yield made
    peer.node.destroy_publisher(made)


def senders(publisher):
    return UnlockedSender(publisher, rcl_of_images()), LockedSender(publisher)


def test_both_ways_deliver_the_same(peer, publisher):
    assert isinstance(image_sender(publisher), UnlockedSender)
    heard = peer.collect('pictures', Image)
    peer.wait_for_subscriber(publisher)
    for sender in senders(publisher):
        for image in (pixels(720, 1280, 3), pixels(3, 2, 3), pixels(9, 9, 3)[::2, ::-1]):
            sent = ImageMessage().fill(image, 'bgr8', unique_header())
            sender.send(image, 'bgr8', sent.header)
            (found,) = peer.wait_for(lambda sent=sent: with_stamp_of(heard, sent), 'the image')
            assert found == sent


def test_other_threads_run_while_an_image_is_sent(peer, publisher):
    peer.collect('pictures', Image)
    peer.wait_for_subscriber(publisher)
    image = pixels(3000, 4000, 3)

    def longest_halt(sender):
        """Of a thread that wants to run again and again: the share of the time of a send."""
        shares, ticks_s, end = [], [], threading.Event()

        def tick():
            while not end.wait(0.0005):
                ticks_s.append(time.monotonic())

        ticking = threading.Thread(target=tick)
        ticking.start()
        for _ in range(5):
            begun_s = time.monotonic()
            sender.send(image, 'bgr8', unique_header())
            ended_s = time.monotonic()
            within = [begun_s, *(each for each in ticks_s if begun_s < each < ended_s), ended_s]
            shares.append(max(np.diff(within)) / (ended_s - begun_s))
        end.set()
        ticking.join()
        return min(shares)

    unlocked, locked = map(longest_halt, senders(publisher))
    assert unlocked < 0.6 * locked


def test_a_publisher_that_is_gone_is_told_of_as_by_rclpy(peer, publisher):
    sender = image_sender(publisher)
    gone = peer.node.create_publisher(Image, 'gone', qos.IMAGES)
    sender = image_sender(gone)
    peer.node.destroy_publisher(gone)
    with pytest.raises(Exception, match='destr'):
        sender.send(pixels(2, 2, 3), 'bgr8', unique_header())
