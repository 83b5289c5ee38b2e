"""Processes that send pictures in turn, and what a subscription hears of them."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from nodes.support import EVERY_RESULT
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.benchmark.graph.usage import command_of, exists, with_children
from jetson_perception.errors import PerceptionError
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.measuring.sending import ImageSenders, Picture

PIXELS = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
PICTURE = Picture(PIXELS.tobytes(), (8, 4))

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def topic_of(peer, compressed=False):
    return ImageTopic(f'/{peer.namespace}/image', 'compressed' if compressed else 'raw')


def test_two_send_in_turn_at_one_rate(peer):
    images = peer.collect('image', Image, EVERY_RESULT)
    with ImageSenders(topic_of(peer), PICTURE, 1, reliable=True) as senders:
        senders.add()
        senders.add()
        senders.begin(20.0, 1.0, 2)
        stamps = senders.stamps_ns(1.0)
        peer.wait_for(lambda: len(images) == len(stamps), 'every image that was sent')
        senders.begin(20.0, 0.5, 1)
        assert len(senders.stamps_ns(0.5)) <= 10
    assert 2 < len(stamps) <= 20  # what a busy machine makes late is left out
    assert stamps == sorted(stamps)
    assert sorted(stamp_ns(image.header) for image in images) == stamps
    assert {bytes(image.data) for image in images} == {PICTURE.data}
    assert {(each.width, each.height, each.step, each.encoding) for each in images} == {
        (8, 4, 24, 'bgr8')
    }


def test_a_jpeg_is_sent_as_it_is(peer):
    images = peer.collect('image', CompressedImage, EVERY_RESULT)
    picture = Picture(b'any bytes', (8, 4))
    with ImageSenders(topic_of(peer, compressed=True), picture, 1, reliable=True) as senders:
        senders.add()
        senders.begin(10.0, 0.2)
        senders.stamps_ns(0.2)
        peer.wait_for(lambda: images, 'an image')
    assert bytes(images[0].data) == b'any bytes'
    assert images[0].format == 'bgr8; jpeg compressed bgr8'


def test_one_that_is_killed_is_told_and_none_is_left(peer):
    peer.collect('image', Image, EVERY_RESULT)

    def send():
        senders.begin(10.0, 0.2)
        senders.stamps_ns(0.2)

    with ImageSenders(topic_of(peer), PICTURE, 1, reliable=True) as senders:
        senders.add()
        (pid,) = [
            each for each in with_children([os.getpid()]) if 'sender_process' in command_of(each)
        ]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(PerceptionError, match='a sender ended; it printed:'):
            send()
    assert not exists(pid)
