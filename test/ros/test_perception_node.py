"""A node whose lanes meet a GPU that fails, or that other work keeps from beginning."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
import rclpy
from pipeline.waiting import DEADLINE_S
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from jetson_perception.errors import CudaError, ModelError
from jetson_perception.pipeline import Frame, Lane
from jetson_perception.ros.perception_node import PerceptionNode


@dataclass(frozen=True)
class NoParams:
    """No parameter of its own."""


class StandInModel:
    """A model on a GPU that is not here."""

    input_key = 'input'

    def __init__(self):
        self.raises = None
        self.cannot_begin = None

    def bind_thread(self):
        if self.cannot_begin is not None:
            raise self.cannot_begin

    def preprocess(self, bgr, out=None):
        return np.zeros(1, np.float32), None

    def infer(self, tensor):
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


def test_a_frame_that_fails_for_another_reason_leaves_the_node_active(node):
    node.bring_up()
    node.models['poor'].raises = CudaError('out of memory')
    node.offer()
    spin_until(node, lambda: node._last_error == 'out of memory')
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
