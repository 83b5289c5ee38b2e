"""What is heard of a measured graph, from real publishers: stamps, and how many are lost."""

import time
from contextlib import closing

import pytest
from nodes.support import EVERY_RESULT, Peer
from std_msgs.msg import Header

from jetson_perception.ros.arrivals import TELLS_NUMBERS
from jetson_perception.ros.measuring.answers import Answers

TYPE = 'std_msgs/msg/Header'
needs_numbers = pytest.mark.skipif(not TELLS_NUMBERS, reason='rclpy tells no numbers')


class Graph:
    """A topic of answers, and who hears it."""

    def __init__(self, peer):
        self.peer = peer
        self.topic = f'/{peer.namespace}/answers'
        self.answers = Answers(peer.node, self.topic, TYPE, [])
        self.sent = 0

    def publisher(self, of):
        made = of.node.create_publisher(Header, self.topic, EVERY_RESULT)
        self.peer.wait_for_subscriber(made)
        return made

    def answer(self, publisher):
        """Publish an answer, whose stamp is its number in nanoseconds, and hear it."""
        self.sent += 1
        heard = len(self.answers.heard())
        message = Header()
        message.stamp.nanosec = self.sent
        publisher.publish(message)
        self.peer.wait_for(lambda: len(self.answers.heard()) > heard, 'the answer')


@pytest.fixture
def graph(peer):
    return Graph(peer)


def stamps_ns(graph):
    return [stamp for stamp, _ in graph.answers.heard()]


def test_nothing_yet(graph):
    assert graph.answers.heard() == []
    assert graph.answers.lost == 0


def test_stamps_in_order(peer, graph):
    publisher = graph.publisher(peer)
    for _ in range(3):
        graph.answer(publisher)
    assert stamps_ns(graph) == [1, 2, 3]
    graph.answers.clear()
    assert graph.answers.heard() == []


def test_two_nodes_that_answer_lose_nothing(peer, graph):
    """Each numbers its own answers, and one has sent many before the other begins."""
    with closing(Peer(peer.namespace, 'other')) as other:
        one, two = graph.publisher(peer), graph.publisher(other)
        for _ in range(10):
            graph.answer(one)
        for _ in range(10):
            graph.answer(two)
            graph.answer(one)
        assert len(stamps_ns(graph)) == 30
    assert graph.answers.lost == 0


@needs_numbers
def test_what_the_listener_does_not_take_is_lost(peer, graph):
    publisher = graph.publisher(peer)
    graph.answer(publisher)
    for _ in range(600):  # more than wait for it, while it does not listen
        publisher.publish(Header())
        time.sleep(0.002)  # a gap of a faster one would be taken for another node's
    graph.answer(publisher)
    peer.wait_for(lambda: stamps_ns(graph)[-1] == graph.sent, 'the last answer')
    heard = len(stamps_ns(graph))
    assert heard < 602
    assert graph.answers.lost == 602 - heard
    graph.answers.clear()
    assert graph.answers.lost == 0
