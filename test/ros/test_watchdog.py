"""Why no image comes: what the one warning says in each case, and when it comes again."""

import re
from contextlib import ExitStack, closing

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from nodes.support import BEST_EFFORT, Peer
from rcl_interfaces.msg import Log
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from jetson_perception.ros import diagnostics
from jetson_perception.ros.endpoint_names import is_named
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.watchdog import ImageWatchdog

RELIABLE = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=50,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


@pytest.fixture
def watched():
    """A peer whose subscription is watched."""
    with closing(Peer()) as made:
        yield made


def watch(watched, peer, message_type=Image, qos=BEST_EFFORT, name='image', **options):
    """A watchdog of the first peer for a topic of the second."""
    subscription = watched.node.create_subscription(
        message_type, f'/{peer.namespace}/{name}', lambda msg: None, qos
    )
    form = 'compressed' if message_type is CompressedImage else 'raw'
    topic = ImageTopic(subscription.topic_name, form)
    return ImageWatchdog(watched.node, subscription, topic, **options)


class Clock:
    """Seconds that go on when a test says so."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def explanation(watched, dog, pattern):
    """The explanation, once the other side was discovered so far that it says what is expected.

    The name of a publisher's node comes a moment after the publisher itself.
    """
    watched.wait_for(lambda: re.search(pattern, dog.explanation()), pattern)
    return dog.explanation()


class TestExplanation:
    def test_nobody_publishes(self, watched, peer):
        text = watch(watched, peer).explanation()
        topic = f'/{peer.namespace}/image'
        # Behind it, what other domains have on this host.
        assert text.partition('; ROS_DOMAIN_ID')[0] == (
            f'no image yet on {topic} (sensor_msgs/msg/Image) for 3 s: nobody publishes it; '
            'start the camera driver, or remap image to the topic that it publishes'
        )

    def test_names_other_topics_with_such_images(self, watched, peer):
        peer.image_publisher('left/image_raw')
        peer.node.create_publisher(String, 'chatter', 10)
        dog = watch(watched, peer)
        text = explanation(watched, dog, 'left/image_raw')
        assert 'nobody publishes it; such images are on ' in text
        assert f'/{peer.namespace}/left/image_raw' in text
        assert text.endswith(': remap image to one of them')
        assert 'chatter' not in text

    @pytest.mark.parametrize('form', [Image, CompressedImage])
    def test_topics_of_its_other_cameras_are_not_proposed(self, watched, peer, form):
        for name, kind in (('front', Image), ('front/compressed', CompressedImage)):
            peer.image_publisher(name, kind)
        topic = f'/{peer.namespace}/front' + ('' if form is Image else '/compressed')
        watched.node.create_subscription(form, topic, print, BEST_EFFORT)
        dog = watch(watched, peer, named_in='image_topics')
        cure = 'start the camera driver, or name the topic that it publishes in image_topics'
        assert 'front' not in explanation(watched, dog, cure)
        peer.image_publisher('rear')
        text = explanation(watched, dog, '/rear')
        assert text.endswith(f' /{peer.namespace}/rear: name one of them in image_topics')

    def test_its_own_pictures_are_not_proposed(self, watched, peer):
        """Not the node's annotated images, nor topics that are only subscribed to."""
        watched.image_publisher('annotated')
        peer.collect('wanted', Image)
        peer.image_publisher('offered')
        text = explanation(watched, watch(watched, peer), 'offered')
        assert 'annotated' not in text
        assert 'wanted' not in text

    def test_another_type(self, watched, peer):
        who = f'/{peer.namespace}/peer'
        peer.node.create_publisher(String, 'image', 10)
        peer.image_publisher('image_raw/compressed', CompressedImage)
        text = explanation(watched, watch(watched, peer), f'{who} as .*image_raw')
        assert f'1 publisher ({who} as std_msgs/msg/String, reliable, ' in text
        assert text.endswith(
            f'{who} sends another type: messages of sensor_msgs/msg/CompressedImage are on '
            f'/{peer.namespace}/image_raw/compressed: remap image to one of them'
        )

    @pytest.mark.parametrize(
        ('offered', 'wanted', 'reason'),
        [
            pytest.param(BEST_EFFORT, RELIABLE, 'best_effort, volatile', id='reliability'),
            pytest.param(RELIABLE, LATCHED, 'reliable, volatile', id='durability'),
        ],
    )
    def test_incompatible_qos(self, watched, peer, offered, wanted, reason):
        peer.image_publisher('image', qos=offered)
        dog = watch(watched, peer, qos=wanted)
        text = explanation(watched, dog, f'/{peer.namespace}/peer')
        assert f'/{peer.namespace}/peer as sensor_msgs/msg/Image, {reason})' in text
        cure = "set this node's parameter reliability to auto, or change the publisher"
        assert re.search(rf'QoS does not match \(ERROR: .+\): {cure}', text)
        assert 'qos_overrides' not in text, 'nobody has set that'

    def test_silent_publishers(self, watched, peer):
        """The QoS matches, and nothing on the way is wrong, so it is the cameras."""
        peer.image_publisher('image', qos=RELIABLE)
        peer.image_publisher('image', qos=BEST_EFFORT)
        text = explanation(watched, watch(watched, peer), '2 publishers')
        assert 'reliable, volatile; ' in text
        assert 'best_effort, volatile)' in text
        assert f'check it with `ros2 topic hz /{peer.namespace}/image`' in text
        assert '/dev/shm' not in text
        assert 'does not match' not in text


