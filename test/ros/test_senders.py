"""Several publishers on one input: named once, when both really send."""

import re
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from nodes.support import Peer, image_message, log_lines, node_process, starter
from onnx_models import color_segmentation
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import String

from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.endpoint_names import bench_camera_name
from jetson_perception.ros.senders import Senders

#: What rmw says of a node whose name has not arrived.
UNKNOWN = '_NODE_NAME_UNKNOWN_', '_NODE_NAMESPACE_UNKNOWN_'
HAS_NUMBERS = hasattr(Subscription, 'CallbackType')

#: Sends messages until it is killed.
DRIVER = """
import sys, time
import rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('driver', namespace=sys.argv[1])
publisher = node.create_publisher(String, 'topic', 50)
while not publisher.get_subscription_count():
    time.sleep(0.01)
while True:
    publisher.publish(String(data=str(time.monotonic())))
    time.sleep(0.02)
"""


class Listener:
    """A subscription that is looked over, in time that the test has in its hands."""

    def __init__(self, peer, *, numbers=HAS_NUMBERS):
        self.peer = peer
        self.now_s = 0.0
        self.heard = []
        self.warned = []
        self.others = []
        self.nameless = ''
        subscription = peer.node.create_subscription(String, 'topic', self.heard.append, 50)
        arrivals = Arrivals(subscription, numbers=numbers)
        self.senders = Senders(self, arrivals, now_s=lambda: self.now_s)

    def publisher(self, name):
        node = Node(name, namespace=self.peer.namespace, context=self.peer.node.context)
        self.others.append(node)
        publisher = node.create_publisher(String, 'topic', 50)
        self.peer.wait_for_subscriber(publisher)
        return publisher

    def hear(self, *publishers):
        for publisher in publishers:
            before = len(self.heard)
            publisher.publish(String(data=str(before)))
            self.peer.wait_for(lambda: len(self.heard) > before, 'a message')  # noqa: B023

    def close(self):
        self.senders.close()
        for node in self.others:
            node.destroy_node()

    # What Senders uses of a node: its own, but for the log.

    def get_publishers_info_by_topic(self, topic):
        found = self.peer.node.get_publishers_info_by_topic(topic)
        for info in found:
            if info.node_name == self.nameless:
                info.node_name, info.node_namespace = UNKNOWN
        return found

    def get_name(self):
        return self.peer.node.get_name()

    def get_namespace(self):
        return self.peer.node.get_namespace()

    def get_logger(self):
        return self

    def warning(self, text):
        self.warned.append(text)

    def create_timer(self, *arguments, **options):
        return self.peer.node.create_timer(*arguments, **options)

    def destroy_timer(self, timer):
        self.peer.node.destroy_timer(timer)


