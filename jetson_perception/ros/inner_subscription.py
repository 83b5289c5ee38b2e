"""What stands for a subscription of rclpy that something else than its node's executor runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.qos import QoSProfile
    from rclpy.subscription import Subscription


class InnerSubscription:
    """Has what users of a Subscription of rclpy need, from the one inside, `_inner`."""

    _inner: Subscription[Any]

    @property
    def handle(self) -> Any:
        """That of rclpy, for what else waits for its events."""
        return self._inner.handle

    @property
    def topic_name(self) -> str:
        """Full name of its topic."""
        return str(self._inner.topic_name)

    @property
    def qos_profile(self) -> QoSProfile:
        """What it asked for."""
        return self._inner.qos_profile

    @property
    def callback(self) -> Callable[..., None]:
        """Called for each message; with what rclpy tells of it too, if it takes two arguments."""
        return self._inner.callback

    @callback.setter
    def callback(self, callback: Callable[..., None]) -> None:
        self._inner.callback = callback
