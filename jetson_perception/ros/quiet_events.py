"""Subscriptions of which rclpy does not say by itself that a publisher does not match."""

from __future__ import annotations

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # as Humble has it
    from rclpy.qos_event import SubscriptionEventCallbacks

NO_WARNINGS = SubscriptionEventCallbacks(use_default_callbacks=False)
"""For subscriptions that are made anew as publishers come and go, and whose silence is explained:
rclpy would warn of each driver that is started again with another reliability."""
