"""A topic of compressed images, which go to other hosts in datagrams that fit into packets.

A packet that a network loses costs no more than itself then, and is soon sent again to who asks
for that. On one host images go through shared memory, where fewer and larger pieces cost less. So
a topic begins that way, and moves to another publisher once somebody on another host subscribes.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CompressedImage

from jetson_perception.dds import small_datagrams
from jetson_perception.dds.guids import Guid
from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.endpoint_names import own_endpoint

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.publisher import Publisher
    from rclpy.qos import QoSProfile

#: How long nobody looks who subscribes, while their number stays.
_LOOK_S = 1.0
#: Until all subscribers know the other publisher: discovery takes a fraction of it.
_MOST_MOVING_S = 2.0


class JpegTopic:
    """Publishes compressed images; any thread may call `publish`.

    Parameters
    ----------
    node : rclpy Node
        Which publishes, and whose parameters override the QoS.
    topic : str
        Its name.
    profile : QoSProfile
        Its quality of service.
    may_move : bool
        Whether an image may be left out while the topic moves to another publisher.
    """

    def __init__(
        self, node: Node, topic: str, profile: QoSProfile, *, may_move: bool = True
    ) -> None:
        self._node = node
        #: Before remapping, which rclpy does with each name that it is given.
        self._topic = topic
        #: Held while the publisher is used or replaced.
        self._lock = Lock()
        self._publisher: Publisher[CompressedImage] = node.create_publisher(
            CompressedImage, topic, **qos.overridable(profile)
        )
        self.topic_name = str(self._publisher.topic_name)
        self._next: Publisher[CompressedImage] | None = None
        self._next_since_s = 0.0
        self._host: Guid | None = None
        #: Of the subscribers: how many there were when they were looked at, and when that was; how
        #: many were on this host, and whether others were not.
        self._seen, self._seen_s = 0, 0.0
        self._near, self._has_far = 0, False
        #: Has the executor move the topic; None when there is nothing to move any more.
        self._mover: Any = None
        is_settled = small_datagrams.are_used_for(self.topic_name)
        if may_move and not is_settled and small_datagrams.can_be_used():
            self._mover = node.create_guard_condition(self._move)

    def get_subscription_count(self) -> int:
        """How many subscribe; the name is that of rclpy's publishers."""
        with self._lock:
            return int(self._publisher.get_subscription_count())

    def publish(self, message: CompressedImage) -> None:
        """Send an image; it is left out if all who subscribe wait for the other publisher."""
        with self._lock:
            if self._mover is not None:
                self._look()
                if self._has_far:
                    self._mover.trigger()
                    if not self._near:
                        return
            self._publisher.publish(message)

    def destroy(self) -> None:
        """Take the topic down."""
        with self._lock:
            self._settle()
            self._node.destroy_publisher(self._publisher)
            if self._next is not None:
                self._node.destroy_publisher(self._next)

    def _look(self) -> None:
        """See who subscribes, if that may have changed."""
        count = self._publisher.get_subscription_count()
        now_s = time.monotonic()
        if count == self._seen and now_s - self._seen_s < _LOOK_S:
            return
        if self._host is None:
            own = own_endpoint(self._node)
            if own is None:
                return  # discovery has yet to show the node itself
            self._host = Guid(bytes(own.endpoint_gid))
        found = self._node.get_subscriptions_info_by_topic(self._topic)
        self._near = sum(Guid(bytes(each.endpoint_gid)).on_host_of(self._host) for each in found)
        self._has_far = len(found) > self._near
        self._seen, self._seen_s = count, now_s

    def _move(self) -> None:
        """Begin to move, or end it once the subscribers know the other publisher."""
        with self._lock:
            if self._mover is None or not (self._has_far or self._next):
                return
            if self._next is None and not self._make_next():
                return
            old, new = self._publisher, self._next
            if self._near and not self._has_come(old, new):
                return  # called again with the next image
            self._publisher, self._next = new, None
            self._settle()
            self._node.destroy_publisher(old)

    def _make_next(self) -> bool:
        """Make the other publisher; without it, the topic stays as it is."""
        if not small_datagrams.use_for(self.topic_name):
            self._settle()
            return False
        made = self._node.create_publisher(
            CompressedImage,
            self._topic,
            self._publisher.qos_profile,  # with what the user has set of it
        )
        self._next = made
        self._next_since_s = time.monotonic()
        self._node.get_logger().info(
            f'{printable(self.topic_name)} has a subscriber on another host: images go out in '
            'datagrams that fit into a packet'
        )
        return True

    def _has_come(self, old: Any, new: Any) -> bool:
        """Whether all who hear the one publisher know the other, or the rest may be dead."""
        waited_s = time.monotonic() - self._next_since_s
        if waited_s > _MOST_MOVING_S:
            return True
        return bool(new.get_subscription_count() >= old.get_subscription_count())

    def _settle(self) -> None:
        mover, self._mover = self._mover, None
        if mover is not None:
            self._node.destroy_guard_condition(mover)
