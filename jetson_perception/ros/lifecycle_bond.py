"""The heartbeat by which Nav2's lifecycle manager sees that a node lives: the protocol `bond`.

The manager that has activated a node says so on /bond, several times a second, under the name by
which it knows the node. A node that is active answers; one that stops answering, or says that it
is not active any more, has the manager bring the others down. Without the messages of `bond`,
which come with Nav2, there is no heartbeat, and the manager needs `bond_timeout: 0.0`.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rclpy.duration import Duration

from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from jetson_perception.ros.managed_node import ManagedNode

TOPIC = '/bond'
"""Of a manager in no namespace; remap it for others: `-r /bond:=/robot/bond`."""

_PERIOD_S = (0.05, 1.0)
_TIMEOUT_S = (0.5, 60.0)
_LAST_WORDS = Duration(seconds=0.3)
#: Begins the ids of this end of each bond. What a node says comes back to it, also under the id of
#: a bond that is over, and reaches others of the same name; answers to answers would never end.
_OURS = 'jetson_perception-'


def bond_with_manager(node: ManagedNode) -> LifecycleBond | None:
    """Have a node answer a lifecycle manager; None where the messages are not installed."""
    return None if find_spec('bond') is None else LifecycleBond(node)


class LifecycleBond:
    """Answers a lifecycle manager while the node is active.

    Parameters
    ----------
    node : ManagedNode
        Which the manager brings up.
    """

    def __init__(self, node: ManagedNode) -> None:
        from bond.msg import Status

        self._node = node
        self._full_name = node.get_fully_qualified_name()
        self._message_type = Status
        self._publisher = node.create_publisher(Status, TOPIC, 5)
        node.create_subscription(Status, TOPIC, self._on_status, 100)
        #: What the manager said last; None without a bond.
        self._heard: Any = None
        self._heard_s = 0.0
        self._own_id = ''
        self._timer: Any = None

    def close(self) -> None:
        """Tell the manager that the node ends, and wait a moment until it has heard that."""
        if self._heard is not None:
            self._break()
            self._publisher.wait_for_all_acked(_LAST_WORDS)

    def _on_status(self, msg: Any) -> None:
        if msg.instance_id.startswith(_OURS) or not self._is_meant(msg.id):
            return
        if not msg.active:
            if self._heard is not None:
                self._break()
        elif self._node.active:
            is_new = self._heard is None or self._heard.instance_id != msg.instance_id
            self._heard, self._heard_s = msg, time.monotonic()
            if is_new:
                self._begin(_within(msg.heartbeat_period, _PERIOD_S))

    def _is_meant(self, name: str) -> bool:
        """Whether a manager means this node: it may be in a namespace, and leave it out."""
        return bool(name.strip('/')) and self._full_name.endswith(f'/{name.strip("/")}')

    def _begin(self, period_s: float) -> None:
        self._stop_beating()
        self._own_id = f'{_OURS}{uuid4()}'
        self._timer = steady_timer(self._node, period_s, self._beat)
        self._say(active=True)

    def _beat(self) -> None:
        if self._heard is None:  # the timer was due already when it was destroyed
            return
        silent_s = time.monotonic() - self._heard_s
        if not self._node.active or silent_s > _within(self._heard.heartbeat_timeout, _TIMEOUT_S):
            self._break()
        else:
            self._say(active=True)

    def _break(self) -> None:
        self._stop_beating()
        self._say(active=False)
        self._heard = None

    def _stop_beating(self) -> None:
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _say(self, *, active: bool) -> None:
        msg = self._message_type(
            id=self._heard.id,
            instance_id=self._own_id,
            active=active,
            heartbeat_timeout=self._heard.heartbeat_timeout,
            heartbeat_period=self._heard.heartbeat_period,
        )
        msg.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(msg)


def _within(value: float, limits: tuple[float, float]) -> float:
    """A time that somebody else chose; the upper limit where it is no number."""
    lowest, highest = limits
    return max(lowest, value) if value <= highest else highest
