"""When the subscription to an image topic has to be made anew."""

import pytest
from nodes.support import BEST_EFFORT
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from jetson_perception.ros.subscription_fit import SubscriptionFit

IMAGE = 'sensor_msgs/msg/Image'


@pytest.fixture
def follow(peer):
    """Follows a topic; the list that it gives grows whenever the subscription is made anew."""
    fits = []

    def make(reliable=None):
        anew = []
        fit = SubscriptionFit(
            peer.node, f'/{peer.namespace}/image', IMAGE, lambda: anew.append(fit.wanted), reliable
        )
        fits.append(fit)
        return fit, anew

    yield make
    for fit in fits:
        fit.close()


@pytest.fixture
def come_and_go(peer):
    """Has a publisher come, be seen and leave."""

    def run(*fits):
        before = number_of(peer)
        made = peer.node.create_publisher(Image, 'image', BEST_EFFORT)
        peer.wait_for(lambda: number_of(peer) > before, 'the publisher')
        for fit in fits:
            fit.check()
        peer.node.destroy_publisher(made)
        peer.wait_for(lambda: number_of(peer) == before, 'its end')
        for fit in fits:
            fit.check()

    return run


def number_of(peer):
    return len(peer.node.get_publishers_info_by_topic(f'/{peer.namespace}/image'))


def test_nobody_publishes(peer, follow):
    fit, anew = follow()
    assert not fit.check()
    assert not fit.judged
    assert anew == []


def test_when_the_last_publisher_has_left(peer, follow, come_and_go):
    fit, anew = follow()
    come_and_go(fit)
    assert not fit.judged
    peer.wait_for(lambda: anew, 'a new subscription')
    assert fit.wanted.transport.over_udp is False


def test_not_while_messages_of_the_last_publisher_are_taken(peer, follow, come_and_go):
    fit, anew = follow()
    come_and_go(fit)

    fired = []
    timer = peer.node.create_timer(0.25, lambda: fired.append(fit.message_arrived()))
    peer.wait_for(lambda: len(fired) > 4, 'a second with messages')
    peer.node.destroy_timer(timer)
    assert anew == []
    peer.wait_for(lambda: anew, 'a new subscription')


def test_not_where_it_is_reliable(peer, follow, come_and_go):
    """Then Fast DDS keeps nothing, and what waits in a long queue must not be lost."""
    fit, anew = follow(reliable=True)
    other, renewed = follow(reliable=False)
    come_and_go(fit, other)
    peer.wait_for(lambda: renewed, 'what another one does')
    assert anew == []


def test_when_many_publishers_have_left_while_one_stays(peer, follow, come_and_go):
    fit, anew = follow()
    stays = peer.node.create_publisher(Image, 'image', BEST_EFFORT)
    peer.wait_for(lambda: number_of(peer) == 1, 'the first publisher')
    fit.check()
    for _ in range(8):
        come_and_go(fit)
    assert anew == []
    come_and_go(fit)
    assert len(anew) == 1
    peer.node.destroy_publisher(stays)


def test_what_publishes_another_type_does_not_count(peer, follow):
    fit, anew = follow()
    peer.node.create_publisher(String, 'image', QoSProfile(depth=1))
    peer.wait_for(lambda: number_of(peer) == 1, 'the publisher')
    assert not fit.check()
    assert not fit.judged
    assert anew == []
