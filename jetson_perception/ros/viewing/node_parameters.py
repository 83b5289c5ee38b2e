"""The parameters of nodes that the page may set: what they are, and how they are set."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python

from jetson_perception.errors import ParameterError
from jetson_perception.printable import printable, quoted
from jetson_perception.ros.viewing.class_changes import MOST_CLASSES
from jetson_perception.ros.viewing.facts import finite

if TYPE_CHECKING:
    from rclpy.node import Node

    from jetson_perception.ros.viewing.node_thread import NodeThread

THRESHOLDS = ('score_threshold', 'iou_threshold')
CLASSES = 'classes'
ENABLE = 'enable'
_MOST_PARAMETERS = 64
_MOST_NAME = 300
_DIGITS = 6
#: How long a node may take to answer, and its services to be discovered.
_ANSWER_S = 3.0
_THERE_S = 2.0
_LOOK_S = 0.05


class NodeParameters:
    """Asks nodes by their parameter services, in the thread that spins the asking node.

    Parameters
    ----------
    node : Node
        Which asks.
    thread : NodeThread
        That spins it.
    """

    def __init__(self, node: Node, thread: NodeThread) -> None:
        self._node = node
        self._thread = thread
        self._clients: dict[str, Any] = {}

    async def of(self, node_name: str) -> list[dict[str, Any]]:
        """What of a node's parameters may be set, with values and limits, as JSON has it.

        Lists of classes are as the node has them: see `class_changes`.

        Raises
        ------
        ParameterError
            When the node does not answer.
        """
        asked = ListParameters.Request(depth=ListParameters.Request.DEPTH_RECURSIVE)
        listed = await self._call(ListParameters, node_name, 'list_parameters', asked)
        names = [name for name in listed.result.names if is_for_the_page(name)]
        names = sorted(names)[:_MOST_PARAMETERS]
        if not names:
            return []
        described = await self._call(
            DescribeParameters,
            node_name,
            'describe_parameters',
            DescribeParameters.Request(names=names),
        )
        got = await self._call(
            GetParameters, node_name, 'get_parameters', GetParameters.Request(names=names)
        )
        found = []
        for name, descriptor, value in zip(names, described.descriptors, got.values, strict=False):
            shown = _shown(name, descriptor, parameter_value_to_python(value))
            if shown is not None:
                found.append({'node': node_name, **shown})
        return found

    async def classes(self, node_name: str, name: str) -> list[str]:
        """The value of a parameter that is a list of classes.

        Raises
        ------
        ParameterError
            When it is none, or the node does not answer.
        """
        shown = printable(name, _MOST_NAME)
        if name.rpartition('.')[2] != CLASSES or len(name) > _MOST_NAME or not _can_be_sent(name):
            raise ParameterError(f'{shown} is no list of classes', shown)
        got = await self._call(
            GetParameters, node_name, 'get_parameters', GetParameters.Request(names=[name])
        )
        value = parameter_value_to_python(got.values[0]) if got.values else None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ParameterError(f'{printable(node_name)} has no list of classes {shown}', shown)
        return [each for each in value if each]

    async def set(self, node_name: str, name: str, value: Any) -> None:
        """Set one of them.

        Raises
        ------
        ParameterError
            When it is none of them, the value cannot be one, or the node refuses it or does not
            answer.
        """
        if not is_for_the_page(name) or len(name) > _MOST_NAME:
            raise ParameterError(f'the page does not set {quoted(name)}', name[:_MOST_NAME])
        parameter = _parameter(name, value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        answer = await self._call(SetParameters, node_name, 'set_parameters', request)
        result = answer.results[0] if answer.results else None
        if result is None or not result.successful:
            reason = printable(result.reason, 400) if result is not None else 'no result'
            raise ParameterError(
                f'{printable(node_name)} refuses {printable(name)}: {reason}', name
            )

    async def _call(self, service_type: Any, node_name: str, service: str, request: Any) -> Any:
        client = await self._thread.ask(lambda: self._client(service_type, node_name, service))
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _THERE_S
        while not client.service_is_ready():
            if loop.time() > deadline_s:
                raise ParameterError(f'{printable(node_name)} has no parameter services')
            await asyncio.sleep(_LOOK_S)
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(response: Any) -> None:
            if not answer.done():
                answer.set_result(response)

        def send() -> Any:
            sent = client.call_async(request)
            sent.add_done_callback(lambda done: loop.call_soon_threadsafe(settle, done.result()))
            return sent

        sent = await self._thread.ask(send)
        try:
            return await asyncio.wait_for(answer, _ANSWER_S)
        except asyncio.TimeoutError:
            self._thread.soon(lambda: client.remove_pending_request(sent))
            raise ParameterError(
                f'{printable(node_name)} does not answer: it has ended, or is busy'
            ) from None

    def _client(self, service_type: Any, node_name: str, service: str) -> Any:
        name = f'{node_name}/{service}'
        if name not in self._clients:
            self._clients[name] = self._node.create_client(service_type, name)
        return self._clients[name]


def is_for_the_page(name: str) -> bool:
    """Whether the page may set a parameter of this name."""
    return name.rpartition('.')[2] in {*THRESHOLDS, CLASSES, ENABLE}


def _shown(name: str, descriptor: ParameterDescriptor, value: Any) -> dict[str, Any] | None:
    """A parameter as JSON has it; None if it cannot be set, or is of a type that is not shown."""
    if descriptor.read_only:
        return None
    told = {'name': name, 'description': printable(descriptor.description, 400)}
    if name.rpartition('.')[2] == CLASSES:
        if descriptor.type != ParameterType.PARAMETER_STRING_ARRAY:
            return None
        return {**told, 'kind': 'classes', 'value': [each for each in value or [] if each]}
    if name.rpartition('.')[2] == ENABLE:
        if descriptor.type != ParameterType.PARAMETER_BOOL:
            return None
        return {**told, 'kind': 'switch', 'value': bool(value)}
    if descriptor.type != ParameterType.PARAMETER_DOUBLE:
        return None
    limits = descriptor.floating_point_range
    low, high = (limits[0].from_value, limits[0].to_value) if limits else (0.0, 1.0)
    numbers = {
        key: finite(each, _DIGITS) for key, each in (('value', value), ('from', low), ('to', high))
    }
    return {**told, 'kind': 'number', **numbers}


def _parameter(name: str, value: Any) -> Parameter:
    """What the page gave, as a parameter of its type; ROS has to be able to send all of it."""
    shown = printable(name)
    if not _can_be_sent(name):
        raise ParameterError(f'{shown} is no name of a parameter', shown)
    if name.rpartition('.')[2] == CLASSES:
        is_list = isinstance(value, list) and len(value) <= MOST_CLASSES
        if not (is_list and all(isinstance(each, str) and len(each) <= 200 for each in value)):
            raise ParameterError(f'{shown} has to be a list of names of classes', shown)
        for each in value:
            if not _can_be_sent(each):
                raise ParameterError(f'{shown}: {quoted(each)} is no name of a class', shown)
        return Parameter(name, Parameter.Type.STRING_ARRAY, value)
    if name.rpartition('.')[2] == ENABLE:
        if not isinstance(value, bool):
            raise ParameterError(f'{shown} has to be true or false', shown)
        return Parameter(name, Parameter.Type.BOOL, value)
    number = _number(value)
    if number is None:
        raise ParameterError(f'{shown} has to be a number, not {quoted(value)}', shown)
    return Parameter(name, Parameter.Type.DOUBLE, number)


def _can_be_sent(text: str) -> bool:
    """Whether a text arrives as it is: ROS cuts texts at a zero, and sends no half of a pair."""
    return '\0' not in text and not any('\ud800' <= each <= '\udfff' for each in text)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None
