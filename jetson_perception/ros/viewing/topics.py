"""Which topics of the graph the page shows, and how."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rclpy.node import Node

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABELS = 'vision_msgs/msg/LabelInfo'
SUMMARY = 'jetson_perception/msg/SegmentationSummary'
STATS = 'jetson_perception/msg/PipelineStats'
KEYPOINTS = 'jetson_perception/msg/KeypointDetection2DArray'
CLASSIFICATION = 'vision_msgs/msg/Classification'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'

_ENDS = {
    DETECTIONS: '/detections',
    LABELS: '/label_info',
    SUMMARY: '/summary',
    STATS: '/stats',
    DIAGNOSTICS: '/diagnostics',
}
#: What of the results is recorded.
_RECORDED_ENDS = {
    DETECTIONS: '/detections',
    KEYPOINTS: '/keypoints',
    SUMMARY: '/summary',
    CLASSIFICATION: '/classification',
}
OF_COMPRESSED = '/compressed'
#: DDS has names that ROS has not, which cannot be subscribed to.
_NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
_MOST_NAME = 255
#: More than a page can show, so that a graph without measure costs no memory without measure.
_MOST = 100


class Topics(NamedTuple):
    """Topics of the graph.

    Attributes
    ----------
    pictures : dict of str to str
        Streams of pictures by the names of their raw topics: what is subscribed to for each, which
        is the compressed topic where there is one.
    facts : dict of str to str
        Types of the topics that are shown in words and figures, by name.
    """

    pictures: dict[str, str]
    facts: dict[str, str]


def sorted_out(
    graph: Iterable[tuple[str, list[str]]],
    wanted: frozenset[str] = frozenset(),
    is_published: Callable[[str], bool] = lambda name: True,
) -> Topics:
    """What of the graph's names and types is shown.

    Parameters
    ----------
    graph : iterable of (str, list of str)
        As rclpy gives it.
    wanted : frozenset of str
        Image topics that are shown beside those that our nodes draw, raw or compressed.
    is_published : callable
        Whether a topic has a publisher: who only listens keeps one in the graph.
    """
    pictures: dict[str, str] = {}
    facts: dict[str, str] = {}
    for name, types in sorted(graph):
        if not _is_name(name):
            continue
        raw = name.removesuffix(OF_COMPRESSED)
        is_shown = raw.endswith('/annotated') or bool({name, raw} & wanted)
        # Sorted, a compressed topic comes after the raw one, and takes its place.
        is_stream = is_shown and (IMAGE if name == raw else COMPRESSED) in types
        if is_stream and is_published(name):
            pictures[raw] = name
        facts.update((name, kind) for kind in _kinds(name, types, _ENDS))
    return Topics(dict(list(pictures.items())[:_MOST]), dict(list(facts.items())[:_MOST]))


def topics_of(node: Node, wanted: frozenset[str]) -> Topics:
    """What is shown of the graph, as a node sees it now."""

    def is_published(name: str) -> bool:
        return node.count_publishers(name) > 0

    return sorted_out(node.get_topic_names_and_types(), wanted, is_published)


def recorded_topics(graph: Iterable[tuple[str, list[str]]]) -> dict[str, str]:
    """Types of the topics of results, by name, of the graph's names and types."""
    found: dict[str, str] = {}
    for name, types in sorted(graph):
        if _is_name(name):
            found.update((name, kind) for kind in _kinds(name, types, _RECORDED_ENDS))
    return dict(list(found.items())[:_MOST])


def _is_name(name: str) -> bool:
    return len(name) <= _MOST_NAME and _NAME.fullmatch(name) is not None


def _kinds(name: str, types: list[str], ends: Mapping[str, str]) -> Iterator[str]:
    """Types of a topic that engines publish by such a name: the truth of a scene is no result."""
    for kind in types:
        if kind in ends and name.endswith(ends[kind]) and '/ground_truth/' not in name:
            yield kind


def engine_of(topic: str) -> str:
    """Name of the engine whose topic this is, with its namespace: /yolo/det."""
    return topic.rpartition('/')[0]
