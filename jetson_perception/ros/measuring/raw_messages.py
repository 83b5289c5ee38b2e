"""Messages of a topic as bytes, so that hearing them costs little, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros.arrivals import TELLS_NUMBERS, Arrival

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile


def subscribe_raw(
    node: Node,
    message_type: Any,
    topic: str,
    profile: QoSProfile,
    hear: Callable[[Arrival], None],
) -> None:
    """Subscribe until the node is destroyed.

    Parameters
    ----------
    node : Node
        Which subscribes.
    message_type : class
        Of the topic's messages.
    topic : str
        Its full name.
    profile : QoSProfile
        What the subscription asks for.
    hear : callable
        Called with each Arrival, whose message is the serialized message.
    """

    def on_numbered(data: bytes, info: Any) -> None:
        sent_ns = info['source_timestamp'] or 0
        hear(Arrival(data, info['publication_sequence_number'], sent_ns))

    def on_message(data: bytes) -> None:
        hear(Arrival(data))

    callback = on_numbered if TELLS_NUMBERS else on_message
    node.create_subscription(message_type, topic, callback, profile, raw=True)
