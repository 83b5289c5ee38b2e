"""Says which share of an input's images is lost, and why, as soon as it is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jetson_perception.dds.frame_counts import Counted, FrameCounts
from jetson_perception.dds.kernel_counters import KernelCounters
from jetson_perception.dds.losses import judge
from jetson_perception.printable import printable, printable_line
from jetson_perception.ros.endpoint_names import is_bench_camera
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.lost_messages import LostMessages
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.ros.topic_facts import TopicFacts
from jetson_perception.ros.video_messages import video_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.dds.findings import Finding
    from jetson_perception.dds.input_facts import InputFacts
    from jetson_perception.ros.arrivals import Arrival, Arrivals
    from jetson_perception.ros.image_topic import ImageTopic

#: The last seconds that are looked at.
_SECONDS = 4
#: Seconds in a row with losses that are no accident of a start.
_LASTING = 2
#: Seconds with images after which a start is over: until then, models and other nodes start too.
_SETTLED_S = 10
#: A cause that was told is told again after so many seconds without it.
_FORGET_S = 60.0


class LossReport:
    """Counts the images of a topic that were lost; a lasting loss is logged once a cause.

    It outlives subscriptions: one that is made anew, for another form, say, goes on with the
    counts, and what was sent between the two is not missing.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes, and logs.
    settled_s : int
        Seconds with images of the same publishers after which losses may tell of a busy process.
    now_s : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        node: Node,
        *,
        settled_s: int = _SETTLED_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._settled_s = settled_s
        self._now_s = now_s
        self._counts = FrameCounts(_SECONDS)
        self._topic: ImageTopic | None = None
        self._facts: TopicFacts | None = None
        #: Ids of who published it when that was looked at last.
        self._publishers: frozenset[bytes] = frozenset()
        #: Whether these are of several cameras.
        self._are_several = False
        #: Seconds with images of these, and how many came until the last of them.
        self._receiving_s = self._received = 0
        self._arrivals: Arrivals | None = None
        self._lost: LostMessages | None = None
        self._image_bytes = 0
        self._losing_s = 0
        self._found: list[Finding] = []
        #: When each cause was last there, of those that were told.
        self._told_s: dict[str, float] = {}
        self._kernel = KernelCounters(_SECONDS)
        self._timer = steady_timer(node, 1.0, self.check)

    def watch(self, topic: ImageTopic, subscription: Any, arrivals: Arrivals) -> None:
        """Count what comes by a subscription that has just been made."""
        self.stop_watching()
        self._topic = topic
        self._facts = TopicFacts(
            self._node, subscription.topic_name, topic.type_name, subscription.qos_profile
        )
        self._counts.begin_anew()
        self._publishers = frozenset()
        self._receiving_s = 0
        self._arrivals = arrivals
        arrivals.hear(self._on_arrival)
        self._lost = LostMessages(self._node, subscription, self._counts.lost_on_the_way)
        if self._lost.told:
            self._counts.lost_on_the_way(0)

    def stop_watching(self) -> None:
        """Leave the subscription alone, before it is destroyed."""
        arrivals, self._arrivals = self._arrivals, None
        lost, self._lost = self._lost, None
        if arrivals is not None:
            arrivals.forget(self._on_arrival)
        if lost is not None:
            lost.close()

    def close(self) -> None:
        """Count no more."""
        self.stop_watching()
        self._node.destroy_timer(self._timer)

    @property
    def total(self) -> Counted:
        """Images since the start."""
        return self._counts.total

    def recent(self) -> Counted:
        """Images of the last seconds."""
        return self._counts.recent

    def in_silence(self) -> Counted:
        """Images of the last seconds that were lost after the newest one had come."""
        return self._counts.after_the_newest

    @property
    def rate_hz(self) -> float:
        """How fast images are sent; 0 where it is not known."""
        return self._counts.rate_hz

    @property
    def causes(self) -> list[str]:
        """Why images are being lost, as words for programs."""
        return [each.cause.value for each in self._found]

    def problem(self) -> str:
        """Which share of the images is lost, and why, for people; '' while none is."""
        if not self._found or self._topic is None:
            return ''
        why = '; '.join(map(str, self._found))
        share = self._counts.recent.share_lost
        return f'{share:.0%} of the images on {printable(self._topic.name)} are lost: {why}'

    def check(self) -> None:
        """See what was lost in the last seconds; called once a second."""
        self._see_publishers()
        self._see_images()
        self._counts.second_passed()
        self._kernel.second_passed()
        recent = self._counts.recent
        self._losing_s = self._losing_s + 1 if recent.is_worth_a_word else 0
        if self._losing_s < _LASTING or self._facts is None:
            self._found = []
            return
        self._found = judge(self.collect(self._facts))
        self._tell()

    def collect(self, facts: TopicFacts, *, silent: bool = False) -> InputFacts:
        """What is known of the topic now; it takes some milliseconds."""
        return facts.collect(
            self.in_silence() if silent else self._counts.recent,
            self._kernel,
            silent=silent,
            ever=self._counts.total.received > 0,
            settled=self._receiving_s >= self._settled_s,
            rate_hz=self._counts.rate_hz,
            image_bytes=self._image_bytes,
            compressed=self._topic is not None and self._topic.form != 'raw',
        )

    def _see_publishers(self) -> None:
        """Tell the counts where a publisher has come or left since the first was there."""
        if self._facts is None:
            return
        before, found = self._publishers, self._facts.publishers()
        self._publishers = frozenset(bytes(info.endpoint_gid) for info in found)
        cameras = [info for info in found if not is_bench_camera(info)]
        self._are_several = len(cameras) + (len(cameras) < len(found)) > 1
        if before != self._publishers:
            self._receiving_s = 0
            if before:
                self._counts.publishers_changed()

    def _see_images(self) -> None:
        """Count seconds with images, anew while those of several cameras mix."""
        before, self._received = self._received, self._counts.total.received
        if self._are_several and self._counts.senders != 1:
            self._receiving_s = 0
        elif self._received > before:
            self._receiving_s += 1

    def _tell(self) -> None:
        """Log causes that are new."""
        now_s = self._now_s()
        told = {cause for cause, at_s in self._told_s.items() if now_s - at_s < _FORGET_S}
        if self._found and not told.issuperset(self.causes):
            self._node.get_logger().warning(printable_line(self.problem()))
        self._told_s.update(dict.fromkeys(self.causes, now_s))

    def _on_arrival(self, arrival: Arrival) -> None:
        message = arrival.message
        self._image_bytes = arrival.size_bytes
        stamp = stamp_ns(video_header(message))
        self._counts.take(arrival.number, arrival.sent_ns, stamp, arrival.gid)
