"""Real nodes in real processes, and a peer in this one."""

from __future__ import annotations

from contextlib import closing

import pytest
from nodes.support import Peer, starter
from rclpy.parameter import Parameter


@pytest.fixture
def peer():
    """Another node of the robot; see `support.Peer`."""
    with closing(Peer()) as made:
        yield made


@pytest.fixture
def start(peer, tmp_path):
    """Starts a NodeProcess, and ends it after the test as Ctrl-C does: it must give 0."""
    with starter(peer, tmp_path) as starting:
        yield starting


@pytest.fixture
def run(peer):
    """Runs a node of a class in this process, with the peer; a dot is written `__`."""
    nodes = []

    def make(kind, **parameters):
        overrides = [
            Parameter(name.replace('__', '.'), value=value) for name, value in parameters.items()
        ]
        node = kind(
            context=peer.node.context, namespace=peer.namespace, parameter_overrides=overrides
        )
        nodes.append(node)
        node.bring_up()
        peer.add(node)
        return node

    yield make
    for node in nodes:
        peer.remove(node)
        node.destroy_node()
