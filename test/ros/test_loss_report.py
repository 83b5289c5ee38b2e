"""Counting and telling lost images of a real subscription; test_causes.py injects each cause."""

import time
from contextlib import closing

import numpy as np
import pytest
from nodes.support import BEST_EFFORT, Peer, image_message
from rcl_interfaces.msg import Log
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from jetson_perception.dds.findings import Cause
from jetson_perception.dds.frame_counts import Counted
from jetson_perception.dds.losses import judge
from jetson_perception.ros import diagnostics, loss_report
from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.input_report import input_status
from jetson_perception.ros.loss_report import LossReport
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.ros.topic_facts import TopicFacts

#: As /rosout is published.
LATCHED = QoSProfile(
    depth=50,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
IMAGE_TYPE = 'sensor_msgs/msg/Image'
#: Seconds of a start; those of the tests pass when they say so.
SETTLED_S = 4
BLACK = np.zeros((48, 64, 3), np.uint8)


class Watched:
    """A subscription whose losses are reported, in the peer's executor."""

    def __init__(self, peer):
        self.peer = peer
        self.taken = []
        self.report = LossReport(peer.node, settled_s=SETTLED_S)
        self.subscribe()

    def subscribe(self):
        subscription = self.peer.node.create_subscription(
            Image, 'camera', self.taken.append, BEST_EFFORT
        )
        topic = ImageTopic(subscription.topic_name)
        self.subscription = subscription
        self.arrivals = Arrivals(subscription)
        self.report.watch(topic, subscription, self.arrivals)

    def take(self, publisher, count, period_s=0.0):
        """Send images, each when the one before has been taken."""
        for _ in range(count):
            before = len(self.taken)
            # The first one may come before the subscription knows of the publisher.
            self.peer.send_until(
                publisher,
                lambda: image_message(BLACK),
                lambda: len(self.taken) > before,  # noqa: B023
                'an image',
            )
            time.sleep(period_s)

    def lose(self, publisher, count):
        """Send more images than the queue holds, and take what it does hold."""
        for _ in range(count):
            publisher.publish(image_message(BLACK))
            time.sleep(0.005)
        before = -1
        while before != len(self.taken):
            before = len(self.taken)
            for _ in range(10):
                self.peer.listen_once(0.01)


@pytest.fixture
def watched(peer, monkeypatch):
    # Its own second may pass in the middle of a test where the machine is busy.
    monkeypatch.setattr(
        loss_report, 'steady_timer', lambda node, _, check: steady_timer(node, 3600.0, check)
    )
    made = Watched(peer)
    yield made
    made.report.close()


class TestNothingIsLost:
    def test_at_the_start(self, watched):
        watched.report.check()
        assert watched.report.total == Counted()
        assert watched.report.problem() == ''
        assert watched.report.causes == []

    def test_by_a_camera_that_slows_down_by_itself(self, peer, watched):
        publisher = peer.image_publisher('camera')
        watched.take(publisher, 30, 0.01)
        watched.take(publisher, 10, 0.1)
        assert watched.report.total == Counted(40, 0, 0)
        assert watched.report.rate_hz < 30.0

    def test_by_a_camera_that_starts_again(self, peer, watched):
        for _ in range(2):
            publisher = peer.image_publisher('camera')
            watched.take(publisher, 20)
            peer.node.destroy_publisher(publisher)
        assert watched.report.total == Counted(40, 0, 0)

    def test_by_two_cameras(self, peer, watched):
        with closing(Peer(peer.namespace, 'other')) as other:
            one, two = peer.image_publisher('camera'), other.image_publisher('camera')
            for _ in range(10):
                watched.take(one, 2)
                watched.take(two, 1)
        assert watched.report.total == Counted(30, 0, 0)

    def test_between_two_subscriptions(self, peer, watched):
        publisher = peer.image_publisher('camera')
        watched.take(publisher, 5)
        watched.report.stop_watching()
        peer.node.destroy_subscription(watched.subscription)
        for _ in range(20):
            publisher.publish(image_message(BLACK))
        watched.subscribe()
        watched.take(publisher, 5)
        assert watched.report.total.lost == 0

    @pytest.mark.parametrize('is_listed', [False, True], ids=['left', 'still_in_discovery'])
    def test_of_a_driver_that_was_started_again(self, peer, watched, is_listed):
        """It has sent some before the subscription was discovered: numbers above the old one's."""
        old = peer.image_publisher('camera')
        watched.take(old, 6, period_s=0.02)
        watched.report.check()
        if not is_listed:
            peer.node.destroy_publisher(old)
            watched.report.check()
        with closing(Peer(peer.namespace)) as driver:
            new = driver.image_publisher('camera')
            for _ in range(30):
                new.publish(image_message(BLACK))
            watched.take(new, 10, period_s=0.02)
            watched.report.check()
        assert watched.report.total == Counted(16, 0, 0)


class TestLost:
    def test_those_that_are_replaced_before_they_are_taken(self, peer, watched):
        """Told once a cause, in the log and in the input's line of diagnostics."""
        said = peer.collect('/rosout', Log, LATCHED)
        publisher = peer.image_publisher('camera')
        watched.take(publisher, 3)
        watched.lose(publisher, 30)
        assert watched.report.total.lost >= 20
        assert watched.report.total.lost_here == watched.report.total.lost
        for _ in range(SETTLED_S):
            assert watched.report.problem() == '', 'this is a start'
            watched.lose(publisher, 10)
            watched.report.check()
        assert watched.report.causes == ['this process takes images too slowly']
        problem = watched.report.problem()
        assert (
            f' of the images on /{peer.namespace}/camera are lost: images arrive, but' in problem
        )
        watched.report.check()
        peer.node.get_logger().info('the end')
        peer.wait_for(lambda: any(msg.msg == 'the end' for msg in said), 'the log')
        assert [msg.msg for msg in said if 'are lost' in msg.msg] == [problem]

    def test_of_two_publishers_they_tell_nothing_of_this_process(self, peer, watched):
        with closing(Peer(peer.namespace, 'other')) as other:
            publishers = peer.image_publisher('camera'), other.image_publisher('camera')
            for publisher in publishers:
                watched.take(publisher, 3)
            for _ in range(SETTLED_S + 1):
                for publisher in publishers:
                    watched.lose(publisher, 10)
                watched.report.check()
        assert watched.report.recent().is_worth_a_word
        assert watched.report.causes == []

    def test_by_a_second_publisher_that_sends_nothing_they_are_told(self, peer, watched):
        publisher, _ = peer.image_publisher('camera'), peer.image_publisher('camera')
        watched.take(publisher, 3)
        for _ in range(SETTLED_S):
            watched.lose(publisher, 10)
            watched.report.check()
        assert watched.report.causes == ['this process takes images too slowly']

    def test_of_a_publisher_that_has_just_come(self, peer, watched):
        for _ in range(2):
            publisher = peer.image_publisher('camera')
            watched.take(publisher, 3)
            watched.report.check()
            for _ in range(SETTLED_S - 2):
                watched.lose(publisher, 10)
                watched.report.check()
            assert watched.report.recent().is_worth_a_word
            assert watched.report.causes == []
            peer.node.destroy_publisher(publisher)

    def test_those_before_a_silence_do_not_explain_it(self, peer, watched):
        publisher = peer.image_publisher('camera')
        watched.take(publisher, 3)
        watched.lose(publisher, 30)
        watched.report.check()
        assert watched.report.recent().lost_here >= 20
        facts = TopicFacts(peer.node, watched.subscription.topic_name, IMAGE_TYPE, BEST_EFFORT)
        (finding,) = judge(watched.report.collect(facts, silent=True))
        assert finding.cause is Cause.SILENT


class StandInInput:
    """An input as far as its line of diagnostics asks: in the state that a test wants."""

    name, rejected = '/camera', 0

    def __init__(self, silence='', clock='', *, end=False):
        self._silence, self._clock, self._end = silence, clock, end

    def silence(self):
        return self._silence

    def clock_problem(self):
        return self._clock

    def at_end(self):
        return self._end


class TestLineOfDiagnostics:
    @pytest.mark.parametrize(
        ('source', 'level', 'message'),
        [
            pytest.param(StandInInput(), diagnostics.STALE, 'no image yet', id='begins'),
            pytest.param(
                StandInInput('no image for 3 s'),
                diagnostics.ERROR,
                'no image for 3 s',
                id='silent',
            ),
            pytest.param(
                StandInInput('it came to its end', end=True),
                diagnostics.OK,
                'it came to its end',
                id='ended',
            ),
            pytest.param(
                StandInInput(clock='stamps are 3 h behind'),
                diagnostics.WARN,
                'stamps are 3 h behind',
                id='clock',
            ),
        ],
    )
    def test_before_the_first_image(self, watched, source, level, message):
        line = input_status('/seg: input /camera', source, watched.report)
        assert (line.level, line.message) == (level, message)
        assert line.name == '/seg: input /camera'

    def test_all_is_well(self, peer, watched):
        watched.take(peer.image_publisher('camera'), 3)
        line = input_status('input', StandInInput(), watched.report)
        assert (line.level, line.message) == (diagnostics.OK, '3 images received, none lost')

    def test_some_are_lost(self, peer, watched):
        publisher = peer.image_publisher('camera')
        watched.take(publisher, 3)
        for _ in range(SETTLED_S):
            watched.lose(publisher, 10)
            watched.report.check()
        line = input_status('input', StandInInput(), watched.report)
        assert line.level == diagnostics.WARN
        assert line.message == watched.report.problem()

    def test_the_same_keys_in_the_same_order(self, watched):
        line = input_status('input', StandInInput(), watched.report)
        assert [pair.key for pair in line.values] == [
            'images received',
            'images lost',
            'lost of the last seconds (%)',
            'lost because they were not taken in time',
            'causes',
            'images sent a second (Hz)',
            'images that cannot be used',
        ]
