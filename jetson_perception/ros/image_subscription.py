"""The subscription to an image topic, made anew whenever its publishers call for another one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.each_once import EachOnce
from jetson_perception.ros.image_taker import image_taker
from jetson_perception.ros.outside_executor import OutsideExecutor
from jetson_perception.ros.quiet_events import NO_WARNINGS
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.ros.subscription_fit import Fit, SubscriptionFit
from jetson_perception.ros.threaded_subscription import ThreadedSubscription
from jetson_perception.ros.topic_facts import overridden_reliability
from jetson_perception.ros.udp_participant import UdpParticipant, UdpSubscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.ros.image_taker import ImageTaker, TakenImage
    from jetson_perception.ros.image_topic import ImageTopic


#: How long a subscription that brings images stays beside one that is to bring more of them: by
#: default, a publisher's process announces itself every 3 s, and is not heard of before.
_MOST_BESIDE_S = 5.0


class ImageSubscription:
    """Subscribes to a topic by the transport, and with the reliability, that its publishers need.

    Where images come, and have to come over UDP from now on, the subscription stays until the
    other one has brought an image: its publishers hear of that one some time after it was made.

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
        self._each_once = EachOnce(on_image) if on_image is not None else None
        self._base = topic.qos_profile(every_frame=every_frame)
        self._subscription: Any = None
        #: What the subscription was made for, and whether an image has come by it.
        self._made_for, self._has_come = Fit(), False
        #: The one that takes over with its first image.
        self._next: ThreadedSubscription | None = None
        self._taking_over = node.create_guard_condition(self._take_over)
        self._beside: Any = None
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
        self._node.destroy_guard_condition(self._taking_over)
        self._destroy()

    def _overridden(self) -> str:
        """The reliability that the user has set by a parameter of rclpy; '' if none."""
        return overridden_reliability(self._node, self._topic.name)

    def _make(self) -> None:
        self._made_for, self._has_come = self._fit.wanted, False
        self._begin(self._made())

    def _begin(self, subscription: Any) -> None:
        """Go by a subscription from now on."""
        self._subscription = subscription
        self._on_new(subscription)
        if isinstance(subscription, ThreadedSubscription):
            subscription.start()

    def _made(self) -> Any:
        """A subscription as it is wanted, which takes nothing yet."""
        wanted = self._fit.wanted
        profile = qos.with_reliability(self._base, reliable=wanted.reliable)
        overridable = qos.overridable(profile, reliability=bool(self._overridden()))
        taker = image_taker() if self._each_once is not None else None
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
        return subscription if taker is None else self._threaded(subscription, node, taker)

    def _threaded(self, subscription: Any, node: Node, taker: ImageTaker) -> ThreadedSubscription:
        """What takes the images of a subscription that this node has."""
        made = ThreadedSubscription(
            self._node,
            subscription,
            taker,
            lambda image: self._take(image, made),
            lambda: self._fit.judged,
            self._prepare,
            partial(node.destroy_subscription, subscription),
        )
        return made

    def _take(self, image: TakenImage, by: ThreadedSubscription) -> None:
        """Hand an image on; in the thread of the subscription that has brought it."""
        assert self._each_once is not None, 'else no taker'
        self._has_come = True
        self._fit.image_taken(image.size_bytes)
        self._each_once.hand_on(image)
        if by is self._next:
            self._taking_over.trigger()

    def _prepare(self) -> None:
        """Decide how images are received, while one waits to be taken."""
        self._has_come = True
        self._fit.check()

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
        self._drop_next()
        wanted = self._fit.wanted.transport
        # What is only tried, as nothing comes, has nothing to keep.
        to_udp = wanted.reason and not self._made_for.transport.over_udp
        if to_udp and self._has_come and isinstance(self._subscription, ThreadedSubscription):
            self._made_for = self._fit.wanted
            self._next = self._made()
            self._beside = steady_timer(self._node, _MOST_BESIDE_S, self._take_over)
            self._next.start()
            return
        if self._subscription is not None:
            self._on_end()
        self._destroy()
        self._make()

    def _take_over(self) -> None:
        """Leave the subscription for the next one, which has brought an image or waited for it."""
        if self._next is None:
            return
        self._on_end()
        taking_over, self._next = self._next, None
        self._drop_next()
        self._destroy()
        self._begin(taking_over)

    def _drop_next(self) -> None:
        beside, self._beside = self._beside, None
        if beside is not None:
            self._node.destroy_timer(beside)
        dropped, self._next = self._next, None
        if dropped is not None:
            dropped.destroy()

    def _destroy(self) -> None:
        self._drop_next()
        subscription, self._subscription = self._subscription, None
        if isinstance(subscription, UdpSubscription | ThreadedSubscription):
            subscription.destroy()
        elif subscription is not None:
            self._node.destroy_subscription(subscription)
