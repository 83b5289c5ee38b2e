"""What the nodes of the launch files have in the graph, their policies of SROS 2 allow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jetson_perception.msg import SegmentationSummary

from jetson_perception import bringup

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from reference.policies import ENCLAVE, read  # noqa: E402

POLICY = ROOT / 'config' / 'sros2' / 'jetson_perception.policy.xml'
RULES = {
    'publish': 'publisher',
    'subscribe': 'subscriber',
    'reply': 'service',
    'request': 'client',
}


def names(node, name, namespace, kind):
    of_node = getattr(node, f'get_{kind}_names_and_types_by_node')
    return {each for each, _ in of_node(name, namespace)}


def test_each_node_has_an_enclave_and_all_have_one():
    enclaves = read(POLICY.read_text())
    together = enclaves.pop(ENCLAVE)
    assert together == [node for nodes in enclaves.values() for node in nodes]
    assert list(enclaves) == [f'{ENCLAVE}{each.namespace}/{each.name}' for each in together]


@pytest.mark.parametrize('every_frame', ['false', 'true'])
def test_all_that_nodes_have_is_allowed(peer, start, every_frame):
    """Hidden nodes included: they are in the process, and so in the enclave, of one of these."""
    values = bringup.defaults(
        bringup.SEG_ARGUMENTS,
        source='scene://oranges?width=64&height=64',
        every_frame=every_frame,
    )
    heard = peer.collect('/seg/summary', SegmentationSummary)
    for process in bringup.seg(values):
        start(process)
    peer.wait_for(lambda: heard, 'a result')

    def nodes():
        there = peer.node.get_node_names_and_namespaces()
        return {(name, namespace) for name, namespace in there if namespace.startswith('/seg')}

    peer.wait_for(
        lambda: nodes() >= {('seg_node', '/seg'), ('camera_node', '/seg/camera')}, 'both nodes'
    )
    allowed = {(each.name, each.namespace): each for each in read(POLICY.read_text())[ENCLAVE]}
    for name, namespace in nodes():
        own = allowed[name.lstrip('_').removesuffix('_images'), namespace]
        for rule, kind in RULES.items():
            assert names(peer.node, name, namespace, kind) <= getattr(own, rule), (name, rule)
