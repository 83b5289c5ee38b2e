"""Topics of compressed images, which move to small datagrams for subscribers on other hosts.

Whether those on other hosts get their images is in test/nodes/test_several_hosts.py. Here a
subscriber of this process stands for one on another host: `on_another_host` says which.
"""

import pytest
import rclpy
from nodes.support import BEST_EFFORT, Peer
from rclpy.parameter import Parameter
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from jetson_perception.dds import fast_dds, small_datagrams
from jetson_perception.dds.guids import Guid
from jetson_perception.ros import qos
from jetson_perception.ros.endpoint_names import own_endpoint
from jetson_perception.ros.jpeg_topic import JpegTopic

pytestmark = pytest.mark.skipif(
    fast_dds.fast_dds() != small_datagrams.TRIED, reason='tried with Fast DDS 2.14 alone'
)
EVERY_IMAGE = qos.EVERY_IMAGE


@pytest.fixture(autouse=True)
def nothing_set(peer, monkeypatch):
    """A process whose user has set nothing, once Fast DDS has read what is set here."""
    for name in fast_dds.PROFILE_VARIABLES:
        monkeypatch.delenv(name)


@pytest.fixture
def on_another_host(monkeypatch):
    """Nodes that count as on another host: participants of theirs, to be filled."""
    strangers = set()
    there = Guid.on_host_of

    def on_host_of(guid, other):
        return guid.participant not in strangers and there(guid, other)

    monkeypatch.setattr(Guid, 'on_host_of', on_host_of)
    return strangers


@pytest.fixture
def topic(peer):
    made = JpegTopic(peer.node, 'compressed', qos.COMPRESSED_IMAGES)
    yield made
    made.destroy()


@pytest.fixture
def viewer(peer, on_another_host):
    """A node that counts as on another host."""
    made = Peer(peer.namespace, 'viewer')
    own = made.wait_for(lambda: own_endpoint(made.node), 'the viewer')
    on_another_host.add(Guid(bytes(own.endpoint_gid)).participant)
    yield made
    made.close()


def publishers(peer, topic):
    return peer.node.get_publishers_info_by_topic(topic.topic_name)


def image(number):
    return CompressedImage(format=str(number))


def numbers(heard):
    return [int(each.format) for each in heard]


def send_until(peer, topic, predicate, *others):
    """Publish numbered images until the predicate holds; how many it took."""
    count = 0

    def sent():
        nonlocal count
        topic.publish(image(count))
        count += 1
        for other in others:
            other.node.executor.spin_once(timeout_sec=0.0)
        return predicate()

    peer.wait_for(sent, 'what the images were sent for')
    return count


def test_without_a_subscriber_nothing_happens(peer, topic):
    topic.publish(image(0))
    assert topic.get_subscription_count() == 0
    assert topic.topic_name == f'/{peer.namespace}/compressed'
    assert len(publishers(peer, topic)) == 1


def test_a_subscriber_on_this_host_gets_each_image_by_the_first_publisher(peer, topic):
    heard = peer.collect('compressed', CompressedImage, EVERY_IMAGE)
    peer.wait_for(topic.get_subscription_count, 'the subscriber')
    count = send_until(peer, topic, lambda: len(heard) >= 20)
    assert numbers(heard) == list(range(len(heard)))
    assert len(heard) >= count - 1
    assert not small_datagrams.are_used_for(topic.topic_name)


def test_moves_for_a_subscriber_on_another_host(peer, topic, viewer):
    heard = viewer.collect('compressed', CompressedImage, EVERY_IMAGE)
    peer.wait_for(topic.get_subscription_count, 'the subscriber')
    before = bytes(publishers(peer, topic)[0].endpoint_gid)
    send_until(peer, topic, lambda: len(heard) >= 5, viewer)
    assert small_datagrams.are_used_for(topic.topic_name)
    peer.wait_for(lambda: len(publishers(peer, topic)) == 1, 'the end of the first publisher')
    (after,) = publishers(peer, topic)
    assert bytes(after.endpoint_gid) != before
    assert (after.node_name, after.node_namespace) == ('peer', f'/{peer.namespace}')
    # In order, and each once.
    assert numbers(heard) == sorted(set(numbers(heard)))


