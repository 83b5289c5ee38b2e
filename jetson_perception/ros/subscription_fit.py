"""What a subscription has to be like, so that all images that are published arrive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.dds import segments, sockets, transports
from jetson_perception.dds.best_transport import BestTransport, best_transport
from jetson_perception.dds.guids import Guid
from jetson_perception.dds.shared_memory_trial import SharedMemoryTrial
from jetson_perception.ros.alive_publishers import AlivePublishers
from jetson_perception.ros.qos import all_reliable
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

_CHECK_S = 0.25
#: Publishers that may leave while others stay, until a subscription is made anew because of them.
_MOST_LEFT = 8


class Fit(NamedTuple):
    """What a subscription is like.

    Attributes
    ----------
    reliable : bool
        Whether what is lost is sent again. A reliable subscription hears no publisher that is
        best effort, and a best-effort one loses what a reliable publisher would send again.
    transport : BestTransport
        Whether it offers nothing but UDP, and why.
    """

    reliable: bool = False
    transport: BestTransport = BestTransport(over_udp=False)

    def differs_from(self, other: Fit) -> bool:
        """Whether a subscription made for one would not do for the other."""
        return (self.reliable, self.transport.over_udp) != (
            other.reliable,
            other.transport.over_udp,
        )


class SubscriptionFit:
    """Follows who publishes a topic, and says when its subscription has to be made anew.

    That is also when publishers have left: of one that was killed while it sent an image, Fast DDS
    keeps what came of it as long as there is the subscription.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    topic : str
        Full name of the topic.
    type_name : str
        Of its messages; publishers of another type do not count.
    on_change : callable
        Called when `wanted` has changed, by `check` or from the executor.
    reliable : bool, optional
        Whether it is to be reliable, whoever publishes; as they publish by default.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        type_name: str,
        on_change: Callable[[], None],
        reliable: bool | None = None,
    ) -> None:
        self._node = node
        self._publishers = AlivePublishers(node, topic, type_name)
        self._on_change = on_change
        self._reliable = reliable
        self.wanted = Fit(bool(reliable))
        self._judged: frozenset[bytes] = frozenset()
        self._trial: SharedMemoryTrial | None = None
        #: Publishers that have left since the subscription was made.
        self._left = 0
        self._is_quiet = True
        #: Of the largest image that has come, and when the transport was last decided on.
        self._image_bytes = self._judged_bytes = 0
        self._timer = steady_timer(node, _CHECK_S, self._check_if_changed)
        #: Has the executor decide anew without waiting for the timer.
        self._look = node.create_guard_condition(self._check_size)

    @property
    def judged(self) -> bool:
        """Whether a publisher has been seen; until then `wanted` is a guess."""
        return bool(self._judged)

    @property
    def is_settled(self) -> bool:
        """Whether a publisher has been seen, and the transport is decided on."""
        return self.judged and (self._trial is None or self._trial.is_over)

    def image_taken(self, nbytes: int) -> None:
        """Have the transport decided on anew at once if images have grown; in any thread."""
        self._image_bytes = max(self._image_bytes, nbytes)
        if self._is_larger():
            self._look.trigger()

    def message_arrived(self, nbytes: int = 0) -> None:
        """Trust the transport by which a message of this size has come."""
        self._is_quiet = False
        self.image_taken(nbytes)
        if self._trial is not None:
            self._trial.message_arrived()

    def close(self) -> None:
        """Follow no longer."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_guard_condition(self._look)

    def check(self) -> bool:
        """See who publishes now; whether the subscription has to be made anew."""
        publishers = self._publishers.find()
        before, self._judged = self._judged, _ids(publishers)
        self._judged_bytes = self._image_bytes
        self._left += len(before - self._judged)
        if not publishers:
            self._trial = None
            self._is_quiet = False  # what the last one sent may still have to be taken
            return False  # the subscription stays, as whoever comes may be like who left
        guids = [Guid(each) for each in self._judged]
        # Where images cannot be had over UDP alone, there is no choice.
        own = self._publishers.own if transports.udp_alone() else None
        transport = BestTransport(over_udp=False)
        if own is not None:
            transport = _best_transport(guids, own, self._image_bytes)
        tries = own is not None and not transport.over_udp and _share_host(guids, own)
        self._trial = SharedMemoryTrial() if tries else None
        return self._want(Fit(self._reliable_for(publishers), transport), self._left > _MOST_LEFT)

    def _check_size(self) -> None:
        if self._is_larger():
            self.check()

    def _is_larger(self) -> bool:
        """Whether a segment that holds all the images before may be too small for one."""
        return self._image_bytes > max(self._judged_bytes, transports.SMALLEST_SEGMENT)

    def _check_if_changed(self) -> None:
        is_quiet, self._is_quiet = self._is_quiet, True
        publishers = self._publishers.find()
        if self._is_larger() or _ids(publishers) != self._judged:
            self.check()
        elif self._trial is not None:
            tried = self._trial.needs_udp()
            reason = "nothing comes through the publisher's shared memory"
            # Before that is known, the publisher may just have sent nothing.
            transport = BestTransport(tried, reason if self._trial.failed else '')
            self._want(Fit(self.wanted.reliable, transport))
        elif not publishers and is_quiet and self._left and not self.wanted.reliable:
            # Nothing is lost by it: whoever comes has to find any subscription first.
            self._want(self.wanted, anew=True)

    def _want(self, wanted: Fit, anew: bool = False) -> bool:
        anew = anew or wanted.differs_from(self.wanted)
        self.wanted = wanted
        if anew:
            self._left = 0
            self._on_change()
        return anew

    def _reliable_for(self, publishers: list[TopicEndpointInfo]) -> bool:
        if self._reliable is not None:
            return self._reliable
        return all_reliable(publishers)


def _ids(publishers: list[TopicEndpointInfo]) -> frozenset[bytes]:
    return frozenset(bytes(info.endpoint_gid) for info in publishers)


def _best_transport(publishers: list[Guid], own: Guid, image_bytes: int) -> BestTransport:
    # A process of another container may have the same id as this one.
    known = [each for each in segments.segments() if each.pid != os.getpid()]
    return best_transport(publishers, own, known, sockets.receive_limit(), image_bytes)


def _share_host(publishers: list[Guid], own: Guid) -> bool:
    """Whether any publisher is to be heard through shared memory."""
    return any(each.on_host_of(own) and not each.in_process_of(own) for each in publishers)
