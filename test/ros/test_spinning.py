"""A node's callbacks run until somebody says stop, whatever they raise."""

import threading

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Empty
from tracing.recordings import recorded

from jetson_perception.ros.spinning import Spinner

HANG_S = 30.0


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    made = rclpy.create_node('spun', context=context)
    yield made
    made.destroy_node()
    rclpy.try_shutdown(context=context)


def spin_in_thread(spinner, node):
    """Spin the node in a thread; returns it, and the list that gets what `spin` raised."""
    raised = []

    def spin():
        try:
            spinner.spin(node)
        except Exception as error:  # noqa: BLE001 - for the test to look at
            raised.append(error)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    return thread, raised


def call_soon(node, callback):
    node.create_guard_condition(callback).trigger()


def test_stopped_before_it_begins_it_runs_nothing(node):
    called = []
    call_soon(node, lambda: called.append(1))
    spinner = Spinner()
    spinner.stop()
    assert spinner.stopped
    spinner.spin(node)
    assert not called


def test_a_stop_wakes_a_node_that_has_nothing_to_do(node):
    spinner, spinning = Spinner(), threading.Event()
    call_soon(node, spinning.set)
    thread, raised = spin_in_thread(spinner, node)
    assert spinning.wait(HANG_S)
    spinner.stop()
    spinner.stop()
    thread.join(HANG_S)
    assert not thread.is_alive()
    assert not raised
    assert len(list(node.guards)) == 1


def test_an_error_in_a_callback_is_logged_with_throttling_and_the_next_one_runs(node, caplog):
    spinner = Spinner()
    called = []

    def fail():
        called.append(1)
        if len(called) == 50:
            spinner.stop()
        else:
            guard.trigger()
        raise ZeroDivisionError('a callback of a test')

    guard = node.create_guard_condition(fail)
    guard.trigger()
    thread, raised = spin_in_thread(spinner, node)
    thread.join(HANG_S)
    assert len(called) == 50
    assert not raised
    assert 1 <= caplog.text.count('ZeroDivisionError: a callback of a test') < 50


def test_a_context_that_is_shut_down_ends_it(node):
    spinner, spinning = Spinner(), threading.Event()
    call_soon(node, spinning.set)
    thread, raised = spin_in_thread(spinner, node)
    assert spinning.wait(HANG_S)
    node.context.shutdown()
    thread.join(HANG_S)
    assert not thread.is_alive()
    assert all(isinstance(error, ExternalShutdownException) for error in raised)


def test_a_trace_names_the_callbacks(node):
    spinner = Spinner()
    node.create_subscription(Empty, 'heard', lambda message: spinner.stop(), 1)
    publisher = node.create_publisher(Empty, 'heard', 1)

    def publish():
        if publisher.get_subscription_count():
            publisher.publish(Empty())

    node.create_timer(0.05, publish)
    with recorded() as trace:
        thread, raised = spin_in_thread(spinner, node)
        thread.join(HANG_S)
    assert raised == []
    stages = {span.stage for span in trace().spans}
    assert 'callback /heard' in stages
    assert any(stage.startswith('callback Timer') and 'publish' in stage for stage in stages)
