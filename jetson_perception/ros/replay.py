"""Whether a topic's images are of a recording that nodes of this package play."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jetson_perception.ros.endpoint_names import shown_name
from jetson_perception.ros.health import NodeHealth
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

_CHECK_S = 0.5


class Replay:
    """Listens, once it is asked, to what those who publish a topic say of their source.

    Parameters
    ----------
    node : rclpy Node
        Which takes the images, and in whose executor this listens.
    listen_s : float
        How long; our nodes say once a second what they read.

    Attributes
    ----------
    topic : str
        Full name of the topic.
    known : bool or None
        Whether all who publish it play recordings with `bag://`; None as long as it is not known.
    """

    def __init__(self, node: Node, listen_s: float = 3.0) -> None:
        self._node = node
        self._listen_s = listen_s
        self.topic = ''
        self.known: bool | None = None
        self._on_known: Callable[[], None] | None = None
        self._since_s = 0.0
        self._health: NodeHealth | None = None
        self._timer = steady_timer(node, _CHECK_S, self.check)

    def ask(self, on_known: Callable[[], None]) -> None:
        """Find it out, and say so in the executor; may be called in any thread, and often."""
        self._on_known = on_known

    def forget(self) -> None:
        """Find it out anew when it is asked again."""
        self._on_known = self.known = None

    def close(self) -> None:
        """Listen no more."""
        self._node.destroy_timer(self._timer)
        self._stop_listening()

    def check(self) -> None:
        """Look at what was heard; called twice a second."""
        on_known = self._on_known
        if on_known is None or self.known is not None:
            return
        if self._health is None:
            self._health, self._since_s = NodeHealth(self._node), time.monotonic()
            return
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        sources = [self._health.source_of(shown_name(info), self.topic) for info in publishers]
        if sources and all(each.startswith('bag://') for each in sources):
            self.known = True
        elif (sources and all(sources)) or time.monotonic() - self._since_s >= self._listen_s:
            self.known = False
        if self.known is not None:
            self._stop_listening()
            on_known()

    def _stop_listening(self) -> None:
        health, self._health = self._health, None
        if health is not None:
            health.close()
