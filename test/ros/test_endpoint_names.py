"""Which endpoints of a topic are a node's own, among those of others."""

import pytest
import rclpy
from std_msgs.msg import String

from jetson_perception.ros.endpoint_names import (
    images_node_name,
    node_name,
    own_endpoint,
    own_subscription,
)
from jetson_perception.ros.udp_participant import UdpParticipant


@pytest.fixture
def node_called(peer):
    """Makes another node of this process, in the peer's namespace."""
    made = []

    def make(name):
        node = rclpy.create_node(name, context=peer.node.context, namespace=peer.namespace)
        made.append(node)
        return node

    yield make
    for node in made:
        node.destroy_node()


def test_none_of_a_topic_that_nobody_has(peer):
    assert own_subscription(peer.node, f'/{peer.namespace}/text') is None


def test_a_node_whose_name_another_begins_with(peer, node_called):
    yolo, yolo_2 = node_called('yolo'), node_called('yolo_2')
    topic = f'/{peer.namespace}/text'
    yolo_2.create_subscription(String, topic, print, 10)
    peer.wait_for(lambda: yolo.count_subscribers(topic), 'the other subscription')
    assert own_subscription(yolo, topic) is None
    yolo.create_subscription(String, topic, print, 10)
    peer.wait_for(lambda: own_subscription(yolo, topic), 'its own subscription')
    assert node_name(own_subscription(yolo, topic)) == f'/{peer.namespace}/yolo'
    assert node_name(own_subscription(yolo_2, topic)) == f'/{peer.namespace}/yolo_2'


def test_that_of_the_hidden_node_is_its_own(peer):
    topic = f'/{peer.namespace}/text'
    participant = UdpParticipant(peer.node)
    subscription = participant.subscribe(String, topic, print, 10)
    peer.wait_for(lambda: own_subscription(peer.node, topic), 'the subscription')
    found = own_subscription(peer.node, topic)
    assert found.node_name == images_node_name(peer.node.get_name())
    subscription.destroy()
    participant.close()


def test_a_publisher_of_the_node(peer):
    peer.wait_for(lambda: own_endpoint(peer.node), 'its own publisher')
    assert own_endpoint(peer.node).node_name == peer.node.get_name()
