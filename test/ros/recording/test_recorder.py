"""Topics that cannot be recorded: refused once, with a line. Publishers that come later: heard."""

import logging

import pytest
from nodes.support import BEST_EFFORT, LATCHED
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from std_msgs.msg import Empty, String

from jetson_perception.ros.recording import recorder as recorder_module
from jetson_perception.ros.recording.bag import Bag
from jetson_perception.ros.recording.recorder import Recorder


class WithoutSupport:
    """A message as a package has it that was built for Python only in part."""


def test_a_type_that_rclpy_cannot_subscribe_to(peer, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    find = recorder_module.message_class
    monkeypatch.setattr(
        recorder_module,
        'message_class',
        lambda name: WithoutSupport if name == 'std_msgs/msg/Empty' else find(name),
    )
    publishers = [
        peer.node.create_publisher(kind, name, 10)
        for kind, name in ((Empty, 'bad'), (String, 'good'))
    ]
    bag = Bag(tmp_path / 'bag', reserve_bytes=0)
    topics = f'^/{peer.namespace}/(bad|good)$'
    looking = Recorder(peer.node, topics, bag, lambda: None)
    peer.wait_for_subscriber(publishers[1])
    for _ in range(3):
        looking._look()
    refused = [each for each in caplog.messages if 'bad is not recorded' in each]
    assert len(refused) == 1
    assert 'rclpy cannot subscribe to std_msgs/msg/Empty: ' in refused[0]
    assert bag.topics == 1
    bag.close()


LATCHED_BEST_EFFORT = QoSProfile(
    depth=1,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    reliability=QoSReliabilityPolicy.BEST_EFFORT,
)


@pytest.mark.parametrize(
    ('first', 'later'),
    [
        pytest.param(LATCHED, QoSProfile(depth=10), id='not_latched'),
        pytest.param(LATCHED, BEST_EFFORT, id='neither'),
        pytest.param(QoSProfile(depth=10), BEST_EFFORT, id='best_effort'),
        pytest.param(LATCHED_BEST_EFFORT, QoSProfile(depth=10), id='reliable_and_not_latched'),
        pytest.param(QoSProfile(depth=10), LATCHED, id='latched'),
    ],
)
def test_a_publisher_that_offers_less_than_the_first_is_heard(peer, tmp_path, first, later):
    """Also beside the first one, and both are from then on."""
    bag = Bag(tmp_path / 'bag', reserve_bytes=0)
    Recorder(peer.node, f'^/{peer.namespace}/said$', bag, lambda: None)
    publishers = []
    for profile in (first, later):
        publishers.append(peer.node.create_publisher(String, 'said', profile))
        peer.wait_for_subscriber(publishers[-1])
    for publisher in publishers:
        before = bag.messages
        peer.send_until(
            publisher,
            lambda: String(data='here'),
            lambda before=before: bag.messages > before,
            'a message in the bag',
        )
    bag.close()
