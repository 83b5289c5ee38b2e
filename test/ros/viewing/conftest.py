"""What tests of this folder share."""

import pytest
import rclpy
from rclpy.signals import SignalHandlerOptions

from jetson_perception.ros.viewing.node_thread import NodeThread


@pytest.fixture
def thread():
    """The thread of a real node."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('asked', context=context)
    made = NodeThread(node)
    made.start()
    yield made
    assert made.close()
    node.destroy_node()
    rclpy.try_shutdown(context=context)
