"""Topics that cannot be recorded: refused once, with a line, beside those that can."""

import logging

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
