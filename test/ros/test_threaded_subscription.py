"""Images that are taken in a thread of their own, whatever the executor does."""

import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from nodes.support import unique_header
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.image_messages import ImageMessage
from jetson_perception.ros.image_taker import TakenImage, image_taker
from jetson_perception.ros.lost_messages import (
    EventHandler,
    LostMessages,
    QoSSubscriptionEventType,
)
from jetson_perception.ros.outside_executor import OutsideExecutor
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.threaded_subscription import ThreadedSubscription

PIXELS = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
DEADLINE_S = 20.0

#: Ends as a thread of it waits for images.
PROCESS = """
import sys
import rclpy
from sensor_msgs.msg import Image
from jetson_perception.ros.image_taker import image_taker
from jetson_perception.ros.outside_executor import OutsideExecutor
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.threaded_subscription import ThreadedSubscription
rclpy.init()
node = rclpy.create_node('node', namespace=sys.argv[1])
images = []
inner = node.create_subscription(Image, 'images', id, 1, callback_group=OutsideExecutor())
subscription = ThreadedSubscription(
    node, inner, image_taker(), images.append, lambda: True, print, print
)
subscription.start()
while len(images) < 10:
    rclpy.spin_once(node, timeout_sec=0.1)
"""


class Heard:
    """What a subscription has given, awaited without any executor."""

    def __init__(self):
        self.images, self.threads = [], []
        self._changed = threading.Condition()

    def __call__(self, image):
        with self._changed:
            self.images.append(image)
            self.threads.append(threading.current_thread())
            self._changed.notify_all()

    def wait(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.images) >= count, DEADLINE_S)
            return self.images


@pytest.fixture
def publisher(peer):
    return peer.node.create_publisher(Image, 'images', QoSProfile(depth=10))


@pytest.fixture
def subscribe(peer, publisher):
    """Makes a ThreadedSubscription that is matched, and not started."""
    made = []

    def make(on_image, callback=print, is_free=lambda: True, prepare=lambda: None):
        inner = peer.node.create_subscription(
            Image,
            'images',
            callback,
            QoSProfile(depth=10),
            callback_group=OutsideExecutor(),
            # Of two handlers of one event, one may take it before the other sees it.
            event_callbacks=NO_WARNINGS,
        )
        destroy = partial(peer.node.destroy_subscription, inner)
        made.append(
            ThreadedSubscription(
                peer.node, inner, image_taker(), on_image, is_free, prepare, destroy
            )
        )
        peer.wait_for_subscriber(publisher)
        return made[-1]

    yield make
    for each in made:
        each.destroy()


def send(publisher):
    message = ImageMessage().fill(PIXELS, 'bgr8', unique_header())
    publisher.publish(message)
    return message.header


def test_one_that_never_started_ends(subscribe):
    subscribe(Heard()).destroy()


def test_images_come_while_the_executor_stands_still(publisher, subscribe):
    heard = Heard()
    subscribe(heard).start()
    headers = [send(publisher) for _ in range(3)]
    images = heard.wait(3)
    assert [image.header for image in images] == headers
    assert np.array_equal(images[0].data.reshape(PIXELS.shape), PIXELS)
    assert threading.current_thread() not in heard.threads


def test_the_executor_hears_later_of_each_without_pixels(peer, publisher, subscribe):
    heard, told, arrivals = Heard(), [], []
    subscription = subscribe(heard, told.append)
    Arrivals(subscription).hear(arrivals.append)
    subscription.start()
    headers = [send(publisher) for _ in range(3)]
    heard.wait(3)
    assert told == []
    peer.wait_for(lambda: len(told) == 3, 'what was taken')
    assert [each.header for each in told] == headers
    assert {each.data.size for each in told} == {0}
    assert [each.number for each in arrivals] == [1, 2, 3]
    assert {each.size_bytes for each in arrivals} == {PIXELS.nbytes}
    assert all(isinstance(each, TakenImage) for each in told)


def test_an_error_costs_one_image(publisher, subscribe):
    heard = Heard()

    def fail_once(image):
        heard(image)
        if len(heard.images) == 1:
            raise ValueError('odd')

    subscribe(fail_once).start()
    send(publisher)
    heard.wait(1)
    header = send(publisher)
    assert heard.wait(2)[1].header == header