class StandInEndpoint:
    """A publisher as another host or another DDS announces it, which are not here."""

    def __init__(self, info, begin, identity):
        self._info = info
        self.endpoint_gid = list(info.endpoint_gid)
        self.endpoint_gid[begin : begin + 2] = identity

    def __getattr__(self, name):
        return getattr(self._info, name)


@pytest.mark.parametrize(
    ('begin', 'identity'),
    [
        pytest.param(2, (0, 0), id='another_host'),
        pytest.param(0, (1, 16), id='another_dds'),
    ],
)
def test_shared_memory_is_not_spoken_of_beyond_this_host(
    watched, peer, monkeypatch, begin, identity
):
    peer.image_publisher('image')
    dog = watch(watched, peer)
    ask = watched.node.get_publishers_info_by_topic

    def names_known():
        found = ask(f'/{peer.namespace}/image')
        return found and all(map(is_named, found))

    watched.wait_for(names_known, 'the name of the publisher')
    monkeypatch.setattr(
        watched.node,
        'get_publishers_info_by_topic',
        lambda topic: [StandInEndpoint(info, begin, identity) for info in ask(topic)],
    )
    text = explanation(watched, dog, f'/{peer.namespace}/peer')
    assert 'it sends nothing: see what it logs' in text
    assert '/dev/shm' not in text


def test_every_frame_wants_a_publisher_that_is_reliable(watched, peer):
    peer.image_publisher('image', qos=BEST_EFFORT)
    dog = watch(watched, peer, qos=RELIABLE, every_frame=True)
    text = explanation(watched, dog, f'/{peer.namespace}/peer')
    assert 'start this node without every_frame, or have the publisher be reliable, as' in text


