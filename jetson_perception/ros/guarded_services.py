"""Services whose requests cannot end the node.

rclpy lets what a service's callback raises end the process, and its own raise for requests that
other nodes can send: one parameter of a type that ROS does not have is enough.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically

from jetson_perception.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node


def guard_services(node: Node) -> None:
    """Have every service that the node has so far refuse a request instead of raising."""
    for service in node.services:
        service.callback = guarded(node, service.srv_name, service.callback)


def guarded(node: Node, name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    """The callback of a service of this name, refusing a request instead of raising."""
    return partial(_answer, node, name, callback)


def _answer(
    node: Node, name: str, callback: Callable[..., Any], request: Any, response: Any
) -> Any:
    try:
        return callback(request, response)
    except Exception as error:  # noqa: BLE001 - whatever it is, the node keeps running
        reason = f'the request cannot be handled: {type(error).__name__}: {printable(error)}'
        node.get_logger().error(f'{name}: {reason}', throttle_duration_sec=5.0)
        refused = SetParametersResult(successful=False, reason=reason)
        if isinstance(request, SetParameters.Request):
            # A half-made response would give the results of some as those of others.
            return SetParameters.Response(results=[refused] * len(request.parameters))
        if isinstance(request, SetParametersAtomically.Request):
            return SetParametersAtomically.Response(result=refused)
        answer = type(response)()
        for field in ('message', 'status_message'):  # of Trigger and of SetCameraInfo, for people
            if hasattr(answer, field):
                setattr(answer, field, reason)
        return answer
