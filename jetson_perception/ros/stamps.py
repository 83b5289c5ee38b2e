"""Whether the clock that stamps images is the one that their ages are counted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.printable import printable
from jetson_perception.ros.image_messages import stamp_ns

if TYPE_CHECKING:
    from rclpy.node import Node
    from std_msgs.msg import Header

    from jetson_perception.ros.replay import Replay

#: An image is not received before it is taken; clocks that are kept in step differ by less.
_MOST_AHEAD_MS = 20.0
#: No camera and no network keeps an image for so long.
_MOST_BEHIND_MS = 10_000.0
#: Simulated time begins at 0; no camera's clock is so near to 1970, unless it was never set.
_SIMULATED_S = 365 * 86_400
_RECORDED_S = 86_400
_SYNCHRONIZE = 'synchronize the clocks of both machines (chrony, ntp)'


def uses_simulated_time(node: Node) -> bool:
    """Whether a node takes its time from /clock."""
    return bool(node.get_clock().ros_time_is_active)


def clock_problem(node: Node) -> str:
    """Why a node that takes its time from /clock has none; empty when it has."""
    if not _lacks_time(node):
        return ''
    sent = 'nobody publishes' if not node.count_publishers('/clock') else 'nothing comes on'
    return (
        f'use_sim_time is set, but {sent} /clock, so time stands at 0: start the simulation, '
        'play the bag with `ros2 bag play --clock`, or start this node without use_sim_time'
    )


def _lacks_time(node: Node) -> bool:
    return uses_simulated_time(node) and not node.get_clock().now().nanoseconds


class StampCheck:
    """Tells ages that can be from those that two clocks make up, once in the log.

    Parameters
    ----------
    node : rclpy Node
        By whose clock ages are counted.
    topic : str
        Whose images they are.
    replay : Replay, optional
        Which knows whether they are of a recording, whose stamps are no fault.
    """

    def __init__(self, node: Node, topic: str, replay: Replay | None = None) -> None:
        self._node = node
        self._topic = topic
        self._replay = replay
        #: How much later than its stamp the newest image was received, where that cannot be.
        self._off_ms: float | None = None
        self._stamp_s = 0.0
        self._missing = False
        self._told: set[str] = set()

    def age_ms(self, header: Header, age_ms: float | None) -> float | None:
        """The age of an image, milliseconds; None where it is not known, which is then told."""
        if age_ms is not None and -_MOST_AHEAD_MS <= age_ms <= _MOST_BEHIND_MS:
            self._off_ms, self._missing = None, False
            if self._replay is not None:
                self._replay.forget()
            return age_ms
        self._off_ms, self._missing = age_ms, age_ms is None
        self._stamp_s = stamp_ns(header) / 1e9
        self._tell()
        return None

    def problem(self) -> str:
        """Why the newest image's age is not known, and what to do; empty when it is."""
        if not self._missing and self._off_ms is None:
            return ''
        # Without time a node stamps images with 0, and takes every age for nonsense.
        problem = clock_problem(self._node)
        if problem:
            return f'{problem}; until then, latency is not known'
        if self._off_ms is None:
            return (
                f'images on {printable(self._topic)} have no stamp: results carry none either, '
                'and latency is not known; have the camera driver set header.stamp (one that uses '
                'simulated time needs /clock for that)'
            )
        return self._difference(self._off_ms / 1000)

    def _difference(self, off_s: float) -> str:
        if self._is_replayed():
            return (
                f'images on {printable(self._topic)} have the stamps of a recording of '
                f'{_span(off_s)} ago, so latency is not known; where it is to be, play it with '
                'recorded_stamps:=false'
            )
        simulated = uses_simulated_time(self._node)
        clock = '/clock' if simulated else "this machine's clock"
        side = 'behind' if off_s > 0 else 'ahead of'
        return (
            f'stamps of the images on {printable(self._topic)} are {_span(abs(off_s))} {side} '
            f'{clock}, so latency is not known: {self._advice(off_s, simulated)}'
        )

    def _advice(self, off_s: float, simulated: bool) -> str:
        if simulated:
            return (
                'start their publisher with use_sim_time too, or this node without it, so that '
                'both use one clock'
            )
        if self._stamp_s < _SIMULATED_S:
            return 'they are of simulated time: start this node with use_sim_time:=true'
        if off_s > _RECORDED_S:
            return (
                'they are of a recording: play it with `ros2 bag play --clock` and start this '
                'node with use_sim_time:=true, or with camera_node and recorded_stamps:=false; '
                f'or {_SYNCHRONIZE}'
            )
        if off_s > 0:
            return (
                f'{_SYNCHRONIZE}; for a recording, use `ros2 bag play --clock` and '
                'use_sim_time:=true, or camera_node with recorded_stamps:=false'
            )
        return _SYNCHRONIZE

    def _tell(self) -> None:
        """Log the problem, once for each kind; that there is no /clock is the node's to say."""
        if _lacks_time(self._node) or not (self._missing or self._off_ms is not None):
            return
        kind = 'no stamp' if self._off_ms is None else 'behind' if self._off_ms > 0 else 'ahead'
        if kind in self._told:
            return
        if kind == 'behind' and self._replay is not None:
            self._replay.ask(self._tell)
            if self._replay.known is None:
                return
        self._told.add(kind)
        if self._is_replayed():
            self._node.get_logger().info(self.problem())
        else:
            self._node.get_logger().warning(self.problem())

    def _is_replayed(self) -> bool:
        """Whether the newest image is of a recording that a node of ours plays."""
        is_behind = self._off_ms is not None and self._off_ms > 0
        is_ours = self._replay is not None and self._replay.known is True
        return is_behind and is_ours and not uses_simulated_time(self._node)


def _span(seconds: float) -> str:
    """A time as people say it: '12.3 s', '1095 days'."""
    for unit, length in (('days', 86_400), ('h', 3600), ('min', 60)):
        if seconds >= 2 * length:
            return f'{seconds / length:.{0 if unit == "days" else 1}f} {unit}'
    return f'{seconds:.1f} s' if seconds >= 1 else f'{seconds * 1000:.0f} ms'
