"""Nodes on several hosts: network namespaces, joined by links that are cut or lose packets.

The hosts are those of tools/measure_transport.py, which measures rates; here it is told only what
arrives at all. Needs root.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools'))

from transport import nodes  # noqa: E402
from transport.lab import Lab  # noqa: E402
from transport.network import what_is_missing  # noqa: E402
from transport.rates import answered  # noqa: E402
from transport.situations import SMALL_DATAGRAMS  # noqa: E402

pytestmark = pytest.mark.alone

DISTRIBUTED = ROOT / 'docs/distributed.md'
DEADLINE_S = 60.0
ENOUGH = 20


@pytest.fixture
def lab():
    """Hosts, places and programs, which end with the test."""
    missing = what_is_missing()
    if missing:
        pytest.skip(missing)
    with Lab() as made:
        yield made


def start(lab, camera_host, node_host, listener_host=None, **parameters):
    """A camera_node, a yolo_node and a listener, on their hosts; what the listener notes."""
    node_place = lab.place(node_host)
    listener_place = lab.place(listener_host) if listener_host else node_place
    _, heard = lab.listener(listener_place, nodes.DETECTIONS)
    lab.node(nodes.yolo_node(lab, **parameters), node_place)
    lab.node(nodes.camera_node(), lab.place(camera_host))
    return heard


def answers_after(heard, at_ns):
    """Stamps of images that were answered after a moment, each once."""
    return {note.stamp_ns for note in heard.of(nodes.ANSWERS) if note.at_ns > at_ns}


def wait_for_answers(lab, heard, at_ns=0, count=ENOUGH):
    enough = lab.wait_for(lambda: len(answers_after(heard, at_ns)) >= count, DEADLINE_S)
    log = '\n'.join(line for _, line in lab.log_lines(''))
    assert enough, f'{len(answers_after(heard, at_ns))} of {count} answers\n{log}'


COMPRESSED = {'image_transport': 'compressed'}


class TestTwoHosts:
    @pytest.mark.parametrize(
        'parameters',
        [
            pytest.param({}, id='raw'),
            pytest.param(COMPRESSED, id='compressed', marks=pytest.mark.slow),
        ],
    )
    def test_images_of_another_host_are_answered(self, lab, parameters):
        camera, node = lab.network.host('camera'), lab.network.host('node')
        wait_for_answers(lab, start(lab, camera, node, **parameters))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        'parameters',
        [pytest.param({}, id='raw'), pytest.param(COMPRESSED, id='compressed')],
    )
    def test_answers_come_again_after_the_link_was_down(self, lab, parameters):
        camera, node = lab.network.host('camera'), lab.network.host('node')
        heard = start(lab, camera, node, **parameters)
        wait_for_answers(lab, heard)
        lab.network.cut(camera)
        cut_ns = time.time_ns()
        lab.spend(5.0)
        # Half a second, for what was under way.
        assert not answers_after(heard, cut_ns + 500_000_000)
        lab.network.mend(camera)
        wait_for_answers(lab, heard, time.time_ns())

    @pytest.mark.slow
    def test_compressed_images_arrive_though_packets_are_lost_and_late(self, lab):
        camera = lab.network.host('camera', loss=0.01, delay_ms=20.0)
        heard = start(lab, camera, lab.network.host('node'), **COMPRESSED)
        wait_for_answers(lab, heard)
        # And it does not cease: what is lost fills no buffer for good.
        wait_for_answers(lab, heard, time.time_ns() + 5 * 10**9)

    @pytest.mark.slow
    def test_most_arrive_of_a_reliable_driver_with_the_settings_for_such_a_link(self, lab):
        assert SMALL_DATAGRAMS['FASTDDS_BUILTIN_TRANSPORTS'] in DISTRIBUTED.read_text()
        lab.variables |= SMALL_DATAGRAMS
        camera = lab.network.host('camera', loss=0.01, delay_ms=5.0)
        place = lab.place(lab.network.host('node'))
        _, heard = lab.listener(place, nodes.DETECTIONS)
        lab.node(nodes.yolo_node(lab, **COMPRESSED), place)
        _, sent = lab.driver(lab.place(camera), 'reliable', 30.0, compressed=True)
        wait_for_answers(lab, heard, count=1)
        begin_ns = heard.of(nodes.ANSWERS)[0].stamp_ns
        wanted = begin_ns + 5 * 10**9
        lab.wait_for(lambda: sent.of('sent')[-1].stamp_ns > wanted + 10**9, DEADLINE_S)
        count, of = answered(sent.of('sent'), heard.of(nodes.ANSWERS), begin_ns, wanted)
        # Without them a tenth arrives, or none.
        assert count > of / 2


class TestThreeHosts:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        'parameters',
        [pytest.param({}, id='raw'), pytest.param(COMPRESSED, id='compressed')],
    )
    def test_camera_node_and_listener_each_have_one(self, lab, parameters):
        camera, node, listener = (lab.network.host(x) for x in ('camera', 'node', 'listener'))
        wait_for_answers(lab, start(lab, camera, node, listener, **parameters))

    @pytest.mark.slow
    def test_one_that_is_cut_off_does_not_stop_the_others(self, lab):
        camera, node, watcher = (lab.network.host(x) for x in ('camera', 'node', 'watcher'))
        heard = start(lab, camera, node)
        _, watched = lab.listener(lab.place(watcher), nodes.DETECTIONS)
        wait_for_answers(lab, watched)
        lab.network.cut(watcher)
        cut_ns = time.time_ns()
        wait_for_answers(lab, heard, cut_ns + 3 * 10**9)
        lab.network.mend(watcher)
        wait_for_answers(lab, watched, time.time_ns())


HUMBLE = pytest.mark.skipif(
    os.environ.get('ROS_DISTRO') == 'humble', reason='Humble has neither range nor static peers'
)


@pytest.mark.slow
class TestDiscovery:
    """Hosts that do not find each other by themselves, as where a network carries no multicast."""

    @HUMBLE
    def test_by_static_peers(self, lab):
        camera, node = lab.network.host('camera'), lab.network.host('node')
        addresses = f'{camera.address};{node.address}'
        lab.variables |= {
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'ROS_STATIC_PEERS': addresses,
        }
        wait_for_answers(lab, start(lab, camera, node))

    def test_by_a_discovery_server(self, lab):
        if shutil.which('fast-discovery-server') is None:
            pytest.skip('no fast-discovery-server, which is a part of Fast DDS')
        camera, node = lab.network.host('camera'), lab.network.host('node')
        address = ('-l', camera.address, '-p', '11811')
        lab.command(lab.place(camera), 'fast-discovery-server', '-i', '0', *address)
        lab.variables['ROS_DISCOVERY_SERVER'] = f'{camera.address}:11811'
        wait_for_answers(lab, start(lab, camera, node))

    @HUMBLE
    def test_not_beyond_the_range_that_is_set(self, lab):
        camera, node = lab.network.host('camera'), lab.network.host('node')
        lab.variables['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        heard = start(lab, camera, node)
        assert lab.wait_for(lambda: lab.log_lines('nobody publishes it'), DEADLINE_S)
        assert not heard.of(nodes.ANSWERS)
