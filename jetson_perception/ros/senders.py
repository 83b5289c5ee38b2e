"""Two publishers that send on one topic: their images alternate, and so do the results."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import counted, listed, printable, printable_line
from jetson_perception.ros.alive_publishers import AlivePublishers
from jetson_perception.ros.endpoint_names import is_bench_camera, is_named, shown_name
from jetson_perception.ros.namesakes import LEASE_S
from jetson_perception.ros.steady_timer import steady_timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from jetson_perception.ros.arrivals import Arrival, Arrivals

#: So many messages out of order, in so many seconds, are of two publishers: one that was started
#: anew begins to count anew once.
_TIMES, _WITHIN_S = 4, 10.0
_CHECK_S = 5.0
#: How often publishers are looked for while messages come: of one that was killed, discovery says
#: so only after its lease.
_LOOK_S = 1.0
_MOST_NAMED = 4
_NAME_CHARACTERS = 80
#: The name of a node follows its topics, within this many seconds.
_NAMES_WITHIN_S = 5.0
#: Of an endpoint's id: RTPS (8.2.4) puts that of the process's participant first.
_PARTICIPANT_BYTES = 12


class Senders:
    """Warns once when the messages of a subscription come from several publishers.

    That a publisher is in discovery says little: it may be idle, or was killed. Publishers number
    their messages, each from 1, so the numbers of one rise, and those of two are out of order.
    Where there are no numbers, publishers count that have been there together for longer than any
    lease, and the warning is a supposition.

    Parameters
    ----------
    node : rclpy Node
        Which logs the warning.
    arrivals : Arrivals
        Of the subscription, which are heard until there is something to say.
    now_s : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        node: Node,
        arrivals: Arrivals,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._arrivals = arrivals
        self._topic = arrivals.topic_name
        self._publishers = AlivePublishers(node, self._topic)
        self._looked_s = -_LOOK_S
        self._now_s = now_s
        self._number = 0
        self._out_of_order_s: deque[float] = deque(maxlen=_TIMES)
        self._arrived = False
        self._several_since_s: float | None = None
        self._nameless_since_s: float | None = None
        self._timer: Any = None
        if not arrivals.numbers:
            self._begin_to_count()
        arrivals.hear(self._on_arrival)

    def close(self) -> None:
        """Listen no longer."""
        self._arrivals.forget(self._on_arrival)
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _on_arrival(self, arrival: Arrival) -> None:
        self._arrived = True
        number = arrival.number
        if number is not None:
            is_in_order = number > self._number
            self._number = number
            if not is_in_order or self._now_s() - self._looked_s >= _LOOK_S:
                self._look()
            if not is_in_order:
                self._out_of_order()
        elif self._timer is None:
            self._begin_to_count()

    def _out_of_order(self) -> None:
        now_s = self._now_s()
        self._out_of_order_s.append(now_s)
        if len(self._out_of_order_s) == _TIMES and now_s - self._out_of_order_s[0] < _WITHIN_S:
            names = self._names()
            if len(names) > 1 and self._have_names():  # else discovery has yet to tell
                self._warn(
                    f'images on {printable(self._topic)} come from '
                    f'{counted(len(names), "publisher")}, and results alternate between them',
                    names,
                )

    def _begin_to_count(self) -> None:
        self._timer = steady_timer(self._node, _CHECK_S, self.check)

    def check(self) -> None:
        """See whether several publishers have been there for long; where there are no numbers."""
        names = self._names()
        if len(names) < 2 or not self._arrived:
            self._several_since_s = None
            return
        self._arrived = False
        now_s = self._now_s()
        if self._several_since_s is None:
            self._several_since_s = now_s
        elif now_s - self._several_since_s > LEASE_S:
            self._warn(
                f'{printable(self._topic)} has {counted(len(names), "publisher")}; if more than '
                'one of them sends, results alternate between them',
                names,
            )

    def _look(self) -> list[TopicEndpointInfo]:
        """The publishers, those that share the images of one measurement as one."""
        self._looked_s = self._now_s()
        found = self._publishers.find()
        others = [info for info in found if not is_bench_camera(info)]
        return others + [info for info in found if is_bench_camera(info)][:1]

    def _have_names(self) -> bool:
        """Whether all are known by name; some never are, so they are not waited for for long."""
        if all(map(is_named, self._look())):
            return True
        now_s = self._now_s()
        if self._nameless_since_s is None:
            self._nameless_since_s = now_s
        return now_s - self._nameless_since_s > _NAMES_WITHIN_S

    def _names(self) -> list[str]:
        return sorted(shown_name(info, _NAME_CHARACTERS) for info in self._look())

    def _processes(self, name: str) -> int:
        """How many processes have a publisher of this name."""
        return len(
            {
                bytes(info.endpoint_gid[:_PARTICIPANT_BYTES])
                for info in self._look()
                if shown_name(info, _NAME_CHARACTERS) == name
            }
        )

    def _shown(self, name: str, count: int) -> str:
        if count == 1:
            return name
        processes = self._processes(name)
        if processes < 2:
            return f'{name} ({count} times)'
        return f'{name} ({"two" if processes == 2 else processes} processes of this name)'

    def _warn(self, what: str, names: list[str]) -> None:
        self.close()
        shown = [self._shown(name, names.count(name)) for name in dict.fromkeys(names)]
        self._node.get_logger().warning(
            printable_line(
                f'{what}: {listed(shown, _MOST_NAMED)}. End all but one, or have each publish on '
                'a topic of its own, such as by camera_namespace:= of a launch file'
            )
        )
