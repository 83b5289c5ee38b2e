"""Hears the messages of a topic: when each came, and how many are missing between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.subscription import Subscription

from jetson_perception.dds.frame_counts import FrameCounts
from jetson_perception.ros.measuring.graph_topics import listening_profile
from jetson_perception.ros.measuring.message_types import message_class, stamp_reader

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

#: The newest messages are looked at: an hour of a camera's.
_MOST = 200_000


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
    """A subscription that hears what comes; it lasts as long as the node.

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
    first : bytes
        The first message, serialized; empty while none came.
    counts : FrameCounts
        What came, and what is missing.
    by_numbers : bool
        Whether the middleware numbers messages, so that all that are missing are known.
    """

    def __init__(
        self, node: Node, name: str, type_name: str, publishers: list[TopicEndpointInfo]
    ) -> None:
        message_type = message_class(type_name)
        self.name, self.type_name = name, type_name
        self.profile = listening_profile(publishers)
        self.first: bytes = b''
        self.counts = FrameCounts()
        self.by_numbers = False
        self._stamp_ns = stamp_reader(message_type)
        self._heard: deque[Heard] = deque(maxlen=_MOST)
        self._listening = True
        self._arrived = threading.Event()
        numbered = hasattr(Subscription, 'CallbackType')  # from Iron on
        self._subscription: Any = node.create_subscription(
            message_type,
            name,
            self._on_numbered if numbered else self._on_message,
            self.profile,
            raw=True,
        )

    def await_first(self, timeout_s: float) -> bool:
        """Wait until something comes; whether it did."""
        return self._arrived.wait(timeout_s)

    def heard(self) -> list[Heard]:
        """What came so far; nothing that comes later counts any more."""
        self._listening = False
        return list(self._heard)

    def _on_numbered(self, data: bytes, info: Any) -> None:
        self._take(data, info['publication_sequence_number'], info['source_timestamp'] or 0)

    def _on_message(self, data: bytes) -> None:
        self._take(data, None, 0)

    def _take(self, data: bytes, number: int | None, sent_ns: int) -> None:
        if not self._listening:
            return
        stamp_ns, heard_ns = self._stamp_ns(data), time.time_ns()
        self.first = self.first or data
        self.by_numbers = number is not None
        self._heard.append(Heard(stamp_ns, heard_ns, sent_ns, len(data)))
        self.counts.take(number, sent_ns, stamp_ns)
        self._arrived.set()