@pytest.mark.skipif(not HAS_NUMBERS, reason='this rclpy does not tell numbers')
class TestByNumbers:
    def test_two_that_send_are_named_once(self, peer):
        with closing(Listener(peer)) as listener:
            left, right = listener.publisher('left'), listener.publisher('right')
            listener.hear(*[left, right] * 10)
            (text,) = listener.warned
            assert text.startswith(
                f'images on /{peer.namespace}/topic come from 2 publishers, and results alternate '
                f'between them: /{peer.namespace}/left, /{peer.namespace}/right. '
            )
            assert len({msg.data for msg in listener.heard}) == 20, 'each is delivered once'

    def test_two_of_one_name_and_unequal_rates(self, peer):
        with closing(Listener(peer)) as listener:
            fast, slow = listener.publisher('camera'), listener.publisher('camera')
            listener.hear(*[*[fast] * 5, slow] * 5)
            assert '/camera (2 times)' in listener.warned[0]

    def test_two_processes_with_one_name_are_reported_as_such(self, peer):
        """A second peer has a DDS participant of its own, as a second process has."""
        with closing(Peer()) as second, closing(Listener(peer)) as listener:
            left = listener.publisher('camera')
            node = Node('camera', namespace=peer.namespace, context=second.node.context)
            listener.others.append(node)
            right = node.create_publisher(String, 'topic', 50)
            peer.wait_for_subscriber(right)
            names = peer.node.get_node_names
            peer.wait_for(lambda: names().count('camera') == 2, 'the names of both nodes')
            listener.hear(*[left, right] * 10)
            assert '/camera (two processes of this name). End all but' in listener.warned[0]

    def test_one_that_is_there_and_sends_nothing_does_not_count(self, peer):
        with closing(Listener(peer)) as listener:
            sends, _idle = listener.publisher('sends'), listener.publisher('idle')
            listener.hear(*[sends] * 20)
            assert not listener.warned

    def test_one_that_takes_over_does_not_count(self, peer):
        """As a driver that was started anew, while the old one is still in discovery."""
        with closing(Listener(peer)) as listener:
            listener.hear(*[listener.publisher('camera')] * 10)
            listener.hear(*[listener.publisher('camera')] * 20)
            assert not listener.warned

    def test_one_that_crashes_again_and_again_does_not_count(self, peer):
        """Of a process that was killed, discovery says so only after some 20 s."""
        with closing(Listener(peer)) as listener:
            for _ in range(5):
                process = subprocess.Popen([sys.executable, '-c', DRIVER, peer.namespace])
                before = len(listener.heard)
                peer.wait_for(lambda n=before: len(listener.heard) > n + 3, 'messages')
                process.kill()
                process.wait()
                listener.now_s += 1.5
            assert not listener.warned

    def test_senders_of_one_measurement_count_as_one(self, peer):
        """`jetson-perception bench --ros` sends from as many processes as it takes."""
        with closing(Listener(peer)) as listener:
            first, second = (listener.publisher(bench_camera_name(number)) for number in (0, 1))
            listener.hear(*[first, second] * 10)
            assert not listener.warned
            listener.hear(*[listener.publisher('camera'), first] * 10)
            said = f'come from 2 publishers.*: .*/{bench_camera_name(0)}, .*/camera. End all but'
            assert re.search(said, listener.warned[0])

    def test_one_without_a_name_is_waited_for_and_not_named(self, peer):
        """Discovery tells of a node's topics first."""
        with closing(Listener(peer)) as listener:
            left, right = listener.publisher('left'), listener.publisher('right')
            listener.nameless = 'right'
            listener.hear(*[left, right] * 10)
            assert not listener.warned
            listener.now_s += 6.0
            listener.hear(*[left, right] * 10)
            (text,) = listener.warned
            assert f'/{peer.namespace}/left, a node that is not known by name. End' in text

    def test_occasional_images_of_another_sender_give_no_warning(self, peer):
        with closing(Listener(peer)) as listener:
            usual, seldom = listener.publisher('usual'), listener.publisher('seldom')
            for _ in range(6):
                listener.hear(usual, usual, seldom)
                listener.now_s += 60.0
            assert not listener.warned


class TestWithoutNumbers:
    """As with Humble's rclpy, and with Cyclone DDS."""

    def checked(self, listener, seconds, *publishers):
        for _ in range(0, seconds, 5):
            listener.hear(*publishers)
            listener.now_s += 5.0
            listener.senders.check()

    def test_two_that_stay_are_named_once(self, peer):
        with closing(Listener(peer, numbers=False)) as listener:
            left, right = listener.publisher('left'), listener.publisher('right')
            self.checked(listener, 30, left, right)
            assert not listener.warned, 'one may have been killed, and be in discovery still'
            self.checked(listener, 30, left, right)
            (text,) = listener.warned
            assert '/topic has 2 publishers; if more than one of them sends, ' in text
            assert f': /{peer.namespace}/left, /{peer.namespace}/right. ' in text

    def test_nothing_while_nothing_comes(self, peer):
        with closing(Listener(peer, numbers=False)) as listener:
            listener.publisher('left')
            listener.publisher('right')
            self.checked(listener, 60)
            assert not listener.warned


def test_a_node_names_two_cameras_on_its_topic(peer, tmp_path):
    if not HAS_NUMBERS:
        pytest.skip('this rclpy does not tell numbers')
    with starter(peer, tmp_path) as start:
        model = color_segmentation(tmp_path / 'my.onnx')
        node = start(node_process('seg_node', peer.namespace, model=str(model)))
        publishers = [peer.image_publisher(), peer.image_publisher()]
        for publisher in publishers:
            peer.wait_for_subscriber(publisher)
        said = r'images on .*/image come from 2 publishers.*: .*/peer \(2 times\)\. End all but'
        black = np.zeros((48, 64, 3), np.uint8)
        for publisher in publishers * 100:
            publisher.publish(image_message(black))
            try:
                peer.wait_for(lambda: log_lines(node, said), 'the warning', 0.1)
                break
            except AssertionError:
                continue
        assert len(log_lines(node, said)) == 1
