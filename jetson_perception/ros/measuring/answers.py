"""Hears what a measured graph publishes for the images that it was sent."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from jetson_perception.ros.arrivals import TELLS_NUMBERS
from jetson_perception.ros.measuring.graph_topics import listening_profile
from jetson_perception.ros.measuring.message_types import message_class, stamp_reader
from jetson_perception.ros.spinning import Spinner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo
    from typing_extensions import Self

_POLL_S = 0.05


class GraphListener:
    """A node of its own in a context of its own, spun by a thread; a context manager.

    Ctrl-C stays with the main thread, which waits for senders meanwhile.

    Parameters
    ----------
    name : str
        Of the node.
    """

    def __init__(self, name: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node: Node = rclpy.create_node(
            name, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._spinner = Spinner()
        self._thread = threading.Thread(target=self._spin, name='listener', daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph."""
        self._spinner.stop()
        self._thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        self._spinner.spin(self.node)


class Answers:
    """Answers as they come: the stamp of each, and when it was heard.

    Messages are taken as bytes, so that hearing them costs little, whatever is in them.

    Parameters
    ----------
    node : Node
        Which subscribes, and is spun by another thread.
    topic, type_name : str
        Where they come, and of what type.
    publishers : iterable of TopicEndpointInfo
        Who publishes them.
    """

    def __init__(
        self, node: Node, topic: str, type_name: str, publishers: Iterable[TopicEndpointInfo]
    ) -> None:
        message_type = message_class(type_name)
        self._stamp_ns = stamp_reader(message_type)
        self._heard: list[tuple[int, int]] = []
        self._last_number = 0
        self.missed = 0
        self._node = node
        self._subscription: Any = node.create_subscription(
            message_type,
            topic,
            self._on_numbered if TELLS_NUMBERS else self._on_answer,
            listening_profile(publishers),
            raw=True,
        )

    def clear(self) -> None:
        """Forget what was heard."""
        self._heard = []
        self.missed = 0

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

    def _on_numbered(self, data: bytes, info: Any) -> None:
        number = info['publication_sequence_number']
        if number is not None:
            if self._last_number and number > self._last_number + 1:
                self.missed += number - self._last_number - 1
            self._last_number = number
        self._on_answer(data)

    def _on_answer(self, data: bytes) -> None:
        self._heard.append((self._stamp_ns(data), time.time_ns()))
