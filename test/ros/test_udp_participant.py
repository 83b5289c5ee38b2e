"""Subscriptions of a second participant, which run with the node's own."""

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import String

from jetson_perception.dds.best_transport import BestTransport
from jetson_perception.ros import image_subscription
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.subscription_fit import Fit
from jetson_perception.ros.udp_participant import UdpParticipant


@pytest.fixture
def participant(peer):
    made = UdpParticipant(peer.node)
    yield made
    made.close()


def test_a_participant_that_never_opened_closes(participant):
    participant.close()
    participant.close()


def test_messages_come_in_the_executor_of_the_node(peer, participant):
    heard, topic = [], f'/{peer.namespace}/text'
    subscription = participant.subscribe(String, topic, heard.append, 10)
    texts = peer.node.create_publisher(String, 'text', 10)
    peer.send_until(texts, lambda: String(data='a'), lambda: heard, 'a message')
    assert subscription.topic_name == topic
    assert heard[0].data == 'a'
    subscription.destroy()
    peer.wait_for(lambda: texts.get_subscription_count() == 0, 'the end of the subscription')
    texts.publish(String(data='b'))
    peer.node.executor.spin_once(timeout_sec=0.0)
    assert {message.data for message in heard} == {'a'}


def test_a_callback_of_two_arguments_hears_of_the_message_too(peer, participant):
    heard = []
    subscription = participant.subscribe(String, f'/{peer.namespace}/text', print, 10)
    subscription.callback = lambda message, info: heard.append(info)
    texts = peer.node.create_publisher(String, 'text', 10)
    peer.send_until(texts, String, lambda: heard, 'a message')
    assert 'publication_sequence_number' in heard[0]
    subscription.destroy()


def test_an_error_in_a_callback_leaves_the_subscription(peer, participant):
    heard = []

    def fail(message):
        heard.append(message)
        raise ValueError('odd')

    subscription = participant.subscribe(String, f'/{peer.namespace}/text', fail, 10)
    texts = peer.node.create_publisher(String, 'text', 10)
    with pytest.raises(ValueError, match='odd'):
        peer.send_until(texts, String, lambda: heard, 'a message')
    with pytest.raises(ValueError, match='odd'):
        peer.send_until(texts, String, lambda: len(heard) > 1, 'another one')
    subscription.destroy()


def test_it_opens_again_after_it_was_closed(peer, participant):
    for _ in range(2):
        heard = []
        subscription = participant.subscribe(String, f'/{peer.namespace}/text', heard.append, 10)
        texts = peer.node.create_publisher(String, 'text', 10)
        peer.send_until(texts, String, lambda found=heard: found, 'a message')
        subscription.destroy()
        participant.close()
        peer.node.destroy_publisher(texts)
    names = peer.node.get_node_names()
    peer.wait_for(lambda: '_peer_images' not in peer.node.get_node_names(), f'its end in {names}')


@pytest.mark.parametrize('enclave', ['/', '/robot/camera'])
def test_it_is_in_the_enclave_of_the_node(peer, enclave):
    context = Context()
    rclpy.init(
        context=context,
        args=['--ros-args', '--enclave', enclave],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    owner = Node('owner', context=context, namespace=peer.namespace)
    participant = UdpParticipant(owner)
    try:
        participant.opened()

        def enclaves():
            return {
                name: found
                for name, _, found in peer.node.get_node_names_and_namespaces_with_enclaves()
                if 'owner' in name
            }

        peer.wait_for(lambda: len(enclaves()) == 2, 'both nodes')
        assert enclaves() == {'owner': enclave, '_owner_images': enclave}
    finally:
        participant.close()
        owner.destroy_node()
        rclpy.shutdown(context=context)


class WantsUdp:
    """Stands for the fit of a subscription to a publisher whose shared memory is too small."""

    wanted = Fit(transport=BestTransport(True, 'it is too small'))
    judged = True

    def __init__(self, *arguments):
        pass

    def check(self):
        return False

    def close(self):
        pass

    def image_taken(self, nbytes):
        pass

    def message_arrived(self, nbytes):
        pass


@pytest.mark.parametrize(
    'options',
    [pytest.param({}, id='executor'), pytest.param({'on_image': lambda image: None}, id='thread')],
)
def test_images_still_come_where_no_second_participant_can_be_made(peer, monkeypatch, options):
    def fail(*arguments):
        raise RuntimeError('no more descriptors')

    participant = UdpParticipant(peer.node)
    monkeypatch.setattr(participant, 'opened', fail)
    monkeypatch.setattr(image_subscription, 'SubscriptionFit', WantsUdp)
    heard, made = [], []
    topic = ImageTopic(f'/{peer.namespace}/image')
    subscription = image_subscription.ImageSubscription(
        peer.node, participant, topic, heard.append, made.append, list, **options
    )
    images = peer.image_publisher()
    peer.send_until(images, Image, lambda: heard, 'an image')
    assert [each.topic_name for each in made] == [topic.name]
    subscription.close()


def test_images_come_in_a_thread_over_udp(peer, participant, monkeypatch):
    monkeypatch.setattr(image_subscription, 'SubscriptionFit', WantsUdp)
    at_once, told, made = [], [], []
    topic = ImageTopic(f'/{peer.namespace}/image')
    subscription = image_subscription.ImageSubscription(
        peer.node, participant, topic, told.append, made.append, list, on_image=at_once.append
    )
    images = peer.image_publisher()
    peer.send_until(images, Image, lambda: at_once and told, 'an image')
    assert [each.topic_name for each in made] == [topic.name]
    peer.wait_for(lambda: '_peer_images' in peer.node.get_node_names(), 'the hidden node')
    subscription.close()
    peer.wait_for(lambda: images.get_subscription_count() == 0, 'the end of the subscription')
