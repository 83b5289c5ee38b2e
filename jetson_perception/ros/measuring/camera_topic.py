"""Hears a topic for some seconds: its rate, what is lost of it, how old it is, and whose it is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.logging import LoggingSeverity
from std_msgs.msg import Header

from jetson_perception.dds.kernel_counters import KernelCounters
from jetson_perception.dds.losses import judge
from jetson_perception.errors import PerceptionError
from jetson_perception.printable import listed, printable
from jetson_perception.ros.measuring.ear import IMAGE_TYPES, RAW_TYPE, Ear
from jetson_perception.ros.measuring.graph_listener import GraphListener
from jetson_perception.ros.measuring.graph_topics import full_topic_name
from jetson_perception.ros.measuring.publishers import Reader, described_publisher, transport_of
from jetson_perception.ros.measuring.subscribers import subscribers_without
from jetson_perception.ros.stamps import StampCheck
from jetson_perception.ros.topic_facts import TopicFacts

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.dds.findings import Finding
    from jetson_perception.dds.input_facts import InputFacts
    from jetson_perception.ros.measuring.ear import Heard

_LOOK_EVERY_S = 0.1
_DISCOVERY_S = 5.0
#: Publishers that are discovered later than the first one are waited for so long.
_OTHERS_S = 0.5
#: The least that a first message is waited for: several transports may have to be tried.
_FIRST_S = 5.0
#: How long, after that, images may move to the transport that they come by for good.
_SETTLE_S = 5.0
_MOST_LISTED = 8
_LAST_STAMP_NS = (1 << 31) * 1_000_000_000 - 1


@dataclass
class TopicMeasurement:
    """What was found of a topic; ready for JSON by `asdict`.

    Attributes
    ----------
    topic, type_name : str
        Its full name, and what was subscribed to.
    seconds : float
        How long it was heard.
    received, lost : int
        Messages that came, and messages that were sent and never came.
    counted_by : str
        How lost ones were counted: by 'numbers' of the publisher, or by gaps between 'stamps'.
    rate_hz, sent_hz : float
        How many came in a second, and how many are sent; 0 where that is not known.
    silent_s : float
        How long none had come at the end.
    jitter_ms, stamp_jitter_ms : float or None
        Standard deviation of the intervals between arrivals, and between stamps.
    age_ms : dict or None
        `median`, `p99`, `max`, from the stamp until it was heard; `before_sending`, the median of
        what passed before the message was sent, where that is known. None where the clocks do not
        agree.
    clock_problem : str
        Why ages are not known.
    nbytes : int
        Median size of a message.
    image : str
        Size and encoding of the first image; '' where it is none.
    publishers : list of dict
        As `described_publisher` tells them.
    subscribers_without : list of str
        Nodes that subscribe and get nothing, and why.
    transport : str
        'shared memory' or 'UDP'; '' where it is not known.
    findings : list of dict
        Why something is lost or nothing comes: `cause`, `found`, `cure`.
    """

    topic: str
    type_name: str
    seconds: float
    received: int = 0
    lost: int = 0
    counted_by: str = ''
    rate_hz: float = 0.0
    sent_hz: float = 0.0
    silent_s: float = 0.0
    jitter_ms: float | None = None
    stamp_jitter_ms: float | None = None
    age_ms: dict[str, float] | None = None
    clock_problem: str = ''
    nbytes: int = 0
    image: str = ''
    publishers: list[dict[str, Any]] = field(default_factory=list)
    subscribers_without: list[str] = field(default_factory=list)
    transport: str = ''
    findings: list[dict[str, str]] = field(default_factory=list)


def measure_topic(topic: str, seconds: float) -> TopicMeasurement:
    """Subscribe to a topic, and tell what comes in some seconds.

    Parameters
    ----------
    topic : str
        Its name; of images or any other message with a header.
    seconds : float
        How long it is heard, from when the transport of messages is decided on.

    Raises
    ------
    PerceptionError
        When no topic has the name, its messages have no header, or cannot be read here.
    """
    name = full_topic_name(topic)
    with GraphListener('doctor') as listener:
        node = listener.node
        # What is logged elsewhere is told here in its own lines.
        node.get_logger().set_level(LoggingSeverity.FATAL)
        publishers = _publishers(node, name)
        type_name = _type_of(node, name, publishers)
        ear = Ear(node, name, type_name, publishers)
        kernel = KernelCounters(seconds=1)  # of two samples, before and after
        if ear.await_first(max(seconds, _FIRST_S)):
            ear.await_settled(_SETTLE_S)
            kernel.second_passed()
            time.sleep(seconds)
        else:
            kernel.second_passed()
        heard, ended_ns = ear.heard(), time.time_ns()
        kernel.second_passed()
        facts = _facts(node, ear, heard, kernel)
        publishers = node.get_publishers_info_by_topic(name)
        measured = TopicMeasurement(name, type_name, seconds)
        _fill_in_figures(measured, heard, ear, ended_ns)
        _fill_in_ages(measured, heard, node)
        reader = Reader(node, name)
        measured.publishers = [described_publisher(info, reader) for info in publishers]
        measured.subscribers_without = subscribers_without(node, name, publishers)
        measured.transport = transport_of(publishers, reader)
        measured.findings = [_as_dict(each) for each in judge(facts)]
        ear.close()
        return measured


def _publishers(node: Node, name: str) -> list[TopicEndpointInfo]:
    """Who publishes, once they were discovered; [] when there is nobody."""
    deadline_s = time.monotonic() + _DISCOVERY_S
    found: list[TopicEndpointInfo] = []
    while not found and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
        found = node.get_publishers_info_by_topic(name)
    time.sleep(_OTHERS_S)
    return list(node.get_publishers_info_by_topic(name))


def _type_of(node: Node, name: str, publishers: list[TopicEndpointInfo]) -> str:
    """What to subscribe to: images first, of several types; what is asked for, of none."""
    types = [info.topic_type for info in publishers]
    types += [info.topic_type for info in node.get_subscriptions_info_by_topic(name)]
    for wanted in IMAGE_TYPES:
        if wanted in types:
            return wanted
    if types:
        return str(types[0])
    others = [
        printable(each)
        for each, found in node.get_topic_names_and_types()
        if set(found) & set(IMAGE_TYPES) and node.count_publishers(each)
    ]
    there = (
        f'; images are published on {listed(sorted(others), _MOST_LISTED)}'
        if others
        else ', nor images on any other topic: start the camera driver; where it runs, both need '
        'the same ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE'
    )
    raise PerceptionError(f'nobody publishes {printable(name)}{there}')


def _facts(node: Node, ear: Ear, heard: list[Heard], kernel: KernelCounters) -> InputFacts:
    return TopicFacts(node, ear.name, ear.type_name, ear.profile).collect(
        ear.counts.total,
        kernel,
        silent=not heard,
        ever=bool(heard),
        rate_hz=ear.counts.rate_hz,
        image_bytes=heard[-1].nbytes if heard else 0,
        compressed=ear.type_name != RAW_TYPE,
    )


def _fill_in_figures(
    measured: TopicMeasurement, heard: list[Heard], ear: Ear, ended_ns: int
) -> None:
    total = ear.counts.total
    measured.received, measured.lost = total.received, total.lost
    if not heard:
        measured.silent_s = measured.seconds
        return
    measured.counted_by = 'numbers' if ear.by_numbers else 'stamps'
    measured.silent_s = round((ended_ns - heard[-1].heard_ns) / 1e9, 2)
    arrivals = np.array([each.heard_ns for each in heard])
    stamps = np.array([each.stamp_ns for each in heard])
    span_s = float(arrivals[-1] - arrivals[0]) / 1e9
    measured.rate_hz = round((len(heard) - 1) / span_s, 3) if span_s else 0.0
    if len(heard) > 2:
        measured.jitter_ms = round(float(np.std(np.diff(arrivals))) / 1e6, 3)
        if not measured.lost:
            measured.stamp_jitter_ms = round(float(np.std(np.diff(stamps))) / 1e6, 3)
    measured.sent_hz = round(ear.counts.rate_hz, 3)
    measured.nbytes = int(statistics.median(each.nbytes for each in heard))
    measured.image = ear.image


def _fill_in_ages(measured: TopicMeasurement, heard: list[Heard], node: Node) -> None:
    if not heard:
        return
    ages_ms = [(each.heard_ns - each.stamp_ns) / 1e6 for each in heard]
    typical = heard[int(np.argsort(ages_ms)[len(ages_ms) // 2])]
    check = StampCheck(node, measured.topic)
    header = Header()
    # A foreign stamp may have more nanoseconds than a second has, even behind the last second.
    stamp_ns = min(typical.stamp_ns, _LAST_STAMP_NS)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    age_ms = (typical.heard_ns - typical.stamp_ns) / 1e6 if typical.stamp_ns else None
    if check.age_ms(header, age_ms) is None:
        measured.clock_problem = check.problem()
        return
    median, p99, most = np.percentile(ages_ms, (50, 99, 100))
    measured.age_ms = {'median': median, 'p99': p99, 'max': most}
    sent = [each for each in heard if each.sent_ns]
    if sent:
        before = statistics.median((each.sent_ns - each.stamp_ns) / 1e6 for each in sent)
        measured.age_ms['before_sending'] = before
    measured.age_ms = {key: round(value, 3) for key, value in measured.age_ms.items()}


def _as_dict(finding: Finding) -> dict[str, str]:
    return {'cause': finding.cause.value, 'found': finding.found, 'cure': finding.cure}
