"""The robot that the web server shows, by the graph of ROS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted
from jetson_perception.ros.viewing.class_changes import changed, is_change, shown_classes
from jetson_perception.ros.viewing.followed_pictures import FollowedPictures
from jetson_perception.ros.viewing.live_state import LiveState
from jetson_perception.ros.viewing.node_parameters import CLASSES, NodeParameters
from jetson_perception.ros.viewing.publishers import publishers
from jetson_perception.ros.viewing.result_follower import ResultFollower
from jetson_perception.ros.viewing.state_follower import StateFollower
from jetson_perception.ros.viewing.topics import LABELS, STATS, Topics, topics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from jetson_perception.ros.viewing.node_thread import NodeThread
    from jetson_perception.view.robot import MakeRecord, Picture, State

_MOST_NODES = 32


class LiveRobot:
    """A `view.robot.Robot` whose topics and parameters are those of the graph.

    Parameters
    ----------
    node : Node
        Which subscribes and asks.
    thread : NodeThread
        That spins it.
    wanted : frozenset of str
        Image topics to show beside those that our nodes draw.
    """

    def __init__(self, node: Node, thread: NodeThread, wanted: frozenset[str]) -> None:
        self._node = node
        self._thread = thread
        self._wanted = wanted
        self._state = LiveState()
        self._follower = StateFollower(node, self._state, wanted)
        self._parameters = NodeParameters(node, thread)
        #: Held while a parameter of a node is set.
        self._setting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def picture_topics(self) -> list[str]:
        """Names of the streams of pictures that there are now."""
        return list((await self._thread.ask(self._topics)).pictures)

    def open_pictures(self, topic: str, give: Callable[[Picture], None]) -> Callable[[], None]:
        """Subscribe to a stream; what is returned ends that."""
        opened: list[FollowedPictures] = []

        def open_it() -> None:
            opened.append(FollowedPictures(self._node, topic, self._wanted, give))

        def close_it() -> None:
            while opened:
                opened.pop().close()

        self._thread.soon(open_it)
        return lambda: self._thread.soon(close_it)

    def open_state(self) -> Callable[[], None]:
        """Follow the state; what is returned ends that."""
        self._thread.soon(self._follower.open)
        return lambda: self._thread.soon(self._follower.close)

    def state(self) -> tuple[int, State] | None:
        """The state now, and a number that changes with it; None a moment after `open_state`."""
        return self._state.read()

    def open_results(self, give: Callable[[MakeRecord], None]) -> Callable[[], None]:
        """Follow all results of all engines; what is returned ends that."""
        opened: list[ResultFollower] = []

        def close_it() -> None:
            while opened:
                opened.pop().close()

        self._thread.soon(lambda: opened.append(ResultFollower(self._node, give)))
        return lambda: self._thread.soon(close_it)

    async def parameters(self) -> list[dict[str, Any]]:
        """Thresholds and classes of the nodes that publish stats, as far as these answer."""
        nodes = await self._thread.ask(self._nodes)
        asked = (self._parameters.of(name) for name in nodes)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        labels = await self._thread.ask(self._labels)
        found: list[dict[str, Any]] = []
        for node, answer in zip(nodes, answers, strict=True):
            if isinstance(answer, ParameterError):
                found.append({'node': node, 'kind': 'problem', 'value': str(answer)})
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += [_with_choices(each, labels) for each in answer]
        return [{**each, 'node_shown': printable(each['node'])} for each in found]

    async def set_parameter(self, node: str, name: str, value: Any) -> None:
        """Set a parameter of one of these nodes.

        Of a list of classes, some may be switched on or off, by a dict; then the others stay as
        the node has them, whatever the page knows.
        """
        if node not in await self._thread.ask(self._nodes):
            raise ParameterError(f'there is no node {quoted(node)} that has such parameters')
        lock = self._setting.get(node)
        if lock is None:
            lock = self._setting[node] = asyncio.Lock()
        async with lock:
            if name.rpartition('.')[2] == CLASSES and is_change(value):
                chosen = await self._parameters.classes(node, name)
                labels = await self._thread.ask(self._labels)
                value = changed(chosen, _class_names(node, name, labels), value)
            await self._parameters.set(node, name, value)

    def _topics(self) -> Topics:
        return topics_of(self._node, self._wanted)

    def _nodes(self) -> list[str]:
        """Names of the nodes that publish stats."""
        return sorted(set(self._publishers(STATS)))[:_MOST_NODES]

    def _publishers(self, kind: str) -> dict[str, list[str]]:
        """Topics of a type by the nodes that publish them."""
        found: dict[str, list[str]] = {}
        for topic, name, _ in publishers(self._node, self._topics().facts, kind):
            found.setdefault(name, []).append(topic)
        return found

    def _labels(self) -> dict[str, dict[str, list[str]]]:
        """Names of classes by node and topic, as far as they were said."""
        said = self._state.labels()
        return {
            node: {topic: said[topic] for topic in topics if topic in said}
            for node, topics in self._publishers(LABELS).items()
        }


def _with_choices(
    parameter: dict[str, Any], labels: dict[str, dict[str, list[str]]]
) -> dict[str, Any]:
    """A parameter as the page is told of it: a list of classes with those to choose from."""
    if parameter['kind'] != CLASSES:
        return parameter
    names = _class_names(parameter['node'], parameter['name'], labels)
    return {**parameter, **shown_classes(parameter['value'], names)}


def _class_names(
    node: str, parameter: str, labels: dict[str, dict[str, list[str]]]
) -> list[str] | None:
    """The classes of the engine whose parameter it is; None if they are not known."""
    engine = parameter.rpartition('.')[0]
    for topic, names in labels.get(node, {}).items():
        if names and (topic.endswith(f'/{engine}/label_info') or not engine):
            return names
    return None
