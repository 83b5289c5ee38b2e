"""A subscription to raw images whose images are taken in a thread of its own.

rclpy's executor builds what it waits for anew for each event, and holds the interpreter's lock
meanwhile: an image waits half of a millisecond until its callback is called, and as long again
until the lane's thread gets on. A thread that waits for nothing else hands an image over at once.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import deque
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation

from jetson_perception.pipeline.activity import Activity, WatchedThread, join_until
from jetson_perception.printable import printable
from jetson_perception.ros.arrivals import call_back
from jetson_perception.ros.inner_subscription import InnerSubscription
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.subscription import Subscription

    from jetson_perception.ros.image_taker import ImageTaker, TakenImage

log = logging.getLogger(__name__)

#: How often the executor hears what was taken.
_TELL_S = 0.1
#: More is not kept for an executor that does not run, and then counts as lost.
_MOST_UNTOLD = 10_000
#: How long the end of the thread is waited for, and how often it looks whether ROS has ended.
_END_S = 1.0
_LOOK_NS = 1_000_000_000
#: Between two words about images that cannot be taken.
_LOG_EVERY_S = 10.0


class ThreadedSubscription(InnerSubscription):
    """Takes the images of a subscription, from `start` to `destroy`.

    The executor calls `callback` later for each image that was taken, without its pixels.

    Parameters
    ----------
    node : rclpy Node
        Whose executor calls back.
    subscription : rclpy Subscription
        Which no executor waits for; of any participant.
    taker : ImageTaker
        What takes its images.
    on_image : callable
        Called in the thread as on_image(image) with each TakenImage.
    is_free : callable
        Asked in the thread before an image is taken, whether it may be without `prepare`.
    prepare : callable
        Called by the executor otherwise; it may destroy this subscription, and then the image is
        not taken.
    destroy : callable
        Destroys the subscription.
    """

    def __init__(
        self,
        node: Node,
        subscription: Subscription[Any],
        taker: ImageTaker,
        on_image: Callable[[TakenImage], None],
        is_free: Callable[[], bool],
        prepare: Callable[[], object],
        destroy: Callable[[], object],
    ) -> None:
        self._node = node
        self._inner = subscription
        self._taker = taker
        self._on_image = on_image
        self._is_free = is_free
        self._prepare = prepare
        self._destroy = destroy
        #: What the executor has to call.
        self._untold: deque[Callable[[], object]] = deque(maxlen=_MOST_UNTOLD)
        #: Events of the subscription. Whoever waits for one of them wakes up for each image too,
        #: again and again until it is taken; so the executor must not.
        self._waitables: tuple[Any, ...] = tuple(subscription.event_handlers)
        self._ended = threading.Event()
        self._asks = False
        self._prepared = threading.Event()
        self._logged_s = -_LOG_EVERY_S
        self._context = node.context
        #: Ends a wait of the thread; and has the executor prepare.
        self._wake = GuardCondition(None, None, context=self._context)
        self._ask = node.create_guard_condition(self._prepare_if_asked)
        self._timer = steady_timer(node, _TELL_S, self._tell)
        self._thread = WatchedThread(
            self._run, f'images {self.topic_name}', Activity(f'the subscription {self.topic_name}')
        )

    def add_waitable(self, handler: Any) -> None:
        """Wait for an event of the subscription too; the executor calls its callback later."""
        self._waitables = (*self._waitables, handler)
        self._wake.trigger()

    def remove_waitable(self, handler: Any) -> None:
        """Wait for it no longer."""
        self._waitables = tuple(each for each in self._waitables if each is not handler)
        self._wake.trigger()

    def start(self) -> None:
        """Begin to take images; harmless where it has begun."""
        if self in _started:
            return
        _started.add(self)
        self._thread.start()

    def destroy(self) -> None:
        """End the thread and unsubscribe; from the executor's thread. Harmless if it has ended."""
        if self._ended.is_set():
            return
        self.end_thread()
        self._untold.clear()
        self._node.destroy_timer(self._timer)
        self._node.destroy_guard_condition(self._ask)
        self._wake.destroy()
        self._destroy()

    def end_thread(self) -> None:
        """Take no more images; waits a moment for the thread."""
        self._ended.set()
        self._prepared.set()
        with suppress(InvalidHandle):
            self._wake.trigger()
        join_until([self._thread], time.monotonic() + _END_S)

    def _run(self) -> None:
        try:
            with self._inner.handle, self._wake.handle, self._context.handle:
                self._take_images()
        except InvalidHandle:  # destroyed with the node or the context
            pass

    def _take_images(self) -> None:
        while not self._ended.is_set() and self._context.ok():
            waitables = self._waitables
            try:
                with ExitStack() as in_use:  # none is destroyed meanwhile
                    for each in waitables:
                        in_use.enter_context(each)
                    self._take_images_with(waitables)
            except InvalidHandle:
                if self._waitables is waitables:  # more than one of them that was removed
                    raise

    def _take_images_with(self, waitables: tuple[Any, ...]) -> None:
        """Take images until it is over, or there are other events to wait for."""
        wait_set = rclpy_implementation.WaitSet(
            1, 1, 0, 0, 0, len(waitables), self._context.handle
        )
        while self._waitables is waitables and not self._ended.is_set() and self._context.ok():
            if self._wait(wait_set, waitables) and (self._is_free() or self._have_it_prepared()):
                self._take()

    def _wait(self, wait_set: Any, waitables: tuple[Any, ...]) -> bool:
        """Wait for a while; whether there is an image."""
        wait_set.clear_entities()
        index = wait_set.add_subscription(self._inner.handle)
        wait_set.add_guard_condition(self._wake.handle)
        for each in waitables:
            each.add_to_wait_set(wait_set)
        wait_set.wait(_LOOK_NS)
        for each in waitables:
            if each.is_ready(wait_set) and (event := each.take_data()):
                self._untold.append(partial(each.callback, event))
        return bool(wait_set.is_ready('subscription', index)) and not self._ended.is_set()

    def _have_it_prepared(self) -> bool:
        """Have the executor prepare; whether an image may be taken then."""
        self._prepared.clear()
        if self._ended.is_set():  # else `destroy` sets what was just cleared
            return False
        self._asks = True
        self._ask.trigger()
        while not self._prepared.wait(_LOOK_NS / 1e9) and self._context.ok():
            pass
        return not self._ended.is_set()

    def _prepare_if_asked(self) -> None:
        if self._asks and not self._ended.is_set():
            self._asks = False
            try:
                self._prepare()
            finally:  # else no image would be taken any more
                self._prepared.set()

    def _take(self) -> None:
        if not RECORDER.on:
            self._take_one()
            return
        with RECORDER.sampled(f'callback {self.topic_name}'):
            self._take_one()

    def _take_one(self) -> None:
        try:
            image = self._taker.take(self._inner.handle)
            if image is None:
                return
            self._on_image(image)
        except Exception as error:
            if time.monotonic() - self._logged_s >= _LOG_EVERY_S and not self._ended.is_set():
                self._logged_s = time.monotonic()
                log.exception('an image on %s is lost: %s', self.topic_name, printable(error))
            return
        info = {
            'publication_sequence_number': image.number,
            'source_timestamp': image.sent_ns,
            'publisher_gid': image.gid,
        }
        self._untold.append(partial(call_back, self._inner, image.without_pixels(), info))

    def _tell(self) -> None:
        """Call back for what was taken; in the executor's thread."""
        while self._untold:
            self._untold.popleft()()


_started: weakref.WeakSet[ThreadedSubscription] = weakref.WeakSet()


@atexit.register
def _end_threads() -> None:
    """End threads whose node nobody has destroyed, before the interpreter shuts down.

    One that came back from rclpy meanwhile would abort the process.
    """
    for each in list(_started):
        each.end_thread()
