"""The subscription to an image topic, made anew whenever its publishers call for another one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.image_taker import image_taker
from jetson_perception.ros.outside_executor import OutsideExecutor
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.subscription_fit import SubscriptionFit
from jetson_perception.ros.threaded_subscription import ThreadedSubscription
from jetson_perception.ros.topic_facts import overridden_reliability
from jetson_perception.ros.udp_participant import UdpParticipant, UdpSubscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.ros.image_taker import ImageTaker, TakenImage
    from jetson_perception.ros.image_topic import ImageTopic


class ImageSubscription:
    """Subscribes to a topic by the transport, and with the reliability, that its publishers need.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes, and whose parameters override the QoS.
    udp : UdpParticipant
        Where it subscribes if images have to come over UDP.
    topic : ImageTopic
        What is subscribed to.
    callback : callable
        Called by the executor with each message; with `on_image` later, without the pixels.
    on_new : callable
        Called as on_new(subscription) with each subscription that is made, of rclpy, a
        UdpSubscription or a ThreadedSubscription.
    on_end : callable
        Called before a subscription is destroyed that was made anew.
    reliability : str
        'auto' for that of the publishers, 'best_effort' or 'reliable'.
    every_frame : bool
        Whether none may be lost: then it is reliable, with a long queue.
    on_image : callable, optional
        For raw images: called as on_image(image) with each TakenImage, at once, in a thread of its
        own. Without it, or where images cannot be taken so, `callback` gets their pixels.
    """

    def __init__(
        self,
        node: Node,
        udp: UdpParticipant,
        topic: ImageTopic,
        callback: Callable[..., None],
        on_new: Callable[[Any], None],
        on_end: Callable[[], None],
        *,
        reliability: str = 'auto',
        every_frame: bool = False,
        on_image: Callable[[TakenImage], None] | None = None,
    ) -> None:
        self._node = node
        self._udp = udp
        self._topic = topic
        self._callback = callback
        self._on_new = on_new
        self._on_end = on_end
        self._on_image = on_image
        self._base = topic.qos_profile(every_frame=every_frame)
        self._subscription: Any = None
        #: Why images come over UDP, as it was said last.
        self._said = ''
        fixed = self._overridden() or ('reliable' if every_frame else reliability)
        self._fit = SubscriptionFit(
            node,
            topic.name,
            topic.type_name,
            self._make_anew,
            None if fixed == 'auto' else fixed == 'reliable',
        )
        self._fit.check()
        if self._subscription is None:
            self._make()

    def accepts(self, nbytes: int) -> bool:
        """Whether a message of this size, which has just come, is one to take.

        It is not where its publisher is new, and calls for another subscription, which this makes:
        what follows comes by that one.
        """
        if not self._fit.judged and self._fit.check():
            return False
        self._fit.message_arrived(nbytes)
        return True

    @property
    def is_settled(self) -> bool:
        """Whether it is decided how images are received."""
        return self._fit.is_settled

    def close(self) -> None:
        """Unsubscribe."""
        self._fit.close()
        self._destroy()

    def _overridden(self) -> str:
        """The reliability that the user has set by a parameter of rclpy; '' if none."""
        return overridden_reliability(self._node, self._topic.name)

    def _make(self) -> None:
        wanted = self._fit.wanted
        profile = qos.with_reliability(self._base, reliable=wanted.reliable)
        overridable = qos.overridable(profile, reliability=bool(self._overridden()))
        taker = image_taker() if self._on_image is not None else None
        group = None if taker is None else OutsideExecutor()
        subscription: Any = self._node.create_subscription(
            self._topic.message_type,
            self._topic.name,
            self._callback,
            callback_group=group,
            event_callbacks=NO_WARNINGS,
            **overridable,
        )
        node = self._node
        if wanted.transport.over_udp:
            subscription, node = self._over_udp(subscription, threaded=taker is not None)
        if taker is not None:
            subscription = self._threaded(subscription, node, taker)
        self._subscription = subscription
        self._on_new(subscription)
        if isinstance(subscription, ThreadedSubscription):
            subscription.start()

    def _threaded(self, subscription: Any, node: Node, taker: ImageTaker) -> ThreadedSubscription:
        """What takes the images of a subscription that this node has."""
        assert self._on_image is not None, 'else no taker'
        return ThreadedSubscription(
            self._node,
            subscription,
            taker,
            self._on_image,
            lambda: self._fit.judged,
            self._fit.check,
            partial(node.destroy_subscription, subscription),
        )

    def _over_udp(self, subscription: Any, *, threaded: bool) -> tuple[Any, Node]:
        """A subscription that offers UDP alone in place of this one, which stays if that fails.

        And the node that has it.
        """
        name = printable(self._topic.name)
        arguments = self._topic.message_type, self._topic.name, self._callback
        profile = subscription.qos_profile  # with what the user has set of it
        try:
            node = self._udp.opened()
            if threaded:
                made: Any = node.create_subscription(
                    *arguments, profile, event_callbacks=NO_WARNINGS
                )
            else:
                made = self._udp.subscribe(*arguments, profile)
        except Exception as error:  # noqa: BLE001 - RCLError and others, by the release of ROS
            self._node.get_logger().warning(
                f'images on {name} cannot be received over UDP, and may get lost: no second '
                f'participant can be made ({printable(str(error), 300)})'
            )
            return subscription, self._node
        self._node.destroy_subscription(subscription)
        reason = self._fit.wanted.transport.reason
        if reason and reason != self._said:  # else UDP is only tried, as nothing has come yet
            self._said = reason
            self._node.get_logger().info(f'images on {name} are received over UDP: {reason}')
        return made, node

    def _make_anew(self) -> None:
        if self._subscription is not None:
            self._on_end()
        self._destroy()
        self._make()

    def _destroy(self) -> None:
        subscription, self._subscription = self._subscription, None
        if isinstance(subscription, UdpSubscription | ThreadedSubscription):
            subscription.destroy()
        elif subscription is not None:
            self._node.destroy_subscription(subscription)
