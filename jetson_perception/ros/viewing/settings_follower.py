"""Sees when parameters that the page shows may have changed, by whomever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ParameterEvent
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message

from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.viewing.node_parameters import is_for_the_page
from jetson_perception.ros.viewing.publishers import publishers
from jetson_perception.ros.viewing.topics import STATS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rclpy.node import Node

    from jetson_perception.ros.viewing.live_state import LiveState

_TOPIC = '/parameter_events'
#: A node that starts tells of each of its parameters.
_EVENTS = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=200, reliability=QoSReliabilityPolicy.RELIABLE
)
_MOST_BYTES = 1024 * 1024


class SettingsFollower:
    """Follows the events of nodes that publish stats; used in the node's thread.

    What a node told before it was discovered is seen by that it came: so is one that restarted.

    Parameters
    ----------
    node : Node
        Which subscribes.
    state : LiveState
        Is told of changes.
    """

    def __init__(self, node: Node, state: LiveState) -> None:
        self._node = node
        self._state = state
        self._nodes: set[tuple[str, tuple[int, ...]]] = set()
        self._subscription: Any = None

    def update(self, types: Mapping[str, str]) -> None:
        """See which nodes there are, of the types of topics by name; begin to follow them."""
        if self._subscription is None:
            self._subscription = self._node.create_subscription(
                ParameterEvent,
                _TOPIC,
                self._take,
                _EVENTS,
                event_callbacks=NO_WARNINGS,
                raw=True,
            )
        nodes = {(name, gid) for _, name, gid in publishers(self._node, types, STATS)}
        if nodes != self._nodes:
            self._nodes = nodes
            self._state.note_settings()

    def close(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self._nodes = set()

    def _take(self, message: bytes) -> None:
        if len(message) > _MOST_BYTES:
            self._state.note_settings()  # of whom is not worth the time to read it
            return
        try:
            event = deserialize_message(message, ParameterEvent)
        except Exception:  # noqa: BLE001 - whatever the sender made of it
            return
        told = (*event.new_parameters, *event.changed_parameters, *event.deleted_parameters)
        if any(name == event.node for name, _ in self._nodes) and any(
            is_for_the_page(each.name) for each in told
        ):
            self._state.note_settings()
