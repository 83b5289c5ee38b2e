"""Follows topics of results, figures and diagnostics, while somebody looks."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message

from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.callback_errors import LOG_EVERY_S
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.viewing.facts import CONVERSIONS
from jetson_perception.ros.viewing.followed_topics import FollowedTopics
from jetson_perception.ros.viewing.settings_follower import SettingsFollower
from jetson_perception.ros.viewing.topics import DIAGNOSTICS, LABELS, topics_of

if TYPE_CHECKING:
    from rclpy.node import Node

    from jetson_perception.ros.viewing.live_state import LiveState

log = logging.getLogger(__name__)

#: Results of a thousand objects take some hundred kilobytes.
_MOST_BYTES = 4 * 1024 * 1024
#: How often it is seen which topics there are.
_LOOK_S = 1.0
#: How often what came is read: results come far more often than anybody can look at them.
_READ_S = 0.2


class StateFollower:
    """Subscribes to what the state is made of; used in the node's thread.

    Messages are kept as they came, and only the newest of each topic is read.

    Parameters
    ----------
    node : Node
        Which subscribes.
    state : LiveState
        Gets what the messages say.
    wanted : frozenset of str
        Image topics to show beside those that our nodes draw.
    """

    def __init__(self, node: Node, state: LiveState, wanted: frozenset[str]) -> None:
        self._node = node
        self._state = state
        self._wanted = wanted
        self._followed = FollowedTopics(node, self._subscribe)
        self._settings = SettingsFollower(node, state)
        self._unread: dict[str, bytes] = {}
        self._timers: list[Any] = []
        self._said_s = -LOG_EVERY_S

    def open(self) -> None:
        """Begin to follow."""
        if not self._timers:
            self._look()
            self._timers = [
                self._node.create_timer(_LOOK_S, self._look),
                self._node.create_timer(_READ_S, self._read),
            ]

    def close(self) -> None:
        """Unsubscribe from everything."""
        for timer in self._timers:
            self._node.destroy_timer(timer)
        self._timers = []
        self._followed.close()
        self._settings.close()
        self._state.clear()

    def _look(self) -> None:
        """Follow new topics, and leave those that are gone."""
        topics = topics_of(self._node, self._wanted)
        self._state.set_streams(list(topics.pictures))
        self._followed.update(topics.facts)
        self._settings.update(topics.facts)
        self._state.forget_quiet()

    def _subscribe(self, name: str, kind: str) -> Any:
        profiles = {DIAGNOSTICS: qos.DIAGNOSTICS_INPUT, LABELS: qos.LATCHED}
        # Diagnostics of several nodes come on one topic, each of which counts.
        take = self._read_one if kind == DIAGNOSTICS else self._unread.__setitem__
        return self._node.create_subscription(
            CONVERSIONS[kind].message_type,
            name,
            partial(take, name),
            profiles.get(kind, qos.IMAGE_INPUT),
            event_callbacks=NO_WARNINGS,
            raw=True,
        )

    def _read(self) -> None:
        while self._unread:
            self._read_one(*self._unread.popitem())

    def _read_one(self, name: str, message: bytes) -> None:
        kind = self._followed.kind_of(name)
        if kind is None or len(message) > _MOST_BYTES:
            return
        conversion = CONVERSIONS[kind]
        try:
            value = conversion.convert(name, deserialize_message(message, conversion.message_type))
        except Exception as error:  # noqa: BLE001 - whatever the sender made of it
            self._say(f'a message on {printable(name)} cannot be read: {printable(error)}')
            return
        if conversion.key == 'diagnostics':
            for each in value:
                self._state.put(conversion.key, each['name'], each)
        else:
            self._state.put(conversion.key, name, value)

    def _say(self, problem: str) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= LOG_EVERY_S:
            self._said_s = now_s
            log.warning('%s', problem)
