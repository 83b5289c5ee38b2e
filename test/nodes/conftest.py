"""Real nodes in real processes, and a peer in this one."""

from __future__ import annotations

from contextlib import closing

import pytest
from nodes.support import Peer, starter


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
