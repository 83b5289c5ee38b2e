"""Nodes that tests of this folder share."""

from contextlib import closing

import pytest
import rclpy
from nodes.support import Peer
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions


@pytest.fixture
def peer():
    with closing(Peer()) as made:
        yield made


@pytest.fixture(scope='module')
def context():
    made = Context()
    rclpy.init(context=made, signal_handler_options=SignalHandlerOptions.NO)
    yield made
    rclpy.shutdown(context=made)


@pytest.fixture
def make_node(context):
    """Makes a node that was given parameters at start, as from a YAML file; `__` is a dot."""
    nodes = []

    def make(**given):
        overrides = [Parameter(name.replace('__', '.'), value=v) for name, v in given.items()]
        node = rclpy.create_node('configured', context=context, parameter_overrides=overrides)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