class TestWarning:
    @pytest.fixture
    def said(self, peer, watched):
        """Warnings of the watched node, as they come on /rosout."""
        messages = peer.collect('/rosout', Log, LATCHED)

        def texts():
            name = f'{watched.namespace}.peer'
            return [msg.msg for msg in messages if msg.name == name and 'no image' in msg.msg]

        return texts

    def listen(self, peer, watched, said, count):
        def heard():
            watched.listen_once()
            return len(said()) >= count

        peer.wait_for(heard, f'{count} warnings')

    def test_comes_automatically_after_the_patience(self, peer, watched, said):
        dog = watch(watched, peer, patience_s=0.0)
        assert not dog.warned
        self.listen(peer, watched, said, 1)
        assert dog.warned
        assert said()[0].startswith(f'no image yet on /{peer.namespace}/image ')

    def test_once_and_again_only_after_images_came(self, peer, watched, said):
        dog = watch(watched, peer, patience_s=0.0)
        for _ in range(5):
            dog.check()
        dog.image_arrived()
        assert not dog.warned
        for _ in range(5):
            dog.check()
        self.listen(peer, watched, said, 2)
        # What is said last is heard last: nothing else was between.
        watched.node.get_logger().warning('no image: the end')
        self.listen(peer, watched, said, 3)
        first, second, last = said()
        assert first.startswith('no image yet on ')
        assert second.startswith('no image any more on ')
        assert last == 'no image: the end'

    def test_waits_for_the_patience_to_be_over(self, peer, watched, said):
        dog = watch(watched, peer, patience_s=3600.0)
        dog.check()
        assert not dog.warned

    def test_a_camera_that_starts_has_three_times_as_long(self, peer, watched, said):
        """Its first image is due later; once images came, the patience is the plain one."""
        peer.image_publisher('image')
        clock = Clock()
        dog = watch(watched, peer, patience_s=1000.0, now_s=clock)
        explanation(watched, dog, f'/{peer.namespace}/peer as ')
        clock.seconds += 1500.0
        dog.check()
        assert not dog.warned
        clock.seconds += 2000.0
        dog.check()
        assert dog.warned
        assert 'for 3000 s: 1 publisher' in dog.explanation()
        dog.image_arrived()
        clock.seconds += 1500.0
        dog.check()
        assert dog.warned

    def test_a_camera_that_says_it_starts_again_has_three_times_as_long(self, peer, watched, said):
        """As one that a lifecycle manager stopped, and whose first frame takes seconds."""
        peer.image_publisher('image')
        name = f'/{peer.namespace}/peer'
        health = peer.node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        clock = Clock()
        dog = watch(watched, peer, patience_s=1000.0, now_s=clock)
        explanation(watched, dog, f'{name} as ')
        dog.image_arrived()
        clock.seconds += 999.0
        dog.check()  # from now on, it listens
        starting = diagnostics.status(
            diagnostics.OK, f'{name}: source', 'no frame yet', {'state': 'starting'}
        )

        def is_said():
            health.publish(DiagnosticArray(status=[starting]))
            return f'{name} says: no frame yet' in dog.explanation()

        watched.wait_for(is_said, 'what the camera says')
        clock.seconds += 1500.0
        dog.check()
        assert not dog.warned
        clock.seconds += 1000.0
        dog.check()
        assert dog.warned

    def test_a_camera_of_several_that_one_node_reads_speaks_for_itself(self, peer, watched, said):
        namespace = f'/{peer.namespace}'
        for camera in ('front', 'rear'):
            peer.image_publisher(f'{camera}/image_raw')
        health = peer.node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        clock = Clock()
        dogs = {
            camera: watch(watched, peer, name=f'{camera}/image_raw', patience_s=9.0, now_s=clock)
            for camera in ('front', 'rear')
        }
        clock.seconds += 8.9
        for dog in dogs.values():
            dog.check()  # from now on, they listen
        lines = [
            diagnostics.status(
                diagnostics.OK,
                f'{namespace}/peer: source {namespace}/{camera}',
                f'{camera} is {state}',
                {'source': camera, 'topic': f'{namespace}/{camera}/image_raw', 'state': state},
            )
            for camera, state in (('front', 'ended'), ('rear', 'starting'))
        ]

        def are_said():
            health.publish(DiagnosticArray(status=lines))
            return dogs['front'].at_end() and 'rear is' in dogs['rear'].explanation()

        watched.wait_for(are_said, 'what the cameras say')
        assert dogs['front'].explanation().endswith(f'{namespace}/peer says: front is ended')
        assert dogs['rear'].explanation().endswith(f'{namespace}/peer says: rear is starting')
        assert not dogs['rear'].at_end()

    def test_nobody_who_publishes_has_the_plain_patience(self, peer, watched, said):
        clock = Clock()
        dog = watch(watched, peer, patience_s=1000.0, now_s=clock)
        clock.seconds += 1500.0
        dog.check()
        assert dog.warned

    def test_is_silent_after_closing(self, watched, peer):
        dog = watch(watched, peer)
        assert len(list(watched.node.timers)) == 1
        dog.close()
        assert list(watched.node.timers) == []


class TestOtherKindOfImages:
    """Raw images where compressed ones are looked for, or the other way round."""

    @pytest.mark.parametrize(
        ('sent', 'expected'),
        [
            pytest.param(CompressedImage, Image, id='compressed'),
            pytest.param(Image, CompressedImage, id='raw'),
        ],
    )
    def test_is_reported_to_subscribers(self, watched, peer, sent, expected):
        told = []
        peer.image_publisher('image', sent)
        watch(watched, peer, expected, on_other_type=told.append)
        watched.wait_for(lambda: told, 'the other kind')
        assert told[0].message_type is sent

    @pytest.mark.parametrize('others', [[], [Image], [Image, CompressedImage], [String]])
    def test_is_not_reported_if_something_else_is_sent_too(self, watched, peer, others):
        told = []
        clock = Clock()
        dog = watch(watched, peer, on_other_type=told.append, now_s=clock)
        topic = f'/{peer.namespace}/image'
        with ExitStack() as stack:
            for message_type in others:  # a participant has one type on a topic
                other = stack.enter_context(closing(Peer(peer.namespace, 'other')))
                other.node.create_publisher(message_type, 'image', 10)
            watched.wait_for(
                lambda: watched.node.count_publishers(topic) == len(others), 'all publishers'
            )
            clock.seconds += 1.0
            told.clear()  # the one may have been heard of before the other
            dog.check()
            assert told == []
