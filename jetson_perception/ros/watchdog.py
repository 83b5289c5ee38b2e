"""Says why no image comes, once, with the fix: the question that users of such nodes ask most."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSCompatibility, QoSReliabilityPolicy, qos_check_compatible

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.subscription import Subscription
    from rclpy.topic_endpoint_info import TopicEndpointInfo

#: Part of the name that rmw gives a node while it has not heard the real one.
_UNKNOWN = 'NODE_NAME_UNKNOWN'
_MOST_FIXES = 3


class ImageWatchdog:
    """Warns once when a subscription got nothing for a while; again only after images came.

    Parameters
    ----------
    node : rclpy Node
        Which logs the warning.
    subscription : rclpy Subscription
        That is watched.
    type_name : str
        Its message type, as 'sensor_msgs/msg/Image'.
    patience_s : float
        Seconds without an image before the warning; three times as long for the first image of
        somebody who publishes what is subscribed to, as cameras take seconds to start.
    """

    def __init__(
        self, node: Node, subscription: Subscription, type_name: str, patience_s: float = 3.0
    ) -> None:
        self._node = node
        self._subscription = subscription
        self._type_name = type_name
        self._patience_s = patience_s
        self._last_s = time.monotonic()
        self._ever = False
        self.warned = False
        # Steady: with use_sim_time and nobody publishing /clock a ROS timer would never fire.
        self._timer = node.create_timer(
            0.5, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def image_arrived(self) -> None:
        """Start the patience anew."""
        self._last_s = time.monotonic()
        self._ever = True
        self.warned = False

    def close(self) -> None:
        """Stop watching."""
        self._node.destroy_timer(self._timer)

    def _check(self) -> None:
        silence_s = time.monotonic() - self._last_s
        if self.warned or silence_s < self._patience_s:
            return
        if silence_s < 3 * self._patience_s:
            if not self._names_known():
                return  # discovery tells of topics first, and of the names of their nodes later
            if not self._ever and self._is_offered():
                return  # cameras and rendered scenes take seconds to their first image
        self.warned = True
        self._node.get_logger().warning(self.explanation())

    def _names_known(self) -> bool:
        publishers = self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        return all(_UNKNOWN not in info.node_name for info in publishers)

    def _is_offered(self) -> bool:
        """Whether somebody publishes what is subscribed to."""
        return any(
            info.topic_type == self._type_name
            and qos_check_compatible(info.qos_profile, self._subscription.qos_profile)[0]
            != QoSCompatibility.ERROR
            for info in self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        )

    def explanation(self) -> str:
        """One line: the topic, who publishes it and how, and what to do."""
        topic = self._subscription.topic_name
        since = 'no image any more' if self._ever else 'no image yet'
        waited_s = time.monotonic() - self._last_s
        silence_s = 3 * self._patience_s if waited_s >= 3 * self._patience_s else self._patience_s
        start = f'{since} on {topic} ({self._type_name}) for {silence_s:.0f} s: '
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return start + 'nobody publishes it; ' + self._elsewhere(topic)
        lines = []
        fixes = []
        for info in publishers:
            profile = info.qos_profile
            who = _name(info)
            reliability = QoSReliabilityPolicy(profile.reliability).name.lower()
            durability = profile.durability.name.lower()
            lines.append(f'{who} as {printable(info.topic_type)}, {reliability}, {durability}')
            if info.topic_type != self._type_name:
                compressed = 'Compressed' in info.topic_type
                transport, name = (
                    ('compressed', 'image/compressed') if compressed else ('raw', 'image')
                )
                fixes.append(
                    f'{who} sends another type: set image_transport to {transport} and remap '
                    f'{name} to {topic}, or remap image to another topic'
                )
                continue
            compatible, reason = qos_check_compatible(profile, self._subscription.qos_profile)
            if compatible == QoSCompatibility.ERROR:
                fixes.append(
                    f'QoS does not match ({reason.strip().rstrip(";")}): start this node without '
                    f'qos_overrides.{topic}.subscription.reliability, or change the publisher'
                )
        if not fixes:
            fixes.append(
                'QoS matches, so nothing is sent or all is lost on the way: check the camera with '
                f'`ros2 topic hz {topic}`, and give both processes the shared-memory profile '
                'config/fastdds.xml (see "Transport" in the README)'
            )
        count = f'{len(publishers)} publisher{"s" if len(publishers) > 1 else ""}'
        who_and_how = printable(
            '; '.join(lines), 1000
        )  # many publishers are as good as long names
        return f'{start}{count} ({who_and_how}); {"; ".join(fixes[:_MOST_FIXES])}'

    def _elsewhere(self, topic: str) -> str:
        others = [
            name
            for name, types in self._node.get_topic_names_and_types()
            if self._type_name in types and name != topic and self._others_publish(name)
        ]
        if others:
            listed = printable(', '.join(others), 1000)
            return f'such images are on {listed}: remap image to one of them'
        return 'start the camera driver, or remap image to the topic that it publishes'

    def _others_publish(self, topic: str) -> bool:
        own = self._node.get_namespace(), self._node.get_name()
        return any(
            (info.node_namespace, info.node_name) != own
            for info in self._node.get_publishers_info_by_topic(topic)
        )


def _name(publisher: TopicEndpointInfo) -> str:
    if _UNKNOWN in publisher.node_name:
        return 'a node that is not known by name'
    return printable(f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}')