def test_one_on_this_host_hears_all_of_it_while_the_topic_moves(peer, topic, viewer):
    near = peer.collect('compressed', CompressedImage, EVERY_IMAGE)
    far = viewer.collect('compressed', CompressedImage, EVERY_IMAGE)
    peer.wait_for(lambda: topic.get_subscription_count() == 2, 'the subscribers')
    count = send_until(
        peer,
        topic,
        lambda: (
            len(publishers(peer, topic)) == 1
            and small_datagrams.are_used_for(topic.topic_name)
            and len(far) > 20
        ),
        viewer,
    )
    peer.wait_for(lambda: numbers(near)[-1] == count - 1, 'the last image')
    assert numbers(near) == list(range(count))


def test_what_a_node_makes_anew_has_small_datagrams_from_the_start(peer, topic, viewer):
    viewer.collect('compressed', CompressedImage)
    peer.wait_for(topic.get_subscription_count, 'the subscriber')
    send_until(peer, topic, lambda: small_datagrams.are_used_for(topic.topic_name), viewer)
    again = JpegTopic(peer.node, 'compressed', qos.COMPRESSED_IMAGES)
    heard = viewer.collect('compressed', CompressedImage, EVERY_IMAGE)
    peer.wait_for(again.get_subscription_count, 'the subscriber')
    again.publish(image(7))
    viewer.wait_for(lambda: 7 in numbers(heard), 'the first image')
    again.destroy()


def test_what_a_user_has_set_of_the_qos_stays(peer, viewer):
    given = {'reliability': 'best_effort', 'depth': 1}
    name = f'/{peer.namespace}/given'
    overrides = [
        Parameter(f'qos_overrides.{name}.publisher.{key}', value=value)
        for key, value in given.items()
    ]
    node = rclpy.create_node(
        'overridden',
        namespace=peer.namespace,
        context=peer.node.context,
        cli_args=['--ros-args', '-r', f'compressed:={name}', '-r', f'{name}:=elsewhere'],
        parameter_overrides=overrides,
    )
    peer.add(node)
    topic = JpegTopic(node, 'compressed', qos.COMPRESSED_IMAGES)
    heard = viewer.collect('given', CompressedImage, BEST_EFFORT)
    peer.wait_for(topic.get_subscription_count, 'the subscriber')
    send_until(
        peer,
        topic,
        lambda: len(heard) > 5 and small_datagrams.are_used_for(topic.topic_name),
        viewer,
    )
    peer.wait_for(lambda: len(publishers(peer, topic)) == 1, 'the end of the first publisher')
    (found,) = publishers(peer, topic)
    assert found.qos_profile.reliability == QoSReliabilityPolicy.BEST_EFFORT
    assert topic.topic_name == name  # not remapped once more
    topic.destroy()
    peer.remove(node)
    node.destroy_node()


def test_is_taken_down_while_it_moves(peer, viewer):
    topic = JpegTopic(peer.node, 'compressed', qos.COMPRESSED_IMAGES)
    peer.collect('compressed', CompressedImage)
    viewer.collect('compressed', CompressedImage)
    peer.wait_for(lambda: topic.get_subscription_count() == 2, 'the subscribers')
    send_until(peer, topic, lambda: small_datagrams.are_used_for(topic.topic_name))
    topic.destroy()
    peer.wait_for(lambda: not publishers(peer, topic), 'the end of both publishers')


def test_may_be_told_to_stay(peer, viewer):
    topic = JpegTopic(peer.node, 'compressed', qos.EVERY_IMAGE, may_move=False)
    heard = viewer.collect('compressed', CompressedImage, EVERY_IMAGE)
    peer.wait_for(topic.get_subscription_count, 'the subscriber')
    send_until(peer, topic, lambda: len(heard) >= 5, viewer)
    assert not small_datagrams.are_used_for(topic.topic_name)
    assert numbers(heard) == list(range(len(heard)))
    topic.destroy()
