"""Quality of service, one constant for each kind of topic.

Images are taken as they are sent (`ros.subscription_fit`); images and results go out reliable, so
that any subscriber matches (REP-2003). Users override both from YAML, as
`qos_overrides./image.subscription.reliability`.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.topic_endpoint_info import TopicEndpointInfo

#: For images that a node subscribes to: the newest or none. Reliable if they are sent so.
IMAGE_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For compressed images: those behind one of which a part is sent again must not replace it.
COMPRESSED_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For packets of video, each of which is needed to understand the next: two seconds of them.
VIDEO_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=60, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For whole images that leave a node, as those of camera_node: reliable, as rviz2 and others ask
#: for. Two are kept: to send more of them again to who cannot take them costs those who can.
IMAGES = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=2, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For images none of which may be lost, and for their answers; see `ros.lockstep`.
#: One is under way at a time; the rest is for senders that do not wait.
EVERY_IMAGE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=100, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For compressed images. Three are kept: at 30 Hz that is time enough to hear what was lost from a
#: subscriber 20 ms away, and what is sent again leaves a network room for the next ones.
COMPRESSED_IMAGES = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=3, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For results.
RESULTS = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=5, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For /diagnostics of others: matches every publisher; what is lost is said again a second later.
DIAGNOSTICS_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=50, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For results that are recorded, each of which counts: two seconds of them.
RECORDED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=60, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For what is published once and must reach late subscribers too.
LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


def overridable(profile: QoSProfile, *, reliability: bool = True) -> dict[str, Any]:
    """Arguments for a topic whose QoS users may set by parameters.

    rclpy writes what they set into the profile that it is given: so that the other topics of a
    kind keep theirs, each topic gets a copy.

    Parameters
    ----------
    profile : QoSProfile
        What the topic has where they set nothing.
    reliability : bool
        Whether reliability has such a parameter too.
    """
    kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY]
    if reliability:
        kinds.append(QoSPolicyKind.RELIABILITY)
    return {'qos_profile': copy(profile), 'qos_overriding_options': QoSOverridingOptions(kinds)}


def with_reliability(profile: QoSProfile, *, reliable: bool) -> QoSProfile:
    """A copy of a profile, reliable or best effort."""
    made = copy(profile)
    made.reliability = (
        QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
    )
    return made


def all_reliable(publishers: Iterable[TopicEndpointInfo]) -> bool:
    """Whether a reliable subscription hears all of them; also where there are none."""
    reliable = QoSReliabilityPolicy.RELIABLE
    return all(info.qos_profile.reliability == reliable for info in publishers)


def shown_qos(profile: QoSProfile) -> tuple[str, str]:
    """Reliability and durability as words: 'best_effort', 'volatile'."""
    # As rclpy has it of others, the reliability may be a plain number.
    reliability = QoSReliabilityPolicy(profile.reliability)
    return reliability.name.lower(), profile.durability.name.lower()
