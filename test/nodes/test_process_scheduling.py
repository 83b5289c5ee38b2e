"""A node's process has the share of the processor that its parameters say."""

import os
from collections import Counter

import pytest
from nodes.support import node_process
from onnx_models import color_segmentation


@pytest.fixture
def model(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx'))


def share(thread):
    """Nice value and cores of a thread."""
    return os.getpriority(os.PRIO_PROCESS, thread), frozenset(os.sched_getaffinity(thread))


def test_all_threads_but_those_of_pictures(peer, start, model):
    core = min(os.sched_getaffinity(0))
    at_start, given = share(0), (3, frozenset({core}))
    parameters = {'process__nice': given[0], 'process__cores': [core]}
    node = start(node_process('seg_node', peer.namespace, model=model, **parameters))
    peer.wait_for_state('seg_node', 'active')
    counts = Counter(share(int(each)) for each in os.listdir(f'/proc/{node.pid}/task'))
    assert set(counts) <= {given, at_start}
    assert counts[given] > 5
    if os.geteuid() == 0:  # back to less nice takes a privilege
        assert counts[at_start] >= 2, 'annotated and mask/color'


def test_what_cannot_be_is_told_and_the_node_runs(peer, start, model):
    node = start(node_process('seg_node', peer.namespace, model=model, process__cores=[4096]))
    told = 'cores cannot be set: this machine has no core 4096'
    peer.wait_for_log(node, f'WARN.*{told}')
    peer.wait_for_state('seg_node', 'active')
    status = peer.wait_for_status('seg_node', lambda status: told in status.message, 'it')
    assert status.level == status.WARN
