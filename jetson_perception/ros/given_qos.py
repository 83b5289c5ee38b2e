"""Quality of service that a node was given for topics that it does not have."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from jetson_perception.printable import listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node

_PREFIX = 'qos_overrides.'
_MOST_NAMED = 8


def unused_qos_overrides(node: Node) -> list[str]:
    """What to log of each topic whose QoS was set at start without effect.

    rclpy declares such parameters with the topics, and passes over all others in silence.

    Parameters
    ----------
    node : rclpy Node
        With all its topics.
    """
    unused: dict[str, list[str]] = {}
    for name in node._parameter_overrides:
        if name.startswith(_PREFIX) and name not in node._parameters:
            unused.setdefault(_topic_of(name), []).append(name)
    return [_text(node, topic, names) for topic, names in unused.items()]


def _topic_of(name: str) -> str:
    return name.removeprefix(_PREFIX).partition('.')[0]  # no topic has a dot


def _text(node: Node, topic: str, names: list[str]) -> str:
    ignored = f'{listed([printable(name) for name in names], 2)} is ignored'
    settable = [name for name in node._parameters if name.startswith(_PREFIX)]
    if topic in {each.topic_name for each in (*node.publishers, *node.subscriptions)}:
        of_topic = [name for name in settable if _topic_of(name) == topic]
        there = listed(of_topic, _MOST_NAMED) if of_topic else 'nothing'
        return f'{ignored}: of the topic {printable(topic)} can be set {there}'
    near = _near(topic, {_topic_of(name) for name in settable})
    hint = f'; did you mean {near}?' if near else ''
    return f'{ignored}: {node.get_name()} has no topic {printable(topic)}{hint}'


def _near(topic: str, known: Iterable[str]) -> str:
    """The topic that was meant: often its name without the namespace was given; '' if unknown."""
    topics = sorted(known)
    ends = [each for each in topics if each.endswith(f'/{topic.strip("/")}')]
    return next(iter(ends or difflib.get_close_matches(topic, topics, n=1)), '')