def test_an_image_waits_for_what_the_executor_prepares(peer, publisher, subscribe):
    heard, prepared = Heard(), []
    subscription = subscribe(
        heard, is_free=lambda: bool(prepared), prepare=lambda: prepared.append(heard.images[:])
    )
    subscription.start()
    send(publisher)
    peer.wait_for(lambda: prepared, 'the preparation')
    heard.wait(1)
    assert prepared == [[]]


def test_an_image_is_not_taken_if_what_is_prepared_destroys_the_subscription(
    peer, publisher, subscribe
):
    heard, prepared = Heard(), []

    def prepare():
        prepared.append(True)
        subscription.destroy()

    subscription = subscribe(heard, is_free=lambda: False, prepare=prepare)
    subscription.start()
    send(publisher)
    peer.wait_for(lambda: prepared, 'the preparation')
    peer.wait_for(lambda: publisher.get_subscription_count() == 0, 'the end of the subscription')
    assert heard.images == []


def test_images_are_taken_after_a_preparation_that_failed(peer, publisher, subscribe):
    heard, prepared = Heard(), []

    def prepare():
        prepared.append(True)
        if len(prepared) == 1:
            raise ValueError('odd')

    subscription = subscribe(heard, is_free=lambda: len(prepared) > 1, prepare=prepare)
    subscription.start()
    send(publisher)
    with pytest.raises(ValueError, match='odd'):
        peer.wait_for(lambda: heard.images, 'the preparation')
    heard.wait(1)
    headers = send(publisher)
    peer.wait_for(lambda: len(prepared) > 1, 'the next preparation')
    assert heard.wait(2)[1].header == headers


def test_a_process_ends_in_order_that_has_not_destroyed_its_node(peer, publisher):
    process = subprocess.Popen(
        [sys.executable, '-c', PROCESS, peer.namespace], stderr=subprocess.PIPE, text=True
    )
    message = ImageMessage().fill(PIXELS, 'bgr8', unique_header())
    while process.poll() is None:
        publisher.publish(message)
        time.sleep(0.0002)  # so that the thread is woken as the interpreter shuts down
    assert (process.returncode, process.communicate()[1]) == (0, '')


def test_events_of_the_subscription_are_told_by_the_executor(peer, subscribe):
    subscription, heard = subscribe(Heard()), []
    handler = EventHandler(
        callback_group=peer.node.default_callback_group,
        callback=lambda event: heard.append((event.total_count, threading.current_thread())),
        event_type=QoSSubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS,
        parent_impl=subscription.handle,
    )
    subscription.start()
    subscription.add_waitable(handler)
    profile = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    peer.node.create_publisher(Image, 'images', profile)  # it asks for reliable ones
    peer.wait_for(lambda: heard, 'the event')
    assert heard == [(1, threading.current_thread())]
    subscription.remove_waitable(handler)
    handler.destroy()
    assert handler not in peer.node.waitables


def test_the_executor_does_not_wake_up_for_images_of_which_lost_ones_are_counted(
    peer, publisher, subscribe
):
    subscription = subscribe(Heard())  # not started: the image stays where it is
    lost = LostMessages(peer.node, subscription, print)
    assert lost.told
    wait_set = rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, peer.node.context.handle)
    wait_set.add_subscription(subscription.handle)
    send(publisher)
    wait_set.wait(int(DEADLINE_S * 1e9))
    begun_s, ended = time.thread_time(), []
    end = peer.node.create_guard_condition(lambda: ended.append(True))
    threading.Timer(0.5, end.trigger).start()
    peer.wait_for(lambda: ended, 'the end')
    assert time.thread_time() - begun_s < 0.25
    lost.close()


def test_it_ends_while_it_waits_and_with_what_was_not_told(peer, publisher, subscribe):
    heard, told = Heard(), []
    subscription = subscribe(heard, told.append)
    subscription.start()
    send(publisher)
    heard.wait(1)
    subscription.destroy()
    peer.wait_for(lambda: publisher.get_subscription_count() == 0, 'the end of the subscription')
    assert told == []
    assert not [each for each in threading.enumerate() if each.name.startswith('images ')]
