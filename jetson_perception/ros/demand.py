"""Whether anybody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.publisher import Publisher


def is_wanted(*publishers: Publisher) -> bool:
    """Whether anybody subscribes to one of the topics; may be asked in any thread.

    False once the node is being shut down: Ctrl-C takes the context away while threads are still
    at work, and rclpy refuses to count then.
    """
    try:
        return any(publisher.get_subscription_count() for publisher in publishers)
    except RuntimeError:  # RCLError, which rclpy exports nowhere
        return False
