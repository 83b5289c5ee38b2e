"""The two topics of a measured graph: who takes the images, and who publishes answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.validate_full_topic_name import validate_full_topic_name

from jetson_perception.errors import ParameterError, PerceptionError
from jetson_perception.printable import counted, listed, printable
from jetson_perception.ros.endpoint_names import is_named, node_name, owner_of
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.qos import all_reliable, shown_qos, with_reliability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

_LOOK_EVERY_S = 0.1
#: The forms in which pictures can be sent.
_SENT = ('raw', 'compressed')
_MOST_LISTED = 6
#: Topics of every node, which answer nothing.
_OF_EVERY_NODE = ('/rosout', '/parameter_events', '/diagnostics')


class MeasuredTopics(NamedTuple):
    """What was found in the graph.

    Attributes
    ----------
    images : ImageTopic
        With images of the kind that is subscribed to.
    takers : list of TopicEndpointInfo
        Who subscribes to them.
    others : list of str
        Nodes that publish on the image topic besides.
    answer_type : str
        Type of the answers.
    answerers : list of TopicEndpointInfo
        Who publishes them.
    """

    images: ImageTopic
    takers: list[TopicEndpointInfo]
    others: list[str]
    answer_type: str
    answerers: list[TopicEndpointInfo]


def full_topic_name(name: str) -> str:
    """A topic as the graph has it.

    Raises
    ------
    ParameterError
        When no topic can have this name.
    """
    full = name if name.startswith('/') else f'/{name}'
    try:
        validate_full_topic_name(full)
    except (InvalidTopicNameException, ValueError) as err:
        reason = str(err).partition(':')[0].partition('\n')[0]
        raise ParameterError(
            f'{printable(name)} is no name of a topic ({printable(reason)}); expected one such as '
            '/camera/image_raw'
        ) from err
    return full


def find_topics(
    node: Node, images: str, answers: str, answer_type: str, *, reliable: bool, patience_s: float
) -> MeasuredTopics:
    """Wait until somebody takes the images and somebody publishes the answers.

    Parameters
    ----------
    node : Node
        Whose view of the graph counts; it is spun by another thread, or needs no callbacks.
    images, answers : str
        Full names of the topics.
    answer_type : str
        Of several types on the topic, the one that is meant; '' where there is one.
    reliable : bool
        Whether images are to be sent reliable.
    patience_s : float
        How long to wait.

    Raises
    ------
    PerceptionError
        When one of them is not there in time, or does not fit; lists what is there instead.
    """
    deadline_s = time.monotonic() + patience_s

    def awaited(look: Callable[[], list[TopicEndpointInfo]]) -> list[TopicEndpointInfo]:
        while not (found := look()) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S)
        while not all(map(is_named, found)) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S)  # topics are reported first, and their nodes' names later
            found = look()
        return found

    takers = awaited(lambda: node.get_subscriptions_info_by_topic(images))
    kind = _kind(node, images, takers)
    takers = [taker for taker in takers if taker.topic_type == kind.type_name]
    others = [printable(node_name(info)) for info in node.get_publishers_info_by_topic(images)]
    _require_fitting(images, takers, others, reliable=reliable)
    answerers = awaited(lambda: node.get_publishers_info_by_topic(answers))
    if not answerers:
        raise PerceptionError(_no_answers(node, answers, takers))
    found_type = _answer_type(answers, answerers, answer_type)
    return MeasuredTopics(
        kind,
        takers,
        others,
        found_type,
        [info for info in answerers if info.topic_type == found_type],
    )


def listening_profile(publishers: Iterable[TopicEndpointInfo]) -> QoSProfile:
    """A profile that hears all that these publishers send: reliable if all of them are."""
    return with_reliability(QoSProfile(depth=500), reliable=all_reliable(publishers))


def described_endpoint(info: TopicEndpointInfo) -> dict[str, Any]:
    """A publisher or subscription, for a file of figures."""
    reliability, durability = shown_qos(info.qos_profile)
    return {
        'node': printable(node_name(info)),
        'type': printable(info.topic_type),
        'reliability': reliability,
        'durability': durability,
    }


def _kind(node: Node, images: str, takers: list[TopicEndpointInfo]) -> ImageTopic:
    if not takers:
        topics = _image_topics(node)
        there = (
            f'images are taken on {listed(topics, _MOST_LISTED)}'
            if topics
            else 'no node takes images on any topic: start the node that is to be measured, in '
            'this ROS_DOMAIN_ID'
        )
        raise PerceptionError(f'nobody subscribes to {printable(images)}; {there}')
    for form in _SENT:
        kind = ImageTopic(images, form)
        if any(taker.topic_type == kind.type_name for taker in takers):
            return kind
    types = listed(sorted({printable(taker.topic_type) for taker in takers}), _MOST_LISTED)
    raise PerceptionError(
        f'what is taken on {printable(images)} is {types}; expected a topic of sensor_msgs/msg/'
        'Image or CompressedImage'
    )


def _require_fitting(
    images: str, takers: list[TopicEndpointInfo], others: list[str], *, reliable: bool
) -> None:
    """Refuse to send what somebody who subscribes would not get."""
    for taker in takers:
        profile, name = taker.qos_profile, printable(node_name(taker))
        if profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL:
            raise PerceptionError(
                f'{name} subscribes to {printable(images)} as transient_local, which no camera '
                'is: start it with volatile durability'
            )
        if profile.reliability == QoSReliabilityPolicy.RELIABLE and not reliable:
            # Our nodes take what is published: while no camera runs, they take best effort too.
            camera = f'end {listed(others, _MOST_LISTED)}, or ' if others else ''
            raise PerceptionError(
                f'{name} takes only reliable images on {printable(images)}: {camera}send such, by '
                '--reliable'
            )


def _answer_type(answers: str, answerers: list[TopicEndpointInfo], given: str) -> str:
    types = sorted({info.topic_type for info in answerers})
    wanted = given if given.count('/') != 1 else given.replace('/', '/msg/')
    if wanted and wanted not in types:
        raise ParameterError(
            f'{printable(answers)} has {listed([printable(each) for each in types], 3)}, not '
            f'{printable(given)}',
            'answer_type',
        )
    if not wanted and len(types) > 1:
        raise ParameterError(
            f'{printable(answers)} has several types: '
            f'{listed([printable(each) for each in types], _MOST_LISTED)}; name one by '
            '--answer-type',
            'answer_type',
        )
    return wanted or types[0]


def _no_answers(node: Node, answers: str, takers: list[TopicEndpointInfo]) -> str:
    """That nobody publishes the answers, and what those who take the images publish."""
    nodes = {(owner_of(info.node_name), info.node_namespace) for info in takers}
    topics = sorted(
        printable(topic)
        for name, namespace in nodes
        for topic, _ in node.get_publisher_names_and_types_by_node(name, namespace)
        if topic not in _OF_EVERY_NODE
    )
    there = (
        f'{"they" if len(nodes) > 1 else "it"} publish{"" if len(nodes) > 1 else "es"} '
        f'{listed(topics, 2 * _MOST_LISTED)}'
        if topics
        else 'no results either: a lifecycle node has to be active'
    )
    return (
        f'nobody publishes {printable(answers)}; the images are taken by '
        f'{counted(len(nodes), "node")}, and {there}'
    )


def _image_topics(node: Node) -> list[str]:
    """Topics on which images are taken."""
    types = {ImageTopic('', form).type_name for form in _SENT}
    return sorted(
        printable(name)
        for name, found in node.get_topic_names_and_types()
        if types & set(found) and node.count_subscribers(name)
    )
