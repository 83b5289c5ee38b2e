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
DEADLINE_S = float(os.environ.get('TEST_DEADLINE_S', '60'))
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
        assert lab.wait_for(lambda: lab.log_lines('no image any more'), DEADLINE_S)
        # Half a second, for what was under way.
        assert not answers_after(heard, cut_ns + 500_000_000)
        lab.network.mend(camera)
        wait_for_answers(lab, heard, time.time_ns())

    @pytest.mark.slow
    def test_compressed_images_are_answered_though_packets_are_lost_and_late(self, lab):
        camera = lab.network.host('camera', loss=0.01, delay_ms=20.0)
        place = lab.place(camera)
        _, sent = lab.listener(place, nodes.SENT_BY_CAMERA_NODE)
        node_place = lab.place(lab.network.host('node'))
        _, heard = lab.listener(node_place, nodes.DETECTIONS)
        lab.node(nodes.yolo_node(lab, **COMPRESSED), node_place)
        lab.node(nodes.camera_node(), place)
        assert share_of(lab, sent, heard, nodes.ANSWERS) > 0.5  # the newest of those that come

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


def share_of(lab, sent, heard, topic, seconds=5):
    """Of what camera_node sends once both are there, what is heard on a topic."""
    begun = lab.wait_for(lambda: sent.of(nodes.CAMERA_INFO) and heard.of(topic), DEADLINE_S)
    assert begun, lab.log_lines('')
    begin_ns = max(sent.of(nodes.CAMERA_INFO)[0].stamp_ns, heard.of(topic)[0].stamp_ns)
    lab.spend(seconds + 1.0)
    count, of = answered(
        sent.of(nodes.CAMERA_INFO), heard.of(topic), begin_ns, begin_ns + seconds * 10**9
    )
    assert of > 10 * seconds
    return count / of


JPEGS = '/camera/image_raw/compressed'


class TestCompressedImages:
    """A camera_node's, and those that a node draws, on the way to other hosts."""

    @pytest.mark.parametrize(
        'delay_ms',
        [pytest.param(5.0, id='5ms', marks=pytest.mark.slow), pytest.param(20.0, id='20ms')],
    )
    def test_all_arrive_though_packets_are_lost_and_late(self, lab, delay_ms):
        camera = lab.network.host('camera', loss=0.01, delay_ms=delay_ms)
        viewer = lab.place(lab.network.host('viewer'))
        _, heard = lab.listener(viewer, f'{JPEGS}:sensor_msgs/CompressedImage:reliable')
        place = lab.place(camera)
        _, sent = lab.listener(place, nodes.SENT_BY_CAMERA_NODE)
        lab.node(nodes.camera_node(), place)
        # In datagrams of 64 kB less than a fifth does.
        assert share_of(lab, sent, heard, JPEGS, seconds=3) > 0.9

    @pytest.mark.slow
    def test_go_out_in_datagrams_that_fit_into_packets(self, lab):
        robot, far = lab.network.host('robot'), lab.network.host('viewer')
        there, here = lab.place(robot), lab.place(far)
        drawn = '/annotated/compressed'
        near_topics = [f'{each}:sensor_msgs/CompressedImage:reliable' for each in (JPEGS, drawn)]
        _, near = lab.listener(there, *near_topics, nodes.SENT_BY_CAMERA_NODE)
        lab.node(nodes.seg_node(lab), there)
        lab.node(nodes.camera_node(), there)
        assert lab.wait_for(lambda: near.of(drawn) and near.of(JPEGS), DEADLINE_S)
        assert not lab.log_lines('datagrams')  # nobody is on another host
        _, seen = lab.listener(here, *near_topics)
        assert lab.wait_for(lambda: len(seen.of(drawn)) > 5 < len(seen.of(JPEGS)), DEADLINE_S)
        assert len(lab.log_lines('has a subscriber on another host')) == 2
        before = lab.network.fragments_sent(robot)
        for topic in (JPEGS, drawn):
            count = len(seen.of(topic))
            assert lab.wait_for(lambda a=topic, b=count: len(seen.of(a)) > b + 30, DEADLINE_S)
        # Discovery sends some too; each of these images would be 70 or more.
        assert lab.network.fragments_sent(robot) - before < 60
        # Those beside the nodes have missed nothing that the camera sent meanwhile.
        first, last = (near.of(JPEGS)[at].stamp_ns for at in (0, -1))
        count, of = answered(near.of(nodes.CAMERA_INFO), near.of(JPEGS), first, last)
        assert count > 0.9 * of


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
        place = lab.place(watcher)
        _, watched = lab.listener(place, nodes.DETECTIONS)
        lab.node(nodes.seg_node(lab), place)
        wait_for_answers(lab, watched)
        assert lab.wait_for(lambda: lab.log_lines('seg_node.*first image'), DEADLINE_S)
        lab.network.cut(watcher)
        cut_ns = time.time_ns()
        wait_for_answers(lab, heard, cut_ns + 3 * 10**9)
        assert lab.wait_for(lambda: lab.log_lines('no image any more'), DEADLINE_S)
        assert all('seg_node' in line for _, line in lab.log_lines('no image any more'))
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
