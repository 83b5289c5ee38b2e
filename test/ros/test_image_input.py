"""An image topic as an input: what becomes a frame, what does not, and how it ends."""

import queue
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
from jetson_perception.msg import FrameDone
from nodes.support import EVERY_RESULT, Peer, image_message, unique_header, with_stamp_of
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros.image_input import ImageInput, ImageInputParams
from jetson_perception.ros.image_messages import MOST_FRAME_ID_CHARACTERS, jpeg_message


def gray(value=90, header=None):
    return image_message(np.full((4, 6, 3), value, np.uint8), header=header)


@pytest.fixture
def camera():
    with closing(Peer(name='camera')) as made:
        yield made


@pytest.fixture
def driver(camera):
    """Another participant in the namespace: each has one type on a topic."""
    with closing(Peer(camera.namespace, 'driver')) as made:
        yield made


class Taking:
    """A node with an input, and what came of it."""

    def __init__(self, peer, **params):
        self.peer = peer
        self.frames, self.errors = [], []
        params = SimpleNamespace(value=ImageInputParams(**params))
        self.input = ImageInput(peer.node, params, self.errors.append)

    def start(self):
        self.input.start(self.frames.append)

    def send_until(self, publisher, make, predicate, what):
        """Publish until something holds; both nodes live in the camera's executor."""
        self.peer.send_until(publisher, make, predicate, what)


@pytest.fixture
def take(camera):
    """Makes an input in the camera's process, and closes it after the test."""
    made = []

    def make(**params):
        made.append(Taking(camera, **params))
        return made[-1]

    yield make
    for each in made:
        each.input.close()


def test_before_it_starts_there_is_nothing_and_all_that_ends_it_is_harmless(take):
    source = take().input
    source.stop()
    source.close()
    source.done(unique_header())
    assert (source.name, source.rejected, source.newest_header) == ('', 0, None)
    assert (source.silence(), source.at_end()) == ('', False)


def test_a_frame_has_its_header_and_names_its_input(camera, take):
    taking, images = take(), camera.image_publisher()
    taking.start()
    msg = gray()
    taking.send_until(images, lambda: msg, lambda: taking.frames, 'a frame')
    frame = taking.frames[0]
    assert frame.input_name == taking.input.name == f'/{camera.namespace}/image'
    assert frame.header == msg.header == taking.input.newest_header
    assert (frame.bgr() == 90).all()
    assert taking.errors == []


def test_images_come_while_the_executor_is_busy(camera, take):
    source, images, frames = take().input, camera.image_publisher(), queue.SimpleQueue()
    source.start(frames.put)
    camera.send_until(images, gray, lambda: not frames.empty(), 'a frame')
    msg = gray()
    images.publish(msg)
    while frames.get(timeout=20).header != msg.header:  # and nothing spins meanwhile
        pass
    assert source.newest_header == msg.header


def test_compressed_images_are_under_the_topic(camera, take):
    taking = take(image_transport='compressed')
    images = camera.image_publisher('image/compressed', CompressedImage)
    taking.start()
    msg = jpeg_message(np.full((8, 8, 3), 90, np.uint8), unique_header())
    taking.send_until(images, lambda: msg, lambda: taking.frames, 'a frame')
    assert taking.frames[0].input_name == f'/{camera.namespace}/image/compressed'
    assert taking.frames[0].bgr().shape == (8, 8, 3)


@pytest.mark.parametrize(
    ('transport', 'kind', 'topic'),
    [
        pytest.param('raw', CompressedImage, 'image', id='compressed_where_raw_was_expected'),
        pytest.param('compressed', Image, 'image/compressed', id='raw_where_compressed_was'),
    ],
)
def test_whatever_is_sent_on_the_topic_is_taken(camera, driver, take, transport, kind, topic):
    taking = take(image_transport=transport)
    images = driver.image_publisher(topic, kind)
    taking.start()
    bgr = np.full((8, 8, 3), 90, np.uint8)
    header = unique_header()
    msg = (
        jpeg_message(bgr, header)
        if kind is CompressedImage
        else image_message(bgr, 'bgr8', header)
    )

    def sent():
        images.publish(msg)
        return taking.frames

    camera.wait_for(sent, 'a frame')
    assert taking.frames[0].bgr().shape == (8, 8, 3)
    assert taking.frames[0].input_name == taking.input.name == f'/{camera.namespace}/{topic}'
    assert taking.input.silence() == ''
    taking.input.close()
    assert not list(camera.node.subscriptions)


def test_two_inputs_of_one_node_name_their_frames_each(camera):
    frames = []
    params = SimpleNamespace(value=ImageInputParams())
    inputs = [
        ImageInput(camera.node, params, frames.append, topic) for topic in ('front', 'rear/image')
    ]
    for each in inputs:
        each.start(frames.append)
    for topic in ('front', 'rear/image'):
        images = camera.image_publisher(topic)
        name = f'/{camera.namespace}/{topic}'
        camera.send_until(
            images, gray, lambda name=name: name in [each.input_name for each in frames], name
        )
    for each in inputs:
        each.close()


def test_a_rejected_image_is_counted_and_reported_with_its_topic(camera, take):
    taking, images = take(max_image_pixels=10), camera.image_publisher()
    taking.start()
    header = unique_header('x' * (MOST_FRAME_ID_CHARACTERS + 5))
    taking.send_until(
        images, lambda: gray(header=header), lambda: taking.input.rejected, 'a rejection'
    )
    assert taking.frames == []
    assert str(taking.errors[0]).startswith(f'image on /{camera.namespace}/image: ')
    newest = taking.input.newest_header
    assert newest.stamp == header.stamp
    assert newest.frame_id == header.frame_id[:MOST_FRAME_ID_CHARACTERS]


def test_it_ends_and_starts_again(camera, take):
    taking, images = take(max_image_pixels=24), camera.image_publisher()
    large = image_message(np.zeros((5, 6, 3), np.uint8))
    taking.start()
    taking.send_until(images, lambda: large, lambda: taking.input.rejected, 'a rejection')
    taking.input.close()
    camera.wait_for(lambda: images.get_subscription_count() == 0, 'the end of the subscription')
    taking.start()
    assert taking.input.rejected == 0
    taking.send_until(images, gray, lambda: taking.frames, 'a frame')


def test_every_frame_is_answered_once_done_until_it_is_closed(camera, take):
    taking = take(every_frame=True)
    images = camera.image_publisher(qos=EVERY_RESULT)
    answers = camera.collect('image/done', FrameDone)
    taking.start()
    msg = gray()
    taking.send_until(images, lambda: msg, lambda: taking.frames, 'a frame')
    assert with_stamp_of(answers, msg) == []
    taking.input.stop()  # a frame under way comes to its end all the same
    taking.input.done(msg.header)
    camera.wait_for(lambda: with_stamp_of(answers, msg), 'the answer')
    taking.input.close()
    topic = f'/{camera.namespace}/image/done'
    camera.wait_for(lambda: camera.node.count_publishers(topic) == 0, 'the end of answers')
    taking.input.done(msg.header)


def test_a_rejected_image_is_done_with(camera, take):
    taking = take(every_frame=True, max_image_pixels=1)
    images = camera.image_publisher(qos=EVERY_RESULT)
    answers = camera.collect('image/done', FrameDone)
    taking.start()
    msg = gray()
    taking.send_until(images, lambda: msg, lambda: with_stamp_of(answers, msg), 'the answer')
    assert taking.input.rejected >= 1
