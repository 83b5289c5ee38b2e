"""Images that are taken without the interpreter's lock are those that were sent."""

from pathlib import Path

import numpy as np
import pytest
from nodes.support import unique_header
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from jetson_perception.ros.image_messages import ImageMessage
from jetson_perception.ros.image_taker import image_taker
from jetson_perception.ros.outside_executor import OutsideExecutor

RNG = np.random.default_rng(6)


def pixels(*shape, dtype=np.uint8):
    return RNG.integers(0, 255, shape, dtype)


@pytest.fixture
def publisher(peer):
    made = peer.node.create_publisher(Image, 'images', QoSProfile(depth=5))
    yield made
    peer.node.destroy_publisher(made)


@pytest.fixture
def take(peer, publisher):
    """Takes one image, and waits for it."""
    subscription = peer.node.create_subscription(
        Image, 'images', print, QoSProfile(depth=5), callback_group=OutsideExecutor()
    )
    peer.wait_for_subscriber(publisher)
    taker = image_taker()

    def take_one():
        with subscription.handle:
            return taker.take(subscription.handle)

    yield lambda: peer.wait_for(take_one, 'an image')
    peer.node.destroy_subscription(subscription)


def test_nothing_is_taken_where_nothing_is(peer):
    subscription = peer.node.create_subscription(
        Image, 'images', print, 1, callback_group=OutsideExecutor()
    )
    with subscription.handle:
        assert image_taker().take(subscription.handle) is None


def test_a_subscription_of_no_executor_is_never_called_back(peer, publisher, take):
    publisher.publish(ImageMessage().fill(pixels(2, 2, 3), 'bgr8', unique_header()))
    peer.node.executor.spin_once(timeout_sec=0.0)
    assert take().encoding == 'bgr8'


@pytest.mark.parametrize('frame_id', ['', 'camera', 'kamera_fünf', 'x' * 1000])
@pytest.mark.parametrize(
    ('image', 'encoding'),
    [
        pytest.param(pixels(0, 0), 'mono8', id='empty'),
        pytest.param(pixels(1, 1), '', id='one_pixel'),
        pytest.param(pixels(7, 5, 3), 'bgr8', id='odd_size'),
        pytest.param(pixels(6, 5, dtype=np.uint16), '16UC1', id='deep'),
        pytest.param(pixels(720, 1280, 3), 'rgb8', id='camera'),
    ],
)
def test_all_fields_are_as_they_were_sent(publisher, take, image, encoding, frame_id):
    sent = ImageMessage().fill(image, encoding, unique_header(frame_id))
    sent.is_bigendian = 1
    publisher.publish(sent)
    found = take()
    assert found.header == sent.header
    for name in ('height', 'width', 'encoding', 'is_bigendian', 'step'):
        assert getattr(found, name) == getattr(sent, name), name
    assert found.data.tobytes() == sent.data.tobytes()
    assert found.size_bytes == image.nbytes
    assert (found.number, found.sent_ns > 0) == (1, True)


def test_who_has_sent_it_is_told(peer, publisher, take):
    publisher.publish(ImageMessage().fill(pixels(2, 2, 3), 'bgr8', unique_header()))
    (endpoint,) = peer.node.get_publishers_info_by_topic(publisher.topic_name)
    assert take().gid == bytes(endpoint.endpoint_gid)


def test_pixels_stay_while_others_are_taken(publisher, take):
    images = [pixels(480, 640, 3) for _ in range(4)]
    message, found = ImageMessage(), []
    for image in images:
        publisher.publish(message.fill(image, 'bgr8', unique_header()))
        found.append(take())
    for image, taken in zip(images, found, strict=True):
        view, light = taken.data.reshape(image.shape), taken.without_pixels()
        del taken
        assert light.data.size == 0
        assert light.size_bytes == image.nbytes
        assert np.array_equal(view, image)
    assert [taken.number for taken in found] == [1, 2, 3, 4]


def test_memory_of_images_is_released(publisher, take):
    image, message = pixels(2160, 3840, 3), ImageMessage()

    def resident_bytes():
        return int(Path('/proc/self/statm').read_text().split()[1]) * 4096

    def take_some():
        for _ in range(5):
            publisher.publish(message.fill(image, 'bgr8', unique_header()))
            take()
        return resident_bytes()

    take_some()
    before = take_some()
    assert min(take_some() - before for _ in range(4)) < image.nbytes
