"""What watches over an image subscription: silence, several publishers, lost images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.loss_report import LossReport
from jetson_perception.ros.replay import Replay
from jetson_perception.ros.senders import Senders
from jetson_perception.ros.watchdog import ImageWatchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.ros.image_topic import ImageTopic


class SubscriptionWatch:
    """Watches one subscription after the other, as they are made anew; losses are counted on.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    on_other_type : callable
        As for `ImageWatchdog`.
    given_as : str
        The topic as the node names it: image, or one of image_topics.
    every_frame : bool
        Whether the subscription is reliable so that no frame is lost.
    """

    def __init__(
        self,
        node: Node,
        on_other_type: Callable[[ImageTopic], None],
        given_as: str = 'image',
        *,
        every_frame: bool,
    ) -> None:
        self._node = node
        self._on_other_type = on_other_type
        self._every_frame = every_frame
        self._named_in = '' if given_as == 'image' else 'image_topics'
        self._watchdog: ImageWatchdog | None = None
        self._arrivals: Arrivals | None = None
        self._senders: Senders | None = None
        self.losses = LossReport(node)
        self.replay = Replay(node)
        self._silent_since_s: float | None = None

    def begin(self, topic: ImageTopic, subscription: Any) -> None:
        """Watch over a subscription that has just been made."""
        silent_since_s, self._silent_since_s = self._silent_since_s, None
        self._watchdog = ImageWatchdog(
            self._node,
            subscription,
            topic,
            every_frame=self._every_frame,
            on_other_type=self._on_other_type,
            named_in=self._named_in,
            losses=self.losses,
            silent_since_s=silent_since_s,
        )
        self._arrivals = Arrivals(subscription)
        self.replay.topic = subscription.topic_name
        self.losses.watch(topic, subscription, self._arrivals)
        self._senders = Senders(self._node, self._arrivals)

    def end(self) -> None:
        """Leave the subscription, before it is destroyed; harmless without one."""
        if self._watchdog is not None:
            self._silent_since_s = self._watchdog.silent_since_s
            self._watchdog.close()
        if self._senders is not None:
            self._senders.close()
        self.losses.stop_watching()
        if self._arrivals is not None:
            self._arrivals.close()
        self._watchdog = self._senders = self._arrivals = None

    def close(self) -> None:
        """Leave the subscription, and count no more losses."""
        self.end()
        self.losses.close()
        self.replay.close()

    def image_arrived(self) -> None:
        """Start the patience anew."""
        if self._watchdog is not None:
            self._watchdog.image_arrived()

    def silence(self) -> str:
        """Why no image comes, once that was warned of; else empty."""
        watchdog = self._watchdog
        return watchdog.explanation() if watchdog is not None and watchdog.warned else ''

    def at_end(self) -> bool:
        """Whether all who publish the topic have played what they had to its end."""
        return self._watchdog is not None and self._watchdog.at_end()
