"""What is known of a topic that a node subscribes to: who sends it, and what lies on the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.qos import QoSCompatibility, QoSReliabilityPolicy, qos_check_compatible

from jetson_perception.dds import sockets
from jetson_perception.dds.frame_counts import Counted
from jetson_perception.dds.guids import PID_MODULUS, Guid
from jetson_perception.dds.input_facts import InputFacts, Publisher
from jetson_perception.dds.middleware import is_dds
from jetson_perception.dds.other_domains import undiscovered
from jetson_perception.dds.own_sockets import own_sockets
from jetson_perception.dds.publisher_memory import (
    PublisherMemory,
    memory_of,
    shared_memory_size,
    stale,
)
from jetson_perception.dds.segments import free_bytes, segments, segments_of_process
from jetson_perception.printable import printable
from jetson_perception.ros.endpoint_names import guid_of, own_subscription, shown_name

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.dds.kernel_counters import KernelCounters
    from jetson_perception.dds.segments import Segment

_NONE = Counted()


class TopicFacts:
    """Collects what is known of a topic.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    topic : str
        Full name of the topic.
    type_name : str
        What is subscribed to, such as sensor_msgs/msg/Image.
    profile : QoSProfile
        What the subscription asks for.
    """

    def __init__(self, node: Node, topic: str, type_name: str, profile: QoSProfile) -> None:
        self._node = node
        self._topic = topic
        self._type_name = type_name
        self._profile = profile

    def publishers(self) -> list[TopicEndpointInfo]:
        """Who publishes it, whatever they send."""
        found: list[TopicEndpointInfo] = self._node.get_publishers_info_by_topic(self._topic)
        return found

    def collect(
        self, recent: Counted = _NONE, kernel: KernelCounters | None = None, **known: Any
    ) -> InputFacts:
        """All that is known now; it takes some milliseconds.

        Parameters
        ----------
        recent : Counted
            Frames of the last seconds.
        kernel : KernelCounters, optional
            What the kernel threw away in these seconds.
        known
            Further attributes of InputFacts that only the caller can know.
        """
        publishers = self.publishers()
        in_memory = segments()
        own, hidden = self._own()
        left = stale(self._node.context.get_domain_id())
        return InputFacts(
            topic=self._topic,
            publishers=tuple(self._publisher(each, own, in_memory) for each in publishers),
            received=recent.received,
            lost=recent.lost,
            lost_here=recent.lost_here,
            reliable=self._profile.reliability == QoSReliabilityPolicy.RELIABLE,
            by_shared_memory=not hidden
            and bool(segments_of_process(os.getpid() % PID_MODULUS, in_memory)),
            receive_limit=sockets.receive_limit(),
            socket_bytes=own_sockets().nbytes,
            socket_drops=kernel.drops if kernel is not None else None,
            torn=kernel.torn if kernel is not None else 0,
            shared_memory_bytes=shared_memory_size(),
            shared_memory_free_bytes=free_bytes(),
            stale_bytes=left.nbytes,
            stale_refused=left.refused,
            elsewhere=() if publishers else self.elsewhere(),
            middleware=rclpy.get_rmw_implementation_identifier(),
            **known,
        )

    def elsewhere(self) -> tuple[str, ...]:
        """What of this host's participants cannot be discovered, for people; only DDS has any."""
        if not is_dds(rclpy.get_rmw_implementation_identifier()):
            return ()
        return undiscovered(self._node.context.get_domain_id())

    def _own(self) -> tuple[Guid, bool]:
        """Id of the subscription, and whether it is of a participant that offers UDP alone."""
        info = own_subscription(self._node, self._topic)
        if info is None:
            return Guid(b''), False
        return guid_of(info), info.node_name != self._node.get_name()

    def _publisher(
        self, info: TopicEndpointInfo, own: Guid, in_memory: list[Segment]
    ) -> Publisher:
        guid = guid_of(info)
        known = guid.of_fast_dds and own.of_fast_dds
        seen: PublisherMemory = memory_of(guid, own, in_memory)
        mismatch, cure = mismatch_of(self._node, info, self._topic, self._type_name, self._profile)
        return Publisher(
            name=shown_name(info),
            mismatch=mismatch,
            mismatch_cure=cure,
            same_host=guid.on_host_of(own) if known else None,
            memory=seen.memory,
            segment_bytes=seen.nbytes,
        )


def overridden_reliability(node: Node, topic: str) -> str:
    """The reliability that the user has set by a parameter of rclpy; '' if none."""
    # rclpy has no public way to look.
    given = node._parameter_overrides.get(reliability_override(topic))
    return '' if given is None else str(given.value)


def reliability_override(topic: str) -> str:
    """Name of the parameter of rclpy that overrides the reliability of a subscription."""
    return f'qos_overrides.{topic}.subscription.reliability'


def mismatch_of(
    node: Node, info: TopicEndpointInfo, topic: str, type_name: str, profile: QoSProfile
) -> tuple[str, str]:
    """Why nothing that a publisher sends can be taken, and what to do; '' where all can be."""
    if info.topic_type != type_name:
        return (
            f'{shown_name(info)} sends another type, {printable(info.topic_type)}',
            f'have it send {type_name}, or remap image to another topic',
        )
    compatible, reason = qos_check_compatible(info.qos_profile, profile)
    if compatible != QoSCompatibility.ERROR:
        return '', ''
    cure = (
        f'start this node without {reliability_override(topic)}'
        if overridden_reliability(node, topic)
        else "set this node's parameter reliability to auto"
    )
    return (
        f'QoS does not match ({reason.strip().rstrip(";")})',
        f'{cure}, or change the publisher',
    )
