"""Entities of a node that its executor leaves alone, as a thread of their own waits for them."""

from __future__ import annotations

from rclpy.callback_groups import CallbackGroup


class OutsideExecutor(CallbackGroup):
    """For subscriptions that no executor waits for."""

    def can_execute(self, entity: object) -> bool:
        """Whether an executor may wait for an entity of this group: never."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Whether an executor may begin: never."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing ends that never begins."""
