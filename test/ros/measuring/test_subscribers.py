"""Who subscribes and gets nothing: real subscriptions beside real publishers."""

from contextlib import closing

import pytest
from nodes.support import BEST_EFFORT, EVERY_RESULT, LATCHED, Peer
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros.endpoint_names import is_named
from jetson_perception.ros.measuring.subscribers import subscribers_without


@pytest.fixture
def other(peer):
    with closing(Peer(peer.namespace, 'other')) as made:
        yield made


def told(peer, publishers=1):
    """What is told of the topic, once so many publishers and one subscriber are known by name."""
    node, topic = peer.node, f'/{peer.namespace}/image'

    def known():
        offering = node.get_publishers_info_by_topic(topic)
        asking = node.get_subscriptions_info_by_topic(topic)
        there = (len(offering), len(asking)) == (publishers, 1)
        return there and all(map(is_named, (*offering, *asking)))

    peer.wait_for(known, 'publishers and the subscriber')
    return subscribers_without(node, topic, node.get_publishers_info_by_topic(topic))


def test_nobody_publishes(peer, other):
    other.collect('image', Image)
    assert told(peer, publishers=0) == []


@pytest.mark.parametrize(
    ('kind', 'wanted', 'offered', 'why'),
    [
        pytest.param(Image, BEST_EFFORT, BEST_EFFORT, '', id='the_same'),
        pytest.param(Image, BEST_EFFORT, EVERY_RESULT, '', id='less_than_is_offered'),
        pytest.param(
            Image,
            EVERY_RESULT,
            BEST_EFFORT,
            'other asks for reliable, which is not offered',
            id='reliable',
        ),
        pytest.param(
            Image,
            LATCHED,
            EVERY_RESULT,
            'other asks for transient_local, which is not offered',
            id='latched',
        ),
        pytest.param(
            CompressedImage,
            BEST_EFFORT,
            BEST_EFFORT,
            'other asks for sensor_msgs/msg/CompressedImage',
            id='another_type',
        ),
    ],
)
def test_one_publisher(peer, other, kind, wanted, offered, why):
    peer.image_publisher('image', qos=offered)
    other.collect('image', kind, wanted)
    assert told(peer) == ([why] if why else [])


def test_one_of_two_publishers_is_enough(peer, other):
    peer.image_publisher('image', qos=BEST_EFFORT)
    peer.image_publisher('image', qos=EVERY_RESULT)
    other.collect('image', Image, EVERY_RESULT)
    assert told(peer, publishers=2) == []
