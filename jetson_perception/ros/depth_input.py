"""The depth images of a topic, as they come."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.depth.compressed_depth import decode_compressed_depth
from jetson_perception.depth.depth_image import DepthImage, view_depth
from jetson_perception.errors import ImageError
from jetson_perception.ros.image_messages import check_frame_id
from jetson_perception.ros.image_subscription import ImageSubscription
from jetson_perception.ros.image_taker import TakenImage
from jetson_perception.ros.subscription_watch import SubscriptionWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from sensor_msgs.msg import CompressedImage, Image
    from std_msgs.msg import Header

    from jetson_perception.ros.image_topic import ImageTopic
    from jetson_perception.ros.udp_participant import UdpParticipant

_FORMS = ('raw', 'compressed')


class DepthInput:
    """Subscribes to depth images from its making until `close`; made in the executor's thread.

    They are received as images are: by the transport and with the reliability that their publisher
    needs, and raw ones without a copy in a thread of their own.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    udp : UdpParticipant
        Where it subscribes if images have to come over UDP.
    topic : ImageTopic
        Where they are sent.
    on_depth : callable
        Called as on_depth(header, image) with each DepthImage, in any thread.
    on_error : callable
        Called as on_error(error) for one that cannot be used.
    max_image_pixels : int
        The most pixels that are taken.
    """

    def __init__(
        self,
        node: Node,
        udp: UdpParticipant,
        topic: ImageTopic,
        on_depth: Callable[[Header, DepthImage], None],
        on_error: Callable[[ImageError], None],
        max_image_pixels: int,
    ) -> None:
        self._node = node
        self._udp = udp
        self._on_depth = on_depth
        self._on_error = on_error
        self._max_image_pixels = max_image_pixels
        self._subscription: ImageSubscription | None = None
        self._watch: SubscriptionWatch | None = SubscriptionWatch(
            node, self._take_the_other_type, every_frame=False
        )
        self._subscribe(topic)

    @property
    def received(self) -> int:
        """How many have come."""
        return self._watch.losses.total.received if self._watch is not None else 0

    @property
    def lost(self) -> int:
        """How many were sent and never taken, as far as can be told."""
        return self._watch.losses.total.lost if self._watch is not None else 0

    def silence(self) -> str:
        """Why none comes, once that was warned of; else empty."""
        return self._watch.silence() if self._watch is not None else ''

    def close(self) -> None:
        """Unsubscribe."""
        self._unsubscribe()
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def _subscribe(self, topic: ImageTopic) -> None:
        assert self._watch is not None, 'it is open'
        self._name = topic.name
        self._subscription = ImageSubscription(
            self._node,
            self._udp,
            topic,
            self._on_compressed if topic.compressed else self._on_raw,
            partial(self._watch.begin, topic),
            self._watch.end,
            on_image=None if topic.compressed else self._on_image,
        )

    def _unsubscribe(self) -> None:
        if self._watch is not None:
            self._watch.end()
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = None

    def _take_the_other_type(self, sent: ImageTopic) -> None:
        """Subscribe to what is sent on a topic, where that is not what was subscribed to."""
        if sent.form in _FORMS and self._watch is not None:
            self._unsubscribe()
            self._subscribe(sent)

    def _on_raw(self, msg: Image | TakenImage) -> None:
        """Hear of a raw image, in the executor's thread; one of its own may have handled it."""
        size_bytes = msg.size_bytes if isinstance(msg, TakenImage) else len(msg.data)
        if self._is_taken(size_bytes) and not isinstance(msg, TakenImage):
            self._on_image(msg)

    def _on_image(self, msg: Image | TakenImage) -> None:
        self._take(msg.header, partial(self._view, msg))

    def _on_compressed(self, msg: CompressedImage) -> None:
        if self._is_taken(len(msg.data)):
            self._take(msg.header, partial(self._decode, msg))

    def _is_taken(self, size_bytes: int) -> bool:
        if self._watch is None or self._subscription is None:
            return False
        if not self._subscription.accepts(size_bytes):
            return False
        self._watch.image_arrived()
        return True

    def _take(self, header: Header, to_depth: Callable[[], DepthImage]) -> None:
        try:
            check_frame_id(header)
            image = to_depth()
        except ImageError as error:
            self._on_error(ImageError(f'depth on {self._name}: {error}'))
            return
        self._on_depth(header, image)

    def _view(self, msg: Any) -> DepthImage:
        return view_depth(
            msg.data,
            (msg.width, msg.height),
            msg.encoding,
            msg.step,
            is_bigendian=bool(msg.is_bigendian),
            max_image_pixels=self._max_image_pixels,
        )

    def _decode(self, msg: CompressedImage) -> DepthImage:
        return decode_compressed_depth(msg.data, msg.format, self._max_image_pixels)
