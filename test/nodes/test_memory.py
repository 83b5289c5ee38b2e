"""What a node handled, and what it was before a transition, leaves nothing behind."""

import collections
import gc
import itertools
import sys
import threading
import tracemalloc

import numpy as np
import pytest
import rclpy
from nodes.support import BEST_EFFORT, EVERY_RESULT, image_message
from onnx_models import color_segmentation
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.ros.spinning import Spinner

pytestmark = pytest.mark.alone

#: More than the latest times that a lane keeps for its statistics.
WARM_UP = 400
FRAMES = 600
ROUNDS = 20
REPEATS = 3
HANG_S = 60.0


class Feeder:
    """Sends a node of this process an image whenever it has published a mask."""

    def __init__(self, node):
        self._node = node
        self._image = image_message(np.zeros((48, 64, 3), np.uint8))
        self._spinner = Spinner()
        self._masks = self._masks_then = self._wanted = 0
        self._images = node.create_publisher(Image, 'image', EVERY_RESULT)
        node.create_subscription(Image, 'mask', self._on_mask, BEST_EFFORT)
        # The first image, and the next one where one was lost.
        node.create_timer(0.1, self._send_again)

    def feed(self, frames):
        """Spin the node until it has published so many masks."""
        self._masks, self._wanted = 0, frames
        self._spinner = Spinner()
        limit = threading.Timer(HANG_S, self._spinner.stop)
        limit.start()
        self._spinner.spin(self._node)
        limit.cancel()
        assert self._masks == frames

    def _send_again(self):
        if self._masks == self._masks_then:
            self._images.publish(self._image)
        self._masks_then = self._masks

    def _on_mask(self, _):
        if self._masks == self._wanted:
            return
        self._masks += 1
        if self._masks == self._wanted:
            self._spinner.stop()
        self._images.publish(self._image)


@pytest.fixture
def node(tmp_path):
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    model = color_segmentation(tmp_path / 'colors.onnx')
    parameters = [Parameter('model', value=str(model)), Parameter('threads', value=1)]
    made = SegNode(context=context, parameter_overrides=parameters)
    made.bring_up()
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def bytes_in_use():
    gc.collect()
    # They hold the last few thousand attributes looked up; Python 3.13 has the first name.
    getattr(sys, '_clear_internal_caches', sys._clear_type_cache)()
    return tracemalloc.get_traced_memory()[0]


def objects_in_use():
    return collections.Counter(type(each).__qualname__ for each in gc.get_objects())


def growths(in_use):
    """How much each step added: a leak adds in all, a cache that fills only once."""
    return [after - before for before, after in itertools.pairwise(in_use)]


def test_no_byte_stays_of_an_event(node, traced):
    feeder = Feeder(node)
    feeder.feed(WARM_UP)
    in_use = [bytes_in_use()]
    for _ in range(REPEATS):
        feeder.feed(FRAMES)
        in_use.append(bytes_in_use())
    # An image and a mask are two events. The times of the last two seconds are kept, however many.
    assert min(growths(in_use)) < 40 * FRAMES


@pytest.mark.slow
def test_nothing_stays_of_states_that_were_left(node, traced):
    feeder = Feeder(node)
    bytes_then, objects_then = [], []
    for _ in range(1 + REPEATS):
        for _ in range(ROUNDS):
            feeder.feed(1)
            node.trigger_deactivate()
            node.trigger_cleanup()
            in_use = bytes_in_use(), objects_in_use()
            node.trigger_configure()
            node.trigger_activate()
        bytes_then.append(in_use[0])
        objects_then.append(in_use[1])
    more = objects_then[-1] - objects_then[0]
    assert {kind: n for kind, n in more.items() if n >= REPEATS * ROUNDS} == {}
    assert min(growths(bytes_then)) < 1000 * ROUNDS
