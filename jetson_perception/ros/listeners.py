"""Waits for the subscribers of a camera: at the start, and in lockstep for every frame."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import printable_line
from jetson_perception.ros.lockstep import Lockstep

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rclpy.node import Node

    Tell = Callable[[str], None]

#: Waits longer than this are worth a warning, and the interval between warnings.
_PATIENCE_S = 5.0
_LOG_EVERY_S = 10.0
#: How often subscribers are counted.
_LOOK_S = 0.05
#: A subscriber that the camera has discovered has discovered the camera after this long.
_MATCHING_S = 0.5


class Listeners:
    """Waits for other nodes, and says which.

    Parameters
    ----------
    node : rclpy Node
        The node that publishes images.
    publishers : sequence of rclpy Publisher
        Publishers of the images, raw ones first.
    enough : int
        Nodes to wait for.
    every_frame : bool
        Whether they must answer every frame; otherwise they must subscribe before the first one.

    Attributes
    ----------
    waiting : str
        What it waits for now; '' if nothing.
    """

    def __init__(
        self, node: Node, publishers: list[Any], enough: int, *, every_frame: bool
    ) -> None:
        self._node = node
        self._publishers = publishers
        self._topic = publishers[0].topic_name
        self._enough = enough
        self._lockstep = Lockstep(node, self._topic, enough) if every_frame else None
        self.waiting = ''
        self._since_s = 0.0

    @property
    def are_late(self) -> bool:
        """Whether a wait in lockstep has taken so long that something may be wrong."""
        late = time.monotonic() - self._since_s > _PATIENCE_S
        return bool(self.waiting) and self._lockstep is not None and late

    def wait_to_begin(self, live: bool, stop: threading.Event) -> None:
        """Return when a source may give its first frame, or `stop` is set.

        A live source does not wait, unless every frame must be answered.
        """
        if self._lockstep is not None:
            self._wait(self._lockstep.wait_for_takers, stop)
        elif not live and self._enough:
            self._wait(self._wait_for_subscribers, stop)
            # They have yet to discover this node, and miss what is sent before.
            stop.wait(_MATCHING_S)

    def wait_to_send(self, stop: threading.Event) -> None:
        """Return when the next frame may go out, or `stop` is set."""
        if self._lockstep is not None:
            self._wait(self._lockstep.wait_for_takers, stop)

    def wait_for_answers(
        self, stamp_ns: int, resend: Callable[[], None], stop: threading.Event
    ) -> None:
        """Return when a frame has been answered, or `stop` is set; see `Lockstep`."""
        if self._lockstep is not None:
            self._wait(partial(self._lockstep.wait_for_answers, stamp_ns, resend), stop)

    def close(self) -> None:
        """Stop listening for answers."""
        if self._lockstep is not None:
            self._lockstep.close()

    def _wait_for_subscribers(self, stop: threading.Event, tell: Tell) -> None:
        told = False
        while not stop.is_set():
            count = sum(each.get_subscription_count() for each in self._publishers)
            if count >= self._enough:
                return
            tell(
                f'waits for subscribers of {self._topic} to begin: {count} of {self._enough} are '
                'there'
            )
            if not told:
                told = True
                self._node.get_logger().info(f'{self.waiting} (parameter wait_for_subscribers)')
            stop.wait(_LOOK_S)

    def _wait(self, wait: Callable[[threading.Event, Tell], None], stop: threading.Event) -> None:
        self._since_s = time.monotonic()
        try:
            wait(stop, self._tell)
        finally:
            self.waiting = ''

    def _tell(self, what: str) -> None:
        self.waiting = what = printable_line(what)  # contains names that other nodes chose
        if self.are_late:
            waited_s = time.monotonic() - self._since_s
            self._node.get_logger().warning(
                f'{what}; since {waited_s:.0f} s', throttle_duration_sec=_LOG_EVERY_S
            )
