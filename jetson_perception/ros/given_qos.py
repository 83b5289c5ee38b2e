"""Quality of service that a node was given and cannot take: unknown values, topics, policies."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

from jetson_perception.model_info import did_you_mean
from jetson_perception.printable import listed, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

_PREFIX = 'qos_overrides.'
_MOST_NAMED = 8
_POLICIES = {
    'reliability': ReliabilityPolicy,
    'durability': DurabilityPolicy,
    'history': HistoryPolicy,
}
#: What users may set; 'unknown' is only told by middleware.
_VALUES = {
    name: tuple(sorted({each.name.lower() for each in policy} - {'unknown'}))
    for name, policy in _POLICIES.items()
}


def take_out_wrong_qos_overrides(node: Node) -> list[str]:
    """What to log of each policy whose value rclpy would not take; the topic's default stays.

    With such a value rclpy makes no topic at all, and the error names neither topic nor values.

    Parameters
    ----------
    node : rclpy Node
        Without any topic that users may set so.
    """
    texts = []
    for name in [name for name in node._parameter_overrides if name.startswith(_PREFIX)]:
        expected = _expected(name.rpartition('.')[2], node._parameter_overrides[name].value)
        if expected:
            value = printable(str(node._parameter_overrides.pop(name).value), 40)
            texts.append(f'{printable(name)} is {value!r} and is ignored: expected {expected}')
    return texts


def _expected(policy: str, value: Any) -> str:
    """What a policy takes, where that is not this value; else empty."""
    if policy == 'depth':
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return '' if fits else 'a whole number, 0 or more'
    known = _VALUES.get(policy, ())
    if not known or (isinstance(value, str) and value.lower() in known):
        return ''
    return f'{listed(known, _MOST_NAMED)}{did_you_mean(str(value), known)}'


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
    topics = sorted({_topic_of(name) for name in settable})
    near = _near(topic, topics)
    hint = f'did you mean {near}?' if near else f'it has {listed(topics, _MOST_NAMED) or "none"}'
    return f'{ignored}: {node.get_name()} has no topic {printable(topic)}; {hint}'


def _near(topic: str, topics: Sequence[str]) -> str:
    """The topic that was meant: often its name without the namespace was given; '' if unknown.

    Topics of a node are alike in their namespace, so the last part of the name has to be near.
    """
    ends = [each for each in topics if each.endswith(f'/{topic.strip("/")}')]
    near = difflib.get_close_matches(topic, topics, n=len(topics) or 1)
    own = topic.rpartition('/')[2]
    alike = [each for each in near if difflib.get_close_matches(own, [each.rpartition('/')[2]])]
    return next(iter(ends or alike), '')
