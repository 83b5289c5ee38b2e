"""Finds the topics of a recording as they appear, and writes what comes of them into a bag."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from jetson_perception.errors import PerceptionError
from jetson_perception.printable import printable, printable_line
from jetson_perception.ros.qos import all_reliable, shown_qos
from jetson_perception.ros.recording.bag import Bag, BagFullError
from jetson_perception.ros.recording.message_types import message_class
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

_log = logging.getLogger(__name__)

_LOOK_S = 0.25
#: Three seconds of images at 30 Hz: so long a disk may be busy.
_DEPTH = 100


class Recorder:
    """Subscribes to each topic of an expression once somebody publishes it.

    All is done in the executor's thread, and so is the writing.

    Parameters
    ----------
    node : rclpy Node
        Subscribes.
    topics : str
        Regular expression that is looked for in full names of topics.
    bag : Bag
        Gets the messages.
    on_full : callable
        Called once, when no more can be written; nothing is recorded any more.
    """

    def __init__(self, node: Node, topics: str, bag: Bag, on_full: Callable[[], None]) -> None:
        self._node = node
        self._wanted = re.compile(topics)
        self._bag = bag
        self._on_full = on_full
        #: Whether a topic's subscription is reliable, and latched.
        self._asked: dict[str, tuple[bool, bool]] = {}
        self._subscriptions: dict[str, Any] = {}
        self._refused: set[str] = set()
        self._is_full = False
        steady_timer(node, _LOOK_S, self._look)
        self._look()

    def _look(self) -> None:
        """Subscribe to what has appeared; anew where a publisher came that is not heard."""
        if self._is_full:
            return
        try:
            self._bag.check_room()
        except BagFullError as error:
            self._end(error)
            return
        for topic, types in self._node.get_topic_names_and_types():
            if topic in self._refused or not self._wanted.search(topic):
                continue
            publishers = self._node.get_publishers_info_by_topic(topic)
            offered = all_reliable(publishers), _all_latched(publishers)
            # What one publisher does not offer is asked for no more, whoever comes next.
            asked = self._asked.get(topic, (True, True))
            kept = asked[0] and offered[0], asked[1] and offered[1]
            if publishers and self._asked.get(topic) != kept:
                self._record(topic, types, *kept)

    def _record(self, topic: str, types: list[str], reliable: bool, latched: bool) -> None:
        if len(types) != 1:
            self._refuse(topic, f'its messages are of several types: {", ".join(types)}')
            return
        profile = QoSProfile(
            history=QoSHistoryPolicy.KEEP_LAST,
            depth=_DEPTH,
            reliability=QoSReliabilityPolicy.RELIABLE
            if reliable
            else QoSReliabilityPolicy.BEST_EFFORT,
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
            if latched
            else QoSDurabilityPolicy.VOLATILE,
        )
        try:
            kind = message_class(types[0])
            subscription = self._node.create_subscription(
                kind, topic, partial(self._write, topic), profile, raw=True
            )
        except PerceptionError as error:
            self._refuse(topic, str(error))
            return
        except Exception as error:  # noqa: BLE001 - of rclpy, and of a package that is half built
            self._refuse(
                topic,
                f'rclpy cannot subscribe to {printable(types[0])}: '
                f'{printable_line(str(error))}; is the package of its messages built whole, and '
                'sourced?',
            )
            return
        try:
            if topic not in self._asked:
                self._bag.add_topic(topic, types[0], [_offered(profile)])
        except PerceptionError as error:
            self._node.destroy_subscription(subscription)
            self._refuse(topic, str(error))
            return
        if topic in self._subscriptions:
            self._node.destroy_subscription(self._subscriptions[topic])
        self._subscriptions[topic] = subscription
        self._asked[topic] = reliable, latched
        _log.info('recording %s, %s', printable(topic), ', '.join(shown_qos(profile)))

    def _write(self, topic: str, data: bytes) -> None:
        if self._is_full:
            return
        try:
            self._bag.write(topic, time.time_ns(), data)
        except BagFullError as error:
            self._end(error)

    def _refuse(self, topic: str, why: str) -> None:
        self._refused.add(topic)
        _log.warning('%s is not recorded: %s', printable(topic), why)

    def _end(self, error: BagFullError) -> None:
        self._is_full = True
        _log.error('the recording ends here: %s; the nodes go on', error)
        self._on_full()


def _all_latched(publishers: Iterable[TopicEndpointInfo]) -> bool:
    """Whether a latched subscription hears all of them."""
    return all(
        info.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for info in publishers
    )


def _offered(profile: QoSProfile) -> Qos:
    """A subscription's profile as that of who publishes, for playing back."""
    reliable = profile.reliability == QoSReliabilityPolicy.RELIABLE
    latched = profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    endless = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST,
        profile.depth,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        endless,
        endless,
        QosLiveliness.AUTOMATIC,
        endless,
        False,
    )
