"""Follows the results of all engines, each message of them, for a recording."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.viewing.followed_topics import FollowedTopics
from jetson_perception.ros.viewing.result_records import RECORDED, record_of
from jetson_perception.ros.viewing.topics import recorded_topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.view.robot import MakeRecord

log = logging.getLogger(__name__)

#: How often it is seen which topics there are.
_LOOK_S = 0.5


class ResultFollower:
    """Subscribes to what is recorded; made and closed in the node's thread.

    Parameters
    ----------
    node : Node
        Which subscribes.
    give : callable
        Gets what makes a record of each message: reading it may take longer than its thread has.
    """

    def __init__(self, node: Node, give: Callable[[MakeRecord], None]) -> None:
        self._node = node
        self._give = give
        self._followed = FollowedTopics(node, self._subscribe, self._is_reliable)
        self._timer: Any = node.create_timer(_LOOK_S, self._look)
        self._look()

    def close(self) -> None:
        """Unsubscribe from everything."""
        self._node.destroy_timer(self._timer)
        self._followed.close()

    def _look(self) -> None:
        self._followed.update(recorded_topics(self._node.get_topic_names_and_types()))

    def _is_reliable(self, name: str) -> bool:
        return qos.all_reliable(self._node.get_publishers_info_by_topic(name))

    def _subscribe(self, name: str, kind: str) -> Any:
        reliable = self._is_reliable(name)
        return self._node.create_subscription(
            RECORDED[kind].message_type,
            name,
            partial(self._take, name, kind),
            qos.with_reliability(qos.RECORDED, reliable=reliable),
            event_callbacks=NO_WARNINGS,
            raw=True,
        )

    def _take(self, name: str, kind: str, message: bytes) -> None:
        self._give(partial(readable_record, name, kind, message))


def readable_record(name: str, kind: str, message: bytes) -> dict[str, Any] | None:
    """A message of a topic and type as a record; None if it is damaged."""
    try:
        return record_of(name, kind, message)
    except Exception as error:  # noqa: BLE001 - whatever the sender made of it
        log.debug('a message on %s is not recorded: %s', printable(name), printable(error))
        return None
