"""Hears from the middleware how many messages of a subscription it has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from rclpy.event_handler import (
        EventHandler,
        QoSSubscriptionEventType,
        UnsupportedEventTypeError,
    )
except ImportError:  # as Humble has it
    from rclpy.qos_event import QoSEventHandler as EventHandler
    from rclpy.qos_event import QoSSubscriptionEventType, UnsupportedEventTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node


class LostMessages:
    """Tells the number of lost messages whenever it grows; nothing where nobody counts them.

    Parameters
    ----------
    node : rclpy Node
        In whose executor it is told, and waited for, unless the subscription waits by itself.
    subscription : rclpy Subscription
        Or what stands for one; without a `handle` nothing is told.
    on_lost : callable
        Called as on_lost(total).
    """

    def __init__(self, node: Node, subscription: Any, on_lost: Callable[[int], None]) -> None:
        #: Who waits: a ThreadedSubscription has its own thread for that.
        self._waiting = subscription if hasattr(subscription, 'add_waitable') else node
        self._on_lost = on_lost
        self._handler: Any = None
        handle = getattr(subscription, 'handle', None)
        if handle is None:
            return
        try:
            self._handler = EventHandler(
                callback_group=node.default_callback_group,
                callback=self._on_event,
                event_type=QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST,
                parent_impl=handle,
            )
        except UnsupportedEventTypeError:
            return
        self._waiting.add_waitable(self._handler)

    @property
    def told(self) -> bool:
        """Whether the middleware tells of them."""
        return self._handler is not None

    def close(self) -> None:
        """Listen no longer; before the subscription is destroyed."""
        handler, self._handler = self._handler, None
        if handler is not None:
            self._waiting.remove_waitable(handler)
            handler.destroy()

    def _on_event(self, event: Any) -> None:
        if self._handler is not None:
            self._on_lost(event.total_count)
