"""Hears the messages of a topic: when each came, and how many are missing between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from jetson_perception.dds.frame_counts import FrameCounts
from jetson_perception.printable import printable
from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.image_subscription import ImageSubscription
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.lost_messages import LostMessages
from jetson_perception.ros.measuring.graph_topics import listening_profile
from jetson_perception.ros.measuring.message_types import message_class, stamp_reader
from jetson_perception.ros.measuring.raw_messages import subscribe_raw
from jetson_perception.ros.udp_participant import UdpParticipant

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.ros.arrivals import Arrival

RAW_TYPE = 'sensor_msgs/msg/Image'
IMAGE_TYPES = (RAW_TYPE, 'sensor_msgs/msg/CompressedImage')
"""Types of images: raw, and compressed."""

#: The newest messages are looked at: an hour of a camera's.
_MOST = 200_000
_LOOK_EVERY_S = 0.05


class Heard(NamedTuple):
    """A message that came.

    Attributes
    ----------
    stamp_ns, heard_ns, sent_ns : int
        Its stamp, when it was heard, and when it was sent, 0 where the middleware does not tell.
    nbytes : int
        Its size, serialized.
    """

    stamp_ns: int
    heard_ns: int
    sent_ns: int
    nbytes: int


class Ear:
    """A subscription that hears what comes.

    Images come by the same transport as for the nodes of this package. Whatever else comes is
    taken as bytes, so that hearing it costs little.

    Parameters
    ----------
    node : Node
        Which subscribes, and is spun by another thread.
    name, type_name : str
        Of the topic, and of its messages.
    publishers : list of TopicEndpointInfo
        Who publishes it: the subscription is reliable if all of them are.

    Attributes
    ----------
    profile : QoSProfile
        What the subscription asks for.
    image : str
        Size and encoding of the first image; '' where none came.
    counts : FrameCounts
        What came, and what is missing.
    by_numbers : bool
        Whether the middleware numbers messages, so that all that are missing are known.
    """

    def __init__(
        self, node: Node, name: str, type_name: str, publishers: list[TopicEndpointInfo]
    ) -> None:
        self.name, self.type_name = name, type_name
        self.profile = listening_profile(publishers)
        self.image = ''
        self.counts = FrameCounts()
        self.by_numbers = False
        self._node = node
        self._heard: deque[Heard] = deque(maxlen=_MOST)
        self._listening = True
        self._arrived = threading.Event()
        self._lost: LostMessages | None = None
        #: What the middleware has lost of the subscription, and of that what does not count.
        self._lost_so_far = self._lost_before = 0
        self._counting = threading.Lock()
        self._udp = UdpParticipant(node)
        self._images: ImageSubscription | None = None
        if type_name in IMAGE_TYPES:
            topic = ImageTopic(name, 'raw' if type_name == RAW_TYPE else 'compressed')
            self._images = ImageSubscription(
                node,
                self._udp,
                topic,
                self._on_image,
                self._on_new_subscription,
                self._forget_lost,
            )
        else:
            self._hear_bytes(message_class(type_name))

    def await_first(self, timeout_s: float) -> bool:
        """Wait until something comes; whether it did."""
        return self._arrived.wait(timeout_s)

    def await_settled(self, timeout_s: float) -> None:
        """Wait until the transport of images is decided on, and count from then on."""
        deadline_s = time.monotonic() + timeout_s
        images = self._images
        while images is not None and not images.is_settled and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S)
        with self._counting:
            self._heard.clear()
            self._lost_before = self._lost_so_far
            self.counts = FrameCounts()
            if self._lost is not None and self._lost.told:
                self.counts.lost_on_the_way(0)

    def heard(self) -> list[Heard]:
        """What came so far; nothing that comes later counts any more."""
        self._listening = False
        return list(self._heard)

    def close(self) -> None:
        """Unsubscribe, before the node is destroyed."""
        self._forget_lost()
        if self._images is not None:
            self._images.close()
        self._udp.close()

    def _on_new_subscription(self, subscription: Any) -> None:
        """Look over a subscription that has just been made, for whichever transport."""
        self._forget_lost()
        with self._counting:
            self.counts.begin_anew()
            self._lost_so_far = self._lost_before = 0
        self.profile = subscription.qos_profile
        Arrivals(subscription).hear(self._on_arrival)
        self._lost = LostMessages(self._node, subscription, self._on_lost)
        if self._lost.told:
            self.counts.lost_on_the_way(0)

    def _on_lost(self, total: int) -> None:
        with self._counting:
            self._lost_so_far = total
            self.counts.lost_on_the_way(max(total - self._lost_before, 0))

    def _forget_lost(self) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost.close()

    def _on_image(self, message: Any) -> None:
        if self._images is not None:
            self._images.accepts(len(message.data))
        if not self.image:
            self.image = (
                f'{message.width}×{message.height} {printable(message.encoding, 40)}'
                if self.type_name == RAW_TYPE
                else printable(message.format, 80)
            )

    def _on_arrival(self, arrival: Arrival) -> None:
        message = arrival.message
        nbytes = len(message.data)
        self._take(stamp_ns(message.header), nbytes, arrival.number, arrival.sent_ns)

    def _hear_bytes(self, message_type: Any) -> None:
        find_stamp = stamp_reader(message_type)

        def hear(arrival: Arrival) -> None:
            data = arrival.message
            self._take(find_stamp(data), len(data), arrival.number, arrival.sent_ns)

        subscribe_raw(self._node, message_type, self.name, self.profile, hear)

    def _take(self, stamp: int, nbytes: int, number: int | None, sent_ns: int) -> None:
        if self._listening:
            self.by_numbers = number is not None
            with self._counting:
                self._heard.append(Heard(stamp, time.time_ns(), sent_ns, nbytes))
                self.counts.take(number, sent_ns, stamp)
            self._arrived.set()
