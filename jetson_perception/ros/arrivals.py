"""Lets others hear of each message of a subscription, and its number, before its callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.subscription import Subscription

from jetson_perception.ros.image_taker import TakenImage

if TYPE_CHECKING:
    from collections.abc import Callable

TELLS_NUMBERS = hasattr(Subscription, 'CallbackType')
"""Whether rclpy can tell a callback the number of a message, as it does from Iron on."""


class Arrival(NamedTuple):
    """A message that was taken.

    Attributes
    ----------
    message : object
        As the subscription's callback gets it.
    number : int or None
        Its publication sequence number, counted from 1 by each publisher; None where the
        middleware gives none.
    sent_ns : int
        When it was sent, by its publisher's clock; 0 where the middleware does not say.
    gid : bytes or None
        The middleware's id of its publisher; None where it is not told, as rclpy's callbacks are
        not.
    """

    message: Any
    number: int | None = None
    sent_ns: int = 0
    gid: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """How many bytes of pixels, or of what they are encoded as, came."""
        message = self.message
        return message.size_bytes if isinstance(message, TakenImage) else len(message.data)


def call_back(subscription: Subscription[Any], message: Any, info: Any) -> None:
    """Call a subscription's callback as rclpy's executors do."""
    # There is no public way to look at what it takes.
    if TELLS_NUMBERS and (
        subscription._callback_type is not Subscription.CallbackType.MessageOnly
    ):
        subscription.callback(message, info)
    else:
        subscription.callback(message)


class Arrivals:
    """Passes each message of a subscription to hearers, then to its callback.

    rclpy tells numbers from Iron on, and not with every middleware.

    Parameters
    ----------
    subscription : rclpy Subscription
        Whose callback takes a message.
    numbers : bool
        Whether rclpy can tell numbers.
    """

    def __init__(self, subscription: Any, *, numbers: bool = TELLS_NUMBERS) -> None:
        self._subscription = subscription
        self._deliver = subscription.callback
        self._hearers: tuple[Callable[[Arrival], None], ...] = ()
        self.topic_name: str = subscription.topic_name
        self.numbers = numbers
        subscription.callback = self._on_numbered if numbers else self._on_message

    def hear(self, hearer: Callable[[Arrival], None]) -> None:
        """Call this with each Arrival from now on."""
        self._hearers = (*self._hearers, hearer)

    def forget(self, hearer: Callable[[Arrival], None]) -> None:
        """Call it no more."""
        self._hearers = tuple(each for each in self._hearers if each != hearer)

    def close(self) -> None:
        """Give the subscription its own callback back."""
        self._hearers = ()
        self._subscription.callback = self._deliver

    def _on_numbered(self, msg: Any, info: Any) -> None:
        number = info['publication_sequence_number']
        gid = info.get('publisher_gid')
        self._tell(Arrival(msg, number, info['source_timestamp'] or 0, gid))

    def _on_message(self, msg: Any) -> None:
        self._tell(Arrival(msg))

    def _tell(self, arrival: Arrival) -> None:
        for hearer in self._hearers:
            hearer(arrival)
        self._deliver(arrival.message)
