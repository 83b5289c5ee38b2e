"""Subscriptions to those of some topics that there are, as their publishers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rclpy.node import Node


class FollowedTopics:
    """Used in the node's thread.

    Parameters
    ----------
    node : Node
        Which subscribes.
    subscribe : callable
        Makes a subscription to a topic, of its name and type.
    offer : callable
        What of a topic's publishers a subscription depends on: it is made anew with that.
    """

    def __init__(
        self,
        node: Node,
        subscribe: Callable[[str, str], Any],
        offer: Callable[[str], Any] = lambda name: None,
    ) -> None:
        self._node = node
        self._subscribe = subscribe
        self._offer = offer
        #: Subscription by topic, with its type and what is offered.
        self._followed: dict[str, tuple[Any, tuple[str, Any]]] = {}

    def update(self, topics: Mapping[str, str]) -> None:
        """Follow new topics, given as types by names, and leave those that are gone."""
        # A topic is in the graph as long as this node subscribes to it: publishers count.
        there = {
            name: (kind, self._offer(name))
            for name, kind in topics.items()
            if self._node.count_publishers(name)
        }
        for name, (_, followed) in list(self._followed.items()):
            if there.get(name) != followed:
                self._end(name)
        for name in set(there) - set(self._followed):
            self._followed[name] = self._subscribe(name, there[name][0]), there[name]

    def kind_of(self, name: str) -> str | None:
        """The type of a topic; None if it is not followed any more."""
        followed = self._followed.get(name)
        return None if followed is None else followed[1][0]

    def close(self) -> None:
        """Unsubscribe from everything."""
        for name in list(self._followed):
            self._end(name)

    def _end(self, name: str) -> None:
        subscription, _ = self._followed.pop(name)
        self._node.destroy_subscription(subscription)
