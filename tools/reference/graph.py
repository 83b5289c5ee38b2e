"""What topics and services the nodes have, found by starting them."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import onnx_models
import rclpy
from rclpy.context import Context
from rclpy.logging import LoggingSeverity, set_logger_level
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from jetson_perception.nodes.camera_node import CameraNode
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.ros.qos import shown_qos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rclpy.qos import QoSProfile

#: Namespaces that no user has, which names are cut off.
_NAMESPACE = 'reference'
#: A small network of each task, and the engine that runs it; the topics of engines are told of
#: as <engine>/….
_NETWORKS = {
    'boxes': onnx_models.detector,
    'poses': onnx_models.pose_detector,
    'masks': onnx_models.instance_segmenter,
    'kinds': onnx_models.color_classifier,
    'metres': onnx_models.depth_network,
}
#: What rclpy gives to each node, and what every lifecycle node has.
_OF_ROS = {'/parameter_events', '/rosout'}
_SERVICES_OF_ROS = (
    'parameter',  # …s, …_types and …s_atomically
    'get_type_description',
    'change_state',
    'get_state',
    'get_available_',
    'get_transition_graph',
)


class Endpoint(NamedTuple):
    """A topic that a node publishes or subscribes to, or a service that it offers.

    Attributes
    ----------
    name : str
        Relative to the node's namespace; <engine> stands for the name of an engine.
    type : str
        As ROS writes it, without the part in the middle: sensor_msgs/Image.
    qos : str
        Reliability, durability and depth in words; empty for a service.
    """

    name: str
    type: str
    qos: str


class NodeGraph(NamedTuple):
    """What a node publishes, subscribes to and offers, in the order in which it makes them."""

    publishers: list[Endpoint]
    subscriptions: list[Endpoint]
    services: list[Endpoint]


def graphs() -> dict[str, NodeGraph]:
    """What each node has, active and with every kind of model; seconds pass.

    Keys are the nodes, and two that have more with a parameter set: `every_frame` and `relative`
    of depth.
    """
    with tempfile.TemporaryDirectory() as folder:
        models = {
            engine: str(make(Path(folder, f'{engine}.onnx'))) for engine, make in _NETWORKS.items()
        }
        relative = models['metres']
        return {
            'seg_node': _graph(SegNode, model='oranges'),
            'yolo_node': _graph(
                YoloNode,
                engines=list(models),
                **{f'{engine}.model': path for engine, path in models.items()},
                **{'metres.depth_values': 'metric', 'depth.image_topics': ['depth']},
            ),
            'relative': _graph(
                YoloNode,
                **{
                    'engines': ['metres'],
                    'metres.model': relative,
                    'metres.depth_values': 'relative',
                },
            ),
            'camera_node': _graph(CameraNode, source='scene://oranges?width=64&height=64'),
            'every_frame': _graph(
                YoloNode,
                **{'engines': ['boxes'], 'boxes.model': models['boxes'], 'every_frame': True},
            ),
            'camera, every_frame': _graph(
                CameraNode, source='scene://oranges?width=64&height=64', every_frame=True
            ),
        }


def _graph(kind: type, **parameters: Any) -> NodeGraph:
    with running(kind, parameters, ['--ros-args', '-r', f'__ns:=/{_NAMESPACE}']) as node:
        return NodeGraph(
            [
                _endpoint(each.topic_name, each.msg_type, each.qos_profile)
                for each in node.publishers
                if each.topic_name not in _OF_ROS
            ],
            [
                _endpoint(each.topic_name, each.msg_type, each.qos_profile)
                for each in node.subscriptions
                if each.topic_name != '/diagnostics'  # for a moment, to say why no image comes
            ],
            [
                _endpoint(each.srv_name, each.srv_type)
                for each in node.services
                if not any(word in each.srv_name for word in _SERVICES_OF_ROS)
            ],
        )


@contextmanager
def running(
    kind: type, parameters: Mapping[str, Any] = MappingProxyType({}), arguments: Sequence[str] = ()
) -> Iterator[Any]:
    """A node of a class that is active, in a context of its own that has a command line."""
    context = Context()
    rclpy.init(
        context=context, args=list(arguments), signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        node = kind(
            context=context,
            parameter_overrides=[
                Parameter(name, value=value)
                for name, value in {'runtime': 'onnxruntime_cpu', **parameters}.items()
                if name != 'runtime' or kind is SegNode
            ],
        )
        set_logger_level(node.get_logger().name, LoggingSeverity.ERROR)
        try:
            node.bring_up()
            if not node.active:
                raise RuntimeError(f'{node.get_name()} is not active: {node.problem}')
            yield node
        finally:
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def _endpoint(name: str, kind: type, profile: QoSProfile | None = None) -> Endpoint:
    name = name.removeprefix(f'/{_NAMESPACE}/')
    own = '~/' if name.startswith('~/') else ''
    engine, _, rest = name.removeprefix(own).partition('/')
    if engine in _NETWORKS:
        name = f'{own}<engine>/{rest}'
    return Endpoint(name, _type(kind), '' if profile is None else qos_text(profile))


def _type(kind: Any) -> str:
    package = kind.__module__.partition('.')[0]
    return f'{package}/{kind.__name__}'


def qos_text(profile: QoSProfile) -> str:
    """A profile in words: 'reliable, keeps 5', with 'latched' for transient local."""
    reliability, durability = shown_qos(profile)
    latched = ', latched' if durability == 'transient_local' else ''
    return f'{reliability.replace("_", " ")}{latched}, keeps {profile.depth}'
