"""Delivers every frame between processes: each is answered before the next one is sent.

DDS alone does not guarantee that: a full queue loses its oldest image, and a reader that is
discovered a moment too late never gets the first one. So every node with `every_frame` that is
ready for images publishes the header of each frame that it has finished on `<image topic>/done`.
The sender waits for all nodes that publish there; one that no longer does has died or was
deactivated. A frame that is not answered in time is sent again; nodes process it only once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from jetson_perception.msg import FrameDone
from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.endpoint_names import is_named, node_name
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.image_topic import raw_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from std_msgs.msg import Header

#: Interval for looking up who takes part, and whether to stop waiting.
_LOOK_S = 0.2
#: An unanswered frame is sent again after this time, then after twice as long, and so on.
_FIRST_RESEND_S = 1.0
_LONGEST_RESEND_S = 16.0
#: A publisher may claim any name. Beyond this many names, the oldest answers are forgotten; a node
#: whose answer is missing gets the frame again.
_MOST_ANSWERS = 1000
_MOST_NAME_CHARACTERS = 512  # ROS allows half as many


def done_topic(image_topic: str) -> str:
    """The topic for answers to frames of an image topic, raw or compressed."""
    return f'{raw_topic(image_topic)}/done'


class FrameAnswers:
    """The receiving side: announces the node, and answers the frames that it has finished.

    Parameters
    ----------
    node : rclpy Node
        The node that takes the frames.
    image_topic : str
        Full name of the topic that it has subscribed to.

    Attributes
    ----------
    publisher : rclpy Publisher
        Sends the answers.
    """

    def __init__(self, node: Node, image_topic: str) -> None:
        self._node = node
        self._name = node.get_fully_qualified_name()
        self._image_topic = image_topic
        self.publisher = node.create_publisher(FrameDone, done_topic(image_topic), qos.EVERY_IMAGE)
        self._taken_ns = self._done_ns = -1

    def is_new(self, header: Header) -> bool:
        """Whether an image is new; if it repeats one that is done, answer it again.

        If no sender waits for answers, every image is new, whatever its stamp.
        """
        stamp = stamp_ns(header)
        if stamp != self._taken_ns or not (stamp and self.sender_waits()):
            self._taken_ns = stamp
            return True
        if stamp == self._done_ns:
            self.done(header)
        return False

    def done(self, header: Header) -> None:
        """Answer that the image with this header is finished; from any thread."""
        self._done_ns = stamp_ns(header)
        self.publisher.publish(FrameDone(header=header, node=self._name))

    def sender_waits(self) -> bool:
        """Whether a sender of the images, and not only another node, hears the answers."""
        node = self._node
        # The sender of images that a republisher compresses is on the raw topic.
        senders = [
            info
            for topic in {self._image_topic, raw_topic(self._image_topic)}
            for info in node.get_publishers_info_by_topic(topic)
        ]
        subscribers = node.get_subscriptions_info_by_topic(done_topic(self._image_topic))
        if not all(map(is_named, (*senders, *subscribers))):
            return bool(subscribers)
        return not set(map(node_name, senders)).isdisjoint(map(node_name, subscribers))

    def close(self) -> None:
        """Stop taking part."""
        self._node.destroy_publisher(self.publisher)


class Lockstep:
    """The sending side: waits for the nodes that take every frame.

    Parameters
    ----------
    node : rclpy Node
        The node that sends.
    image_topic : str
        Full name of the topic with the raw images.
    enough : int
        No frame is sent while fewer nodes take every frame.

    Attributes
    ----------
    answers : dict of str to int
        Stamp of the newest frame that each node has answered, nanoseconds.
    """

    def __init__(self, node: Node, image_topic: str, enough: int) -> None:
        self._node = node
        self._image_topic = image_topic
        self._topic = done_topic(image_topic)
        self._enough = enough
        self._changed = threading.Condition()
        self.answers: dict[str, int] = {}
        self._subscription = node.create_subscription(
            FrameDone, self._topic, self.take_answer, qos.EVERY_IMAGE
        )

    def takers(self) -> set[str]:
        """Full names of the nodes that take every frame now."""
        return set(self._endpoints().values())

    def _endpoints(self) -> dict[bytes, str]:
        """Full name of the node of each publisher of answers, by the publisher's id."""
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        return {bytes(info.endpoint_gid): node_name(info) for info in publishers if is_named(info)}

    def wait_for_takers(self, stop: threading.Event, tell: Callable[[str], None]) -> None:
        """Return when there are enough, or `stop` is set; `tell` is called while waiting."""
        while not stop.is_set() and len(found := self.takers()) < self._enough:
            there = _listed(found) or 'none'
            wanted = 'a node' if self._enough == 1 else f'{self._enough} nodes'
            tell(
                f'waits for {wanted} with every_frame: true, ready for {self._image_topic}; '
                f'there: {there}'
            )
            stop.wait(_LOOK_S)

    def wait_for_answers(
        self,
        stamp: int,
        resend: Callable[[], None],
        stop: threading.Event,
        tell: Callable[[str], None],
    ) -> None:
        """Return when all nodes, and enough of them, have answered a frame, or `stop` is set.

        Parameters
        ----------
        stamp : int
            Stamp of the frame, nanoseconds; differs from that of the previous frame.
        resend : callable
            Publishes the frame again.
        stop : threading.Event
            Ends the wait.
        tell : callable
            Called from time to time with the nodes that have not answered.
        """
        with self._changed:  # forgets nodes that have gone
            self.answers = {
                name: newest for name, newest in self.answers.items() if newest == stamp
            }
        begun_s = time.monotonic()
        resend_s = _FIRST_RESEND_S
        resend_at_s = begun_s + resend_s
        endpoints = self._endpoints()
        while not stop.is_set():
            takers = set(endpoints.values())
            with self._changed:
                done = {name for name, newest in self.answers.items() if newest == stamp}
                if takers <= done and len(done) >= self._enough:
                    return
                self._changed.wait(_LOOK_S)
            now_s = time.monotonic()
            before, endpoints = endpoints, self._endpoints()
            missing = _listed(set(endpoints.values()) - done)
            if not endpoints.keys() <= before.keys():  # new ones did not get the frame
                resend_s, resend_at_s = _FIRST_RESEND_S, now_s
            if now_s - begun_s > _LOOK_S:
                tell(
                    f'waits for {missing} to be done with a frame'
                    if missing
                    else f'waits for a node with every_frame: true on {self._image_topic}: the '
                    'nodes that were there left a frame unanswered'
                )
            if now_s >= resend_at_s and missing:
                resend()
                resend_s = min(2 * resend_s, _LONGEST_RESEND_S)
                resend_at_s = now_s + resend_s

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def take_answer(self, msg: FrameDone) -> None:
        """Note that a node has answered a frame; one whose name is too long is none."""
        if len(msg.node) > _MOST_NAME_CHARACTERS:
            return
        with self._changed:
            self.answers.pop(msg.node, None)  # keeps the newest last
            self.answers[msg.node] = stamp_ns(msg.header)
            if len(self.answers) > _MOST_ANSWERS:
                del self.answers[next(iter(self.answers))]
            self._changed.notify_all()


def _listed(names: set[str]) -> str:
    return printable(', '.join(sorted(names)), 1000)
