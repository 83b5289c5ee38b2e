import asyncio

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


def failing():
    raise ValueError('as it should')


def test_a_call_that_fails_holds_up_none_after_it(thread):
    async def answer():
        for _ in range(100):  # of which several wait for the thread at once
            thread.soon(failing)
        return await asyncio.wait_for(thread.ask(lambda: 3), 5.0)

    assert asyncio.run(answer()) == 3
