"""Says why no image comes, once, with the fix: the question that users of such nodes ask most."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import rclpy

from jetson_perception.dds.findings import Cause, Finding
from jetson_perception.dds.losses import judge
from jetson_perception.dds.middleware import router_hint
from jetson_perception.printable import counted, listed, printable, printable_line
from jetson_perception.ros.endpoint_names import is_named, shown_name
from jetson_perception.ros.health import NodeHealth
from jetson_perception.ros.image_topic import raw_topic
from jetson_perception.ros.other_image_topics import other_image_topics
from jetson_perception.ros.qos import shown_qos
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.ros.topic_facts import TopicFacts, mismatch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.subscription import Subscription
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.ros.image_topic import ImageTopic
    from jetson_perception.ros.loss_report import LossReport

#: How long before it reports missing images the watchdog starts to ask who should send them.
_LISTEN_S = 2.0
_CHECK_S = 0.5
_REMAP = 'remap image to the topic that it publishes'
_REMAP_ONE = 'remap image to one of them'
#: How long it still listens after images return, so that a slow camera does not toggle it.
_LISTEN_ON_S = 10.0
_MOST_FIXES = 3
_MOST_HINTS = 2
#: How long what was found on the way holds; looking for it takes milliseconds.
_LOOK_EVERY_S = 2.0

_Found = TypeVar('_Found')


class ImageWatchdog:
    """Warns once when a subscription got nothing for a while; again only after images came.

    Parameters
    ----------
    node : rclpy Node
        Which logs the warning.
    subscription : rclpy Subscription
        That is watched.
    topic : ImageTopic
        What it is subscribed to.
    patience_s : float
        Seconds without an image before the warning; three times as long for the first image of
        somebody who publishes what is subscribed to, or starts again and says so, as cameras take
        seconds to start.
    every_frame : bool
        Whether the subscription is reliable so that no frame is lost.
    on_other_type : callable
        Called with the topic as it is sent, where all who publish send images of another form; it
        may close the watchdog.
    named_in : str
        The parameter that names the topic; empty where it is image, which is remapped.
    losses : LossReport, optional
        Who counts lost images, and tells why they are.
    silent_since_s : float, optional
        Since when a subscription that this one replaces has waited.
    now_s : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        node: Node,
        subscription: Subscription,
        topic: ImageTopic,
        patience_s: float = 3.0,
        *,
        every_frame: bool = False,
        on_other_type: Callable[[ImageTopic], None] = lambda topic: None,
        named_in: str = '',
        losses: LossReport | None = None,
        silent_since_s: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._now_s = now_s
        self._subscription = subscription
        self._topic = topic
        self._patience_s = patience_s
        self._every_frame = every_frame
        self._on_other_type = on_other_type
        self._named_in = named_in
        self._losses = losses
        self._facts = TopicFacts(
            node, subscription.topic_name, topic.type_name, subscription.qos_profile
        )
        self._findings = _Kept(self._find)
        self._hints = _Kept(self._hint)
        self._health: NodeHealth | None = None
        self._silent_s = 0.0
        self._last_s = now_s() if silent_since_s is None else silent_since_s
        self._ever = False
        self.warned = self._is_closed = False
        self._timer = steady_timer(node, _CHECK_S, self.check)

    def image_arrived(self) -> None:
        """Start the patience anew."""
        self._last_s = self._now_s()
        self._ever = True
        self.warned = False

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True
        self._node.destroy_timer(self._timer)
        self._stop_listening()

    @property
    def silent_since_s(self) -> float | None:
        """Since when nothing came; None where that was warned of, or long enough to be."""
        silence_s = self._now_s() - self._last_s
        return None if self.warned or silence_s >= self._patience_s else self._last_s

    def at_end(self) -> bool:
        """Whether all who publish have played what they had to its end, which is no fault."""
        return self._all_say('ended')

    @property
    def causes(self) -> list[str]:
        """Why nothing comes, as words for programs; empty until it was warned of."""
        return [each.cause.value for each in self._findings()] if self.warned else []

    def check(self) -> None:
        """See whether images come; called twice a second."""
        silence_s = self._now_s() - self._last_s
        sent = self._sent_as() if silence_s >= _CHECK_S else None
        if sent is not None:
            self._on_other_type(sent)
            if self._is_closed:
                return
        self._listen_if(silence_s >= self._patience_s - _LISTEN_S)
        if self.warned or silence_s < self._patience_s:
            return
        if silence_s < 3 * self._patience_s:
            # Discovery reports topics first, and their nodes' names later; cameras and rendered
            # scenes take seconds to their first image.
            starts = (not self._ever and self._is_offered()) or self._all_say('starting')
            early = starts or not self._names_known()
            if early and not self._all_say('lost') and not self._is_blocked():
                return
        self.warned = True
        if self._losses is not None and self._losses.in_silence().is_worth_a_word:
            return  # it is sent, and lost: that is told already
        if self.at_end():
            self._node.get_logger().info(self.explanation())
        else:
            self._node.get_logger().warning(self.explanation())

    def _listen_if(self, silent: bool) -> None:
        """Hear what others say of themselves while nothing comes, and some time after that."""
        if silent:
            self._silent_s = self._now_s()
            if self._health is None:
                self._health = NodeHealth(self._node)
        elif self._now_s() - self._silent_s > _LISTEN_ON_S:
            self._stop_listening()

    def _stop_listening(self) -> None:
        if self._health is not None:
            self._health.close()
            self._health = None

    def _publishers(self) -> list[TopicEndpointInfo]:
        found: list[TopicEndpointInfo] = self._node.get_publishers_info_by_topic(
            self._subscription.topic_name
        )
        return found

    def _names_known(self) -> bool:
        return all(map(is_named, self._publishers()))

    def _sent_as(self) -> ImageTopic | None:
        """The topic as all who publish it send it, if that is not what was subscribed to."""
        return self._topic.sent_as(info.topic_type for info in self._publishers())

    def _is_offered(self) -> bool:
        """Whether somebody publishes what is subscribed to."""
        return any(not self._mismatch(info) for info in self._publishers())

    def _all_say(self, phase: str) -> bool:
        """Whether all who publish say that their source is 'ended', 'lost' and the like."""
        health, names = self._health, [shown_name(info) for info in self._publishers()]
        topic = self._subscription.topic_name
        return bool(names) and all(
            health is not None and health.phase_of_source(name, topic) == phase for name in names
        )

    def _is_blocked(self) -> bool:
        """Whether something on the way keeps images back, so that a slow start is no reason."""
        return any(each.cause is not Cause.SILENT for each in self._findings())

    def _find(self) -> list[Finding]:
        """Why nothing comes of what matches."""
        if self._losses is not None:
            return judge(self._losses.collect(self._facts, silent=True))
        return judge(self._facts.collect(silent=True, ever=self._ever))

    def explanation(self) -> str:
        """One line: the topic, who publishes it and how, and what to do."""
        topic = self._subscription.topic_name
        since = 'no image any more' if self._ever else 'no image yet'
        longer_s = 3 * self._patience_s
        silence_s = longer_s if self._now_s() - self._last_s >= longer_s else self._patience_s
        start = f'{since} on {topic} ({self._topic.type_name}) for {silence_s:.0f} s: '
        publishers = self._publishers()
        if not publishers:
            where = self._not_ready(topic) or self._elsewhere(topic)
            return f'{start}nobody publishes it; {where}'
        fixes, said = [], []
        for info in publishers:
            if mismatch := self._mismatch(info):
                fixes.append(mismatch)
            elif words := self._said(shown_name(info)):
                said.append(words)
        if len(said) == len(publishers):
            return start + '; '.join(said)
        if not fixes and not said:
            fixes += map(str, self._findings())
        lines = [_described(info) for info in publishers]
        count = counted(len(publishers), 'publisher')
        # Many publishers are as good as long names.
        described = printable_line('; '.join(lines), 1000)
        return f'{start}{count} ({described}); {"; ".join((fixes + said)[:_MOST_FIXES])}'

    def _mismatch(self, info: TopicEndpointInfo) -> str:
        """Why nothing that this publisher sends can be taken, with the fix; '' when it can."""
        topic = self._subscription.topic_name
        profile = self._subscription.qos_profile
        found, cure = mismatch_of(self._node, info, topic, self._topic.type_name, profile)
        if info.topic_type != self._topic.type_name:
            sent = self._topic.sent_as([info.topic_type])
            problem = sent.problem() if sent is not None else ''
            return f'{shown_name(info)} sends another type: {problem or self._elsewhere(topic)}'
        if found and self._every_frame:
            cure = (
                'start this node without every_frame, or have the publisher be reliable, as '
                'camera_node is with every_frame'
            )
        return f'{found}: {cure}' if found else ''

    def _said(self, name: str) -> str:
        """What a node that publishes says itself of why nothing comes; '' when it says nothing."""
        topic = self._subscription.topic_name
        message = self._health.of(name, topic) if self._health is not None else ''
        return f'{name} says: {message}' if message else ''

    def _not_ready(self, topic: str) -> str:
        """Who would publish the topic, and what keeps it from that; '' when nobody is known."""
        if self._health is None:
            return ''
        names = self._health.would_publish(raw_topic(topic))
        return '; '.join(
            f'{name} would, but is not ready: {self._health.of(name, topic) or "starting"}'
            for name in names
        )

    def _hint(self) -> str:
        """Where the publisher may be hidden: a router, or participants that nobody discovers."""
        found = self._facts.elsewhere()
        router = router_hint(rclpy.get_rmw_implementation_identifier())
        return f'{router}; {listed(found, _MOST_HINTS)}' if found else router

    def _elsewhere(self, topic: str) -> str:
        kind, others = other_image_topics(self._node, self._topic, topic)
        if others:
            names = printable(', '.join(others), 1000)
            what = 'such images' if kind is self._topic else f'messages of {kind.type_name}'
            cure = f'name one of them in {self._named_in}' if self._named_in else _REMAP_ONE
            return f'{what} are on {names}: {cure}'
        cure = (
            f'name the topic that it publishes in {self._named_in}' if self._named_in else _REMAP
        )
        return f'start the camera driver, or {cure}{self._hints()}'


class _Kept(Generic[_Found]):
    """What a function found, for a while."""

    def __init__(self, find: Callable[[], _Found]) -> None:
        self._find = find
        self._found: _Found | None = None
        self._found_s = -math.inf

    def __call__(self) -> _Found:
        now_s = time.monotonic()
        if self._found is None or now_s - self._found_s >= _LOOK_EVERY_S:
            self._found, self._found_s = self._find(), now_s
        return self._found


def _described(publisher: TopicEndpointInfo) -> str:
    profile = publisher.qos_profile
    reliability, durability = shown_qos(profile)
    kind = printable(publisher.topic_type)
    return f'{shown_name(publisher)} as {kind}, {reliability}, {durability}'
