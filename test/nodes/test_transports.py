"""How images reach a node from drivers that nobody has set anything for."""

import itertools
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from nodes.support import image_message, log_lines, node_process, qos_overrides
from onnx_models import color_segmentation
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from jetson_perception.dds.fast_dds import PROFILE_VARIABLES
from jetson_perception.dds.sockets import carries_images, receive_limit

pytestmark = pytest.mark.alone

DRIVER = Path(__file__).with_name('plain_driver.py')
RELIABLE, BEST_EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT
OVER_UDP = 'are received over UDP'


@contextmanager
def driver(peer, reliability='best_effort', size='1280x720', rate=30, variables=()):
    """A driver in a process of its own; gives what ends it, and says how many images it sent."""
    environ = {name: v for name, v in os.environ.items() if name not in PROFILE_VARIABLES}
    environ.update(variables)
    topic = f'/{peer.namespace}/image'
    with subprocess.Popen(
        [sys.executable, DRIVER, topic, reliability, size, str(rate)],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # Fast DDS may write lines of its own, as when two processes look for a free port at once.
        while process.stdout.readline() not in ('ready\n', ''):
            pass
        try:
            yield process.communicate
        finally:
            process.kill()


@pytest.fixture
def seg(peer, start, tmp_path):
    """Starts seg_node with a network of one operator."""

    def make(**parameters):
        model = str(color_segmentation(tmp_path / 'colors.onnx'))
        return start(node_process('seg_node', peer.namespace, model=model, **parameters))

    return make


def subscriptions(peer):
    """What is subscribed to the image topic."""
    return peer.node.get_subscriptions_info_by_topic(f'/{peer.namespace}/image')


def subscribers(peer):
    return [info.node_name for info in subscriptions(peer)]


def reliabilities(peer):
    return [info.qos_profile.reliability for info in subscriptions(peer)]


#: With less, more is lost over UDP than through the smallest shared memory.
needs_large_sockets = pytest.mark.skipif(
    not carries_images(receive_limit()), reason='net.core.rmem_max is below 1 MiB'
)


@needs_large_sockets
@pytest.mark.parametrize('reliability', ['best_effort', 'reliable'])
def test_images_of_a_plain_driver_arrive(peer, seg, reliability):
    masks = peer.collect('mask', Image, QoSProfile(depth=100))
    node = seg()
    peer.wait_for_log(node, 'waiting for images')
    with driver(peer, reliability) as end:
        peer.wait_for(lambda: masks, 'a mask')
        peer.wait_for_log(node, OVER_UDP)
        (line,) = log_lines(node, OVER_UDP)
        assert "the publisher's shared memory has 0.5 MB" in line
        # Through the shared memory of the driver, one in three arrives.
        peer.wait_for(lambda: longest_run(masks) >= 15, 'images without a gap')
        end()


def longest_run(masks):
    """How many answered images in a row were sent one after the other; the driver numbers them."""
    numbers = [int(mask.header.frame_id) for mask in masks]
    runs = [1]
    for before, after in itertools.pairwise(numbers):
        runs.append(runs[-1] + 1 if after == before + 1 else 1)
    return max(runs)


@needs_large_sockets
def test_the_second_participant_shows_no_node(peer, seg):
    masks = peer.collect('mask', Image)
    node = seg()
    # Before anybody publishes, so that discovery takes none of the images' time.
    peer.wait_for_log(node, 'waiting for images')
    peer.wait_for(lambda: '_seg_node_images' in peer.node.get_node_names(), 'the participant')
    with driver(peer):
        peer.wait_for(lambda: masks, 'a mask')
        # What begins with an underscore is hidden from `ros2 node list`.
        found = peer.node.get_node_names_and_namespaces()
        ours = [name for name, namespace in found if namespace == f'/{peer.namespace}']
        assert sorted(name for name in ours if not name.startswith('_')) == ['peer', 'seg_node']
        peer.wait_for(lambda: subscribers(peer) == ['_seg_node_images'], 'its only subscription')


def test_a_driver_with_large_shared_memory_keeps_it(peer, seg):
    images, masks = peer.image_publisher(), peer.collect('mask', Image)
    node = seg()
    for _ in range(3):
        peer.ask(images, image_message(np.zeros((720, 1280, 3), np.uint8)), masks)
    assert log_lines(node, OVER_UDP) == []
    assert subscribers(peer) == ['seg_node']


#: Shared memory of 16 MB, also where discovery is limited to this host.
LARGE_MEMORY = {
    'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT?sockets_size=8388608&non_blocking=true',
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
}


@needs_large_sockets
def test_images_larger_than_the_shared_memory_come_over_udp(peer, seg):
    masks = peer.collect('mask', Image)
    node = seg()
    with driver(peer, size='5000x4000', rate=5, variables=LARGE_MEMORY):
        peer.wait_for_log(node, 'MB, too little for images of 19.1 MB')
        peer.wait_for(lambda: subscribers(peer) == ['_seg_node_images'], 'its only subscription')
        masks.clear()
        peer.wait_for(lambda: len(masks) > 2, 'masks')


def test_a_driver_that_was_killed_says_nothing_of_the_next_one(peer, seg):
    """Discovery lists it for 20 s more, and its memory looks like another container's."""
    masks = peer.collect('mask', Image)
    node = seg()
    for _ in range(2):
        masks.clear()
        with driver(peer, variables=LARGE_MEMORY):
            peer.wait_for(lambda: len(masks) > 20, 'masks of most of a second')
    assert log_lines(node, OVER_UDP) == []
    assert subscribers(peer) == ['seg_node']


def test_a_killed_driver_leaves_nothing_in_the_subscription(peer, seg):
    """Of the image that it was sending, Fast DDS keeps what came while there is the reader."""
    masks = peer.collect('mask', Image)
    seg()
    with driver(peer, size='64x48'):
        peer.wait_for(lambda: masks, 'a mask')
        # While the node moves to another one there are two.
        peer.wait_for(lambda: len(subscriptions(peer)) == 1, 'the subscription')
        (before,) = subscriptions(peer)
    peer.wait_for(
        lambda: (
            {bytes(info.endpoint_gid) for info in subscriptions(peer)}
            not in (set(), {bytes(before.endpoint_gid)})
        ),
        'a new subscription',
    )
    masks.clear()
    with driver(peer, size='64x48'):
        peer.wait_for(lambda: masks, 'a mask of another driver')


def test_the_subscription_is_as_reliable_as_all_publishers(peer, seg):
    node = seg()
    peer.wait_for_log(node, 'waiting for images')
    peer.wait_for(lambda: reliabilities(peer) == [BEST_EFFORT], 'the first subscription')
    with driver(peer, 'reliable', '64x48') as end_reliable:
        peer.wait_for(lambda: reliabilities(peer) == [RELIABLE], 'a reliable subscription')
        with driver(peer, 'best_effort', '64x48') as end_other:
            peer.wait_for(lambda: reliabilities(peer) == [BEST_EFFORT], 'one for both')
            end_other()
        peer.wait_for(lambda: reliabilities(peer) == [RELIABLE], 'a reliable one again')
        end_reliable()
    assert log_lines(node, 'offering incompatible QoS') == []  # all of them were heard


@pytest.mark.parametrize(
    ('parameters', 'wanted'),
    [
        pytest.param({'reliability': 'best_effort'}, BEST_EFFORT, id='parameter'),
        pytest.param(None, BEST_EFFORT, id='qos_override'),
    ],
)
def test_what_the_user_has_set_stays(peer, seg, parameters, wanted):
    if parameters is None:
        overrides = qos_overrides(peer, 'image', reliability='best_effort')
        parameters = {name.replace('.', '__'): value for name, value in overrides.items()}
    masks = peer.collect('mask', Image)
    seg(**parameters)
    with driver(peer, 'reliable', '64x48'):
        peer.wait_for(lambda: len(masks) > 5, 'masks')
        peer.wait_for(lambda: reliabilities(peer) == [wanted], 'one subscription as set')


def test_with_localhost_no_multicast_is_heard(peer, seg):
    node = seg()
    peer.wait_for_log(node, 'transports: shared memory')
    peer.wait_for_log(node, 'waiting for images')
    # RTPS 9.6.1.1: where a domain's announcements by multicast arrive.
    port = 7400 + 250 * int(os.environ['ROS_DOMAIN_ID'])
    assert port not in udp_ports(node.pid)
    assert udp_ports(node.pid) & {port + 10 + 2 * number for number in range(32)}


def udp_ports(pid):
    """Local ports of a process's UDP sockets."""
    inodes = set()
    for descriptor in Path(f'/proc/{pid}/fd').iterdir():
        target = os.readlink(descriptor)
        if target.startswith('socket:['):
            inodes.add(target[8:-1])
    rows = [line.split() for line in Path(f'/proc/{pid}/net/udp').read_text().splitlines()[1:]]
    return {int(row[1].rpartition(':')[2], 16) for row in rows if row[9] in inodes}
