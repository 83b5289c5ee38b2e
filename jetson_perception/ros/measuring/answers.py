"""Hears what a measured graph publishes for the images that it was sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jetson_perception.dds.frame_counts import NumberedFrames
from jetson_perception.ros.measuring.graph_topics import listening_profile
from jetson_perception.ros.measuring.message_types import message_class, stamp_reader
from jetson_perception.ros.measuring.raw_messages import subscribe_raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.ros.arrivals import Arrival

_POLL_S = 0.05


class Answers:
    """Answers as they come: the stamp of each, and when it was heard.

    Parameters
    ----------
    node : Node
        Which subscribes, and is spun by another thread.
    topic, type_name : str
        Where they come, and of what type.
    publishers : iterable of TopicEndpointInfo
        Who publishes them.

    Attributes
    ----------
    lost : int
        Answers since `clear` that were sent and did not come, where the middleware numbers them.
    """

    def __init__(
        self, node: Node, topic: str, type_name: str, publishers: Iterable[TopicEndpointInfo]
    ) -> None:
        message_type = message_class(type_name)
        self._stamp_ns = stamp_reader(message_type)
        self.clear()
        profile = listening_profile(publishers)
        subscribe_raw(node, message_type, topic, profile, self._on_answer)

    def clear(self) -> None:
        """Forget what was heard."""
        self._heard: list[tuple[int, int]] = []
        self._numbers = NumberedFrames()
        self.lost = 0

    def heard(self) -> list[tuple[int, int]]:
        """Stamp and time of each answer since `clear`, nanoseconds."""
        return list(self._heard)

    def await_all(self, stamps_ns: Iterable[int], timeout_s: float) -> None:
        """Wait until every one of these images has its answer, or that long."""
        left = set(stamps_ns)
        seen = 0
        deadline_s = time.monotonic() + timeout_s
        while left and time.monotonic() < deadline_s:
            heard = self._heard
            left.difference_update(stamp for stamp, _ in heard[seen:])
            seen = len(heard)
            if left:
                time.sleep(_POLL_S)

    def _on_answer(self, arrival: Arrival) -> None:
        if arrival.number is not None:
            self.lost += self._numbers.take(arrival.number, arrival.sent_ns)
        self._heard.append((self._stamp_ns(arrival.message), time.time_ns()))
