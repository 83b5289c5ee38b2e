"""What the nodes of the launch files may do where ROS's security (SROS 2) is on.

The nodes are started as the launch files start them, and allowed is what they then publish,
subscribe to and offer, with what they do only now and then (`_NOW_AND_THEN`). The form is that of
`ros2 security generate_artifacts --policy-files` (ros2/sros2, policy.xsd, version 0.2.0).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from jetson_perception import bringup
from jetson_perception.nodes.camera_node import CameraNode
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros.lockstep import done_topic
from reference import topics
from reference.graph import running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node

    from jetson_perception.bringup import NodeProcess

ENCLAVE = '/jetson_perception'
"""The enclave of all nodes together; each has one of its own below it, by its full name."""

_KINDS = {'camera_node': CameraNode, 'seg_node': SegNode, 'yolo_node': YoloNode}
#: A scene that is rendered quickly; the topics are those of any.
_SMALL = {'source': 'scene://oranges?width=64&height=64'}
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by tools/generate_reference.py from what the nodes of seg.launch.py and
     yolo.launch.py have; docs/security.md tells how to use it. -->
"""


class Allowed(NamedTuple):
    """Full names of what a node may have; request and reply are of services."""

    name: str
    namespace: str
    publish: frozenset[str]
    subscribe: frozenset[str]
    reply: frozenset[str]
    request: frozenset[str]


def policy() -> str:
    """The policy file; starts nodes, which takes seconds."""
    found = [
        _allowed(process)
        for process in (
            *bringup.seg(bringup.defaults(bringup.SEG_ARGUMENTS) | _SMALL),
            *bringup.yolo(bringup.defaults(bringup.YOLO_ARGUMENTS) | _SMALL),
        )
    ]
    root = ElementTree.Element('policy', version='0.2.0')
    enclaves = ElementTree.SubElement(root, 'enclaves')
    for path, nodes in (
        *((f'{ENCLAVE}{node.namespace}/{node.name}', [node]) for node in found),
        (ENCLAVE, found),
    ):
        enclave = ElementTree.SubElement(enclaves, 'enclave', path=path)
        profiles = ElementTree.SubElement(enclave, 'profiles')
        for node in nodes:
            _write(profiles, node)
    ElementTree.indent(root)
    return f'{_HEAD}{ElementTree.tostring(root, encoding="unicode")}\n'


def read(text: str) -> dict[str, list[Allowed]]:
    """What a policy file allows to the nodes of each enclave, by its path."""
    allowed: dict[str, list[Allowed]] = {}
    for enclave in ElementTree.fromstring(text.encode()).iter('enclave'):
        for profile in enclave.iter('profile'):
            names = {
                rule: frozenset(
                    each.text or ''
                    for rules in profile
                    if rules.get(rule) == 'ALLOW'
                    for each in rules
                )
                for rule in ('publish', 'subscribe', 'reply', 'request')
            }
            node = Allowed(profile.attrib['node'], profile.attrib['ns'], **names)
            allowed.setdefault(enclave.attrib['path'], []).append(node)
    return allowed


def _allowed(process: NodeProcess) -> Allowed:
    kind = _KINDS[process.executable]
    with running(kind, arguments=process.command(sys.prefix)[1:]) as node:
        published, subscribed = _now_and_then(process.executable, node)
        return Allowed(
            node.get_name(),
            node.get_namespace(),
            publish=_names(node, 'publisher') | published,
            subscribe=_names(node, 'subscriber') | subscribed,
            reply=_names(node, 'service'),
            request=_names(node, 'client'),
        )


def _names(node: Node, kind: str) -> frozenset[str]:
    of_node: Any = getattr(node, f'get_{kind}_names_and_types_by_node')
    return frozenset(name for name, _ in of_node(node.get_name(), node.get_namespace()))


def _now_and_then(executable: str, node: Node) -> tuple[set[str], set[str]]:
    """What a node publishes and subscribes to with some parameters, or for a moment."""
    published = {'/bond'}  # where it is started with bond_timeout, by a lifecycle manager
    subscribed = {'/bond', '/clock'}
    if executable == 'camera_node':
        images = node.resolve_topic_name('image_raw')
        subscribed.add(done_topic(images))  # every_frame
        published |= {node.resolve_topic_name(name) for name, _, _ in topics.TRUTH}
    else:
        images = node.resolve_topic_name('image')
        published.add(done_topic(images))
        subscribed |= {f'{images}/{way}' for way in ('compressed', 'ffmpeg', 'foxglove')}
        subscribed.add('/diagnostics')  # to say why no image comes
        subscribed |= {'/tf', '/tf_static'}  # depth.target_frame
    if executable == 'yolo_node':
        published |= {
            node.resolve_topic_name(name.replace('<engine>', engine))
            for name, _, _ in topics.WITH_PACKAGE
            for engine in node.get_parameter('engines').value
        }
    return published, subscribed


def _write(profiles: ElementTree.Element, node: Allowed) -> None:
    profile = ElementTree.SubElement(profiles, 'profile', ns=node.namespace, node=node.name)
    for kind, rule, names in (
        ('topic', 'publish', node.publish),
        ('topic', 'subscribe', node.subscribe),
        ('service', 'reply', node.reply),
        ('service', 'request', node.request),
    ):
        _write_rule(profile, kind, rule, sorted(names))


def _write_rule(profile: ElementTree.Element, kind: str, rule: str, names: Iterable[str]) -> None:
    names = list(names)
    if not names:  # the schema wants one at least
        return
    rules = ElementTree.SubElement(profile, f'{kind}s', {rule: 'ALLOW'})
    for name in names:
        ElementTree.SubElement(rules, kind).text = name
