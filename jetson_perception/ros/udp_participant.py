"""A second participant of a node's process, which takes images over UDP and nothing else.

A sender goes by what its reader's participant offers. So that images come over UDP from one camera
and through shared memory from another, a process needs a participant for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.waitable import NumberOfEntities, Waitable

from jetson_perception.dds import transports
from jetson_perception.ros.arrivals import call_back
from jetson_perception.ros.beginning import EARLY, environment, udp_context
from jetson_perception.ros.endpoint_names import images_node_name
from jetson_perception.ros.inner_subscription import InnerSubscription
from jetson_perception.ros.quiet_events import NO_WARNINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.context import Context
    from rclpy.qos import QoSProfile


class UdpParticipant:
    """Makes subscriptions for a node that offer UDP alone; the node's executor runs them.

    Its own node's name begins with an underscore, so that `ros2 node list` does not show it.

    Parameters
    ----------
    node : rclpy Node
        Whose name, namespace and executor are used.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._context: Context | None = None
        self._hidden: Node | None = None

    def subscribe(
        self, message_type: Any, topic: str, callback: Callable[..., None], qos: QoSProfile
    ) -> UdpSubscription:
        """Subscribe to a topic, by its full name."""
        return UdpSubscription(self._node, self.opened(), message_type, topic, callback, qos)

    def opened(self) -> Node:
        """Its own node, which no executor runs; it joins the graph first, in some 0.1 s."""
        if self._hidden is None:
            self.close()  # what an attempt that failed has left
            self._open()
        assert self._hidden is not None, 'it was just made'
        return self._hidden

    def close(self) -> None:
        """Leave the graph; all subscriptions must have been destroyed. Harmless if not open."""
        hidden, self._hidden = self._hidden, None
        context, self._context = self._context, None
        if hidden is not None:
            hidden.destroy_node()
        if context is not None:
            rclpy.try_shutdown(context=context)  # a signal may have done so

    def _open(self) -> None:
        # rmw_fastrtps makes the participant with the first node, not with the context.
        with environment(transports.udp_alone()):
            early = EARLY.take_udp()
            if early is None:
                self._context = udp_context(self._node)
            else:
                self._context, placeholder = early
            self._hidden = Node(
                images_node_name(self._node.get_name()),
                context=self._context,
                namespace=self._node.get_namespace(),
                use_global_arguments=False,
                enable_rosout=False,
                start_parameter_services=False,
            )
            if early is not None:
                placeholder.destroy_node()


class UdpSubscription(InnerSubscription, Waitable):
    """A subscription of another participant that runs with a node's own."""

    def __init__(
        self,
        node: Node,
        hidden: Node,
        message_type: Any,
        topic: str,
        callback: Callable[..., None],
        qos: QoSProfile,
    ) -> None:
        super().__init__(MutuallyExclusiveCallbackGroup())
        self._node = node
        self._hidden = hidden
        self._inner = hidden.create_subscription(
            message_type, topic, callback, qos, event_callbacks=NO_WARNINGS
        )
        self._index = 0
        node.add_waitable(self)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.remove_waitable(self)
        self._hidden.destroy_subscription(self._inner)

    def __enter__(self) -> None:
        self._inner.handle.__enter__()

    def __exit__(self, *error: object) -> None:
        self._inner.handle.__exit__(*error)

    def get_num_entities(self) -> NumberOfEntities:
        """Of what the executor waits for."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Have the executor wait for messages."""
        self._index = wait_set.add_subscription(self._inner.handle)

    def is_ready(self, wait_set: Any) -> bool:
        """Whether a message is there."""
        return bool(wait_set.is_ready('subscription', self._index))

    def take_data(self) -> Any:
        """A message and what rclpy tells of it; None where it has gone."""
        inner = self._inner
        with inner.handle:
            return inner.handle.take_message(inner.msg_type, inner.raw)

    async def execute(self, taken_data: Any) -> None:
        """Hand the message over."""
        if taken_data is None:
            return
        call_back(self._inner, *taken_data)
