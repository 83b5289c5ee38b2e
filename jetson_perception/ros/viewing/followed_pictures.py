"""One stream of pictures, by whichever topic its publishers have now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros import qos
from jetson_perception.ros.viewing.picture_subscription import PictureSubscription
from jetson_perception.ros.viewing.topics import OF_COMPRESSED, topics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.view.robot import Picture

#: How often it is seen whether the publishers are others.
_LOOK_S = 1.0


class FollowedPictures:
    """Subscribes anew where a node comes back with another topic, or sends otherwise.

    Made and closed in the node's thread.

    Parameters
    ----------
    node : Node
        Which subscribes.
    stream : str
        Name of the raw topic.
    wanted : frozenset of str
        Image topics to show beside those that our nodes draw.
    give : callable
        Called with each Picture.
    """

    def __init__(
        self, node: Node, stream: str, wanted: frozenset[str], give: Callable[[Picture], None]
    ) -> None:
        self._node = node
        self._stream = stream
        self._wanted = wanted
        self._give = give
        #: Its topic, and whether it is reliable.
        self._kind: tuple[str, bool] | None = None
        self._subscription: PictureSubscription | None = None
        self._timer: Any = node.create_timer(_LOOK_S, self._look)
        self._look()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._end()

    def _look(self) -> None:
        topic = topics_of(self._node, self._wanted).pictures.get(self._stream)
        if topic is None:
            return  # nobody publishes it now; who does next may do so as before
        publishers = self._node.get_publishers_info_by_topic(topic)
        reliable = topic.endswith(OF_COMPRESSED) and qos.all_reliable(publishers)
        if (topic, reliable) != self._kind:
            self._end()
            self._kind = topic, reliable
            self._subscription = PictureSubscription(
                self._node, topic, self._give, reliable=reliable
            )

    def _end(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
