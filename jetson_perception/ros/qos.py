"""Quality of service, one constant for each kind of topic.

Images come best effort, so that a lost one is not sent again when a newer one is due; results go
reliable, so that any subscriber matches (REP-2003's advice: publish reliable, subscribe best
effort). Users override both from YAML, as `qos_overrides./image.subscription.reliability`.
"""

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

#: For images that a node subscribes to: the newest or none.
IMAGE_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For packets of video, each of which is needed to understand the next: two seconds of them.
VIDEO_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=60, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For the images of camera_node: as camera drivers publish.
SENSOR_DATA = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For images none of which may be lost, and for their answers; see `ros.lockstep`.
#: One is under way at a time; the rest is for senders that do not wait.
EVERY_IMAGE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=100, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For results.
RESULTS = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=5, reliability=QoSReliabilityPolicy.RELIABLE
)
#: For /diagnostics of others: matches every publisher; what is lost is said again a second later.
DIAGNOSTICS_INPUT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=50, reliability=QoSReliabilityPolicy.BEST_EFFORT
)
#: For what is published once and must reach late subscribers too.
LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


def overridable() -> QoSOverridingOptions:
    """Let users set a topic's QoS by parameters; fresh for each topic, as rclpy keeps it."""
    return QoSOverridingOptions(
        [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY]
    )
