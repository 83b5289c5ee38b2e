"""Frames that are answered, sent again, and taken once; who is waited for."""

import threading
from contextlib import closing

import pytest
from jetson_perception.msg import FrameDone
from nodes.support import Peer, unique_header
from pipeline.waiting import DEADLINE_S
from std_msgs.msg import Header

from jetson_perception.ros import lockstep
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.lockstep import FrameAnswers, Lockstep, done_topic


@pytest.fixture
def camera():
    with closing(Peer(name='camera')) as made:
        yield made


@pytest.fixture
def taker(camera):
    with closing(Peer(camera.namespace, name='taker')) as made:
        yield made


class Sending(threading.Thread):
    """Waits for the answers to one frame, as the camera's thread does."""

    def __init__(self, steps, header):
        super().__init__(daemon=True)
        self.steps, self.header = steps, header
        self.stop = threading.Event()
        self.resent, self.told = threading.Event(), []
        self.start()

    def run(self):
        self.steps.wait_for_answers(
            stamp_ns(self.header), self.resent.set, self.stop, self.told.append
        )

    def over(self, *peers):
        """Let messages come until the wait is over."""

        def ended():
            for peer in peers[1:]:
                peer.listen_once()
            return not self.is_alive()

        peers[0].wait_for(ended, 'the end of the wait')


@pytest.mark.parametrize('topic', ['/camera/image_raw', '/camera/image_raw/compressed'])
def test_raw_and_compressed_images_are_answered_on_one_topic(topic):
    assert done_topic(topic) == '/camera/image_raw/done'


def test_without_required_nodes_nobody_is_waited_for(camera):
    steps = Lockstep(camera.node, camera.node.resolve_topic_name('image'), 0)
    steps.wait_for_takers(threading.Event(), pytest.fail)
    Sending(steps, unique_header()).over(camera)


def test_a_frame_is_sent_again_until_it_is_answered_by_all(camera, taker, monkeypatch):
    monkeypatch.setattr(lockstep, '_FIRST_RESEND_S', 0.01)
    topic = camera.node.resolve_topic_name('image')
    steps, answers = Lockstep(camera.node, topic, 1), FrameAnswers(taker.node, topic)
    camera.wait_for(lambda: steps.takers() == {f'/{camera.namespace}/taker'}, 'the taker')
    header = unique_header()
    sending = Sending(steps, header)
    assert sending.resent.wait(DEADLINE_S)
    camera.wait_for(lambda: sending.told, 'news')
    assert sending.told[0] == f'waits for /{camera.namespace}/taker to be done with a frame'
    answers.done(unique_header())  # of another frame, which does not count
    answers.done(header)
    sending.over(camera, taker)


def test_who_answered_and_left_is_not_waited_for_and_who_left_without_is_replaced(camera, taker):
    topic = camera.node.resolve_topic_name('image')
    steps, answers = Lockstep(camera.node, topic, 1), FrameAnswers(taker.node, topic)
    camera.wait_for(steps.takers, 'the taker')
    sending = Sending(steps, unique_header())
    answers.close()
    camera.wait_for(lambda: any('left a frame unanswered' in text for text in sending.told), 'it')
    again = FrameAnswers(taker.node, topic)
    assert sending.resent.wait(DEADLINE_S)  # at once, for who has just come
    again.done(sending.header)
    sending.over(camera, taker)


def test_stop_ends_every_wait(camera):
    steps = Lockstep(camera.node, camera.node.resolve_topic_name('image'), 1)
    sending = Sending(steps, unique_header())
    sending.stop.set()
    sending.over(camera)
    steps.wait_for_takers(sending.stop, pytest.fail)


def test_an_image_that_comes_twice_is_taken_once_and_answered_when_it_is_done(camera, taker):
    camera.image_publisher()
    done = camera.collect('image/done', FrameDone)
    answers = FrameAnswers(taker.node, camera.node.resolve_topic_name('image'))
    taker.wait_for_subscriber(answers.publisher)
    taker.wait_for(answers.sender_waits, 'the camera')
    header = unique_header()
    assert answers.is_new(header)
    assert not answers.is_new(header)  # still under way
    assert done == []
    answers.done(header)
    assert not answers.is_new(header)
    camera.wait_for(lambda: len(done) == 2, 'both answers')
    assert done[0] == done[1] == FrameDone(header=header, node=f'/{camera.namespace}/taker')
    assert answers.is_new(unique_header())


def test_without_lockstep_equal_stamps_are_different_images(taker):
    """As those of a driver that sets none."""
    answers = FrameAnswers(taker.node, taker.node.resolve_topic_name('image'))
    header = unique_header()
    assert answers.is_new(header)
    assert answers.is_new(header)


def test_who_only_listens_does_not_make_images_of_one_stamp_the_same(camera, taker):
    camera.collect('image/done', FrameDone)
    answers = FrameAnswers(taker.node, camera.node.resolve_topic_name('image'))
    taker.wait_for_subscriber(answers.publisher)
    header = unique_header()
    assert answers.is_new(header)
    taker.wait_for(lambda: answers.is_new(header), 'an image that is new in spite of its stamp')


def test_images_without_a_stamp_are_different_images(camera, taker):
    camera.image_publisher()
    camera.collect('image/done', FrameDone)
    answers = FrameAnswers(taker.node, camera.node.resolve_topic_name('image'))
    taker.wait_for(answers.sender_waits, 'the camera')
    assert answers.is_new(Header())
    assert answers.is_new(Header())


def test_answers_under_made_up_names_are_not_kept_and_hide_no_other(camera, taker):
    topic = camera.node.resolve_topic_name('image')
    steps, answers = Lockstep(camera.node, topic, 1), FrameAnswers(taker.node, topic)
    camera.wait_for(lambda: len(steps.takers()) == 1, 'the taker')
    for number in range(10_000):
        steps.take_answer(FrameDone(node=f'/made_up_{number}'))
    steps.take_answer(FrameDone(node='/' + 'x' * 1_000_000))
    assert sum(map(len, steps.answers)) < 100_000
    header = unique_header()
    sending = Sending(steps, header)
    answers.done(header)
    sending.over(camera, taker)
