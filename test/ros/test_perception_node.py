"""A node whose lanes meet a GPU that fails, or that other work keeps from beginning."""

import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from pipeline.waiting import DEADLINE_S, wait_until
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from jetson_perception.errors import CudaError, ModelError
from jetson_perception.pipeline import Frame, Lane, activity
from jetson_perception.ros.perception_node import PerceptionNode


@dataclass(frozen=True)
class NoParams:
    """No parameter of its own."""


class StandInModel:
    """A model on a GPU that is not here."""

    input_key = 'input'
    engine = SimpleNamespace(description='a GPU that is not here')
    device_path = None

    def __init__(self):
        self.raises = None
        self.cannot_begin = None
        self.begun = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def bind_thread(self):
        if self.cannot_begin is not None:
            raise self.cannot_begin

    def interrupt(self):
        pass

    def preprocess(self, bgr, out=None):
        return np.zeros(1, np.float32), None

    def infer(self, tensor):
        self.begun.set()
        assert self.go.wait(DEADLINE_S)
        if self.raises is not None:
            raise self.raises
        return [tensor]

    def postprocess(self, outputs, transform, options=None):
        return 'result'


class Node(PerceptionNode):
    """Two lanes, 'fine' and 'poor'."""

    def __init__(self, context):
        self.models = {'fine': StandInModel(), 'poor': StandInModel()}
        super().__init__('perception', NoParams, context=context)

    def make_lanes(self):
        return [
            Lane(name, model, lambda frame, result: None, on_error=self.on_frame_error)
            for name, model in self.models.items()
        ]

    def stats_topic(self, lane):
        return f'{lane.name}/stats'

    def draw(self, frame, publisher):
        raise AssertionError('nobody looks')

    def state(self):
        return self._state_machine.current_state[1]

    def offer(self):
        self._pipeline.offer(Frame(lambda: np.zeros((2, 2, 3), np.uint8)))


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    made = Node(context)
    yield made
    for model in made.models.values():
        model.go.set()
    made.destroy_node()
    rclpy.shutdown(context=context)


def spin_until(node, predicate):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if predicate():
            executor.remove_node(node)
            return
        executor.spin_once(timeout_sec=0.1)
    raise AssertionError(f'nothing came of it in {DEADLINE_S} s')


def test_a_lane_whose_gpu_failed_makes_the_node_inactive_with_the_reason(node):
    node.bring_up()
    node.models['poor'].raises = CudaError('an illegal memory access', fatal=True)
    node.offer()
    spin_until(node, lambda: node.state() == 'inactive')
    status = node._diagnose()[0]
    assert status.level == status.ERROR
    assert status.message == 'poor stopped: an illegal memory access'
    node.models['poor'].raises = None
    client = node.create_client(Trigger, '~/retry')
    spin_until(node, client.service_is_ready)
    answer = client.call_async(Trigger.Request())
    spin_until(node, answer.done)
    assert (answer.result().success, node.state()) == (True, 'active')


def test_a_frame_that_fails_for_another_reason_leaves_the_node_active(node):
    node.bring_up()
    node.models['poor'].raises = CudaError('out of memory')
    node.offer()
    spin_until(
        node, lambda: any('the last: out of memory' in each.message for each in node._diagnose())
    )
    assert node.state() == 'active'


def test_a_node_that_was_made_inactive_can_be_activated_again(node):
    node.bring_up()
    node.models['poor'].raises = CudaError('an illegal memory access', fatal=True)
    node.offer()
    spin_until(node, lambda: node.state() == 'inactive')
    node.models['poor'].raises = None
    node.trigger_activate()
    assert node.state() == 'active'
    assert node._diagnose()[0].message == 'active'


def test_a_lane_that_cannot_begin_keeps_the_node_from_activating(node):
    node.models['poor'].cannot_begin = ModelError('the graph cannot be captured')
    node.bring_up()
    assert node.state() == 'inactive'
    assert node._diagnose()[0].message == 'the graph cannot be captured'
    node.models['poor'].cannot_begin = None
    node.trigger_activate()
    assert node.state() == 'active'


@pytest.fixture
def hung(node, monkeypatch):
    """The node, made inactive while an inference of 'poor' has not returned, and its model."""
    monkeypatch.setattr('jetson_perception.ros.perception_node._LANES_END_S', 0.05)
    model = node.models['poor']
    model.go.clear()
    node.bring_up()
    node.offer()
    assert model.begun.wait(DEADLINE_S)
    node.trigger_deactivate()
    assert node.state() == 'inactive'
    return node, model


def test_what_a_slow_inference_uses_is_closed_when_it_has_returned(hung):
    node, model = hung
    closed = []
    node.left_behind.close_when_free('engine poor', lambda: closed.append('poor'))
    node.trigger_activate()
    assert node.state() == 'inactive'
    assert 'engine poor: an inference has not returned since' in node.problem
    assert 'try again when it has' in node.problem
    assert not closed
    model.go.set()
    wait_until(lambda: not node.left_behind.at_work())
    node._diagnose()
    assert closed == ['poor']
    node.trigger_activate()
    assert node.state() == 'active'


def test_after_a_stuck_inference_nothing_is_closed_nor_activated_though_it_returns(
    hung, monkeypatch
):
    node, model = hung
    closed = []
    monkeypatch.setattr(activity.Activity, 'is_stuck', lambda self: bool(self.describe()))
    assert 'engine poor: an inference has not returned since' in node.left_behind.stuck()
    model.go.set()
    wait_until(lambda: not node.left_behind.at_work())
    node.left_behind.close_when_free('engine poor', lambda: closed.append('poor'))
    status = node._diagnose()[0]
    assert (status.level, closed) == (status.ERROR, [])
    node.trigger_activate()
    assert node.state() == 'inactive'
    assert 'restart this node' in node.problem
    node.trigger_cleanup()
    node.trigger_configure()
    assert node.state() == 'unconfigured'
