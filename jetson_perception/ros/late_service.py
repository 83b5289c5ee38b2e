"""A service whose answer may come later, without holding the node up.

rclpy can await in a callback, but its executor then goes round and round until the answer is
there, and calls nothing else of the same group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.ros.guarded_services import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    #: Takes whether it succeeded, and what to tell people.
    Answer = Callable[[bool, str], None]


class LateService:
    """Offers a service with `success` and `message` in its response.

    Parameters
    ----------
    node : rclpy Node
        Which offers it.
    service_type : type
        Of the service.
    name : str
        Its name.
    on_request : callable
        Called as on_request(request, answer) in the executor's thread; it, or somebody later in
        the same thread, calls answer(success, message) once.
    """

    def __init__(
        self,
        node: Node,
        service_type: Any,
        name: str,
        on_request: Callable[[Any, Answer], None],
    ) -> None:
        self._node = node
        self._on_request = on_request
        self._service = node.create_service(service_type, name, guarded(node, name, self._take))
        self._send = self._service.send_response
        # The executor calls it with what the callback returned, and whom that is for.
        self._service.send_response = self._send_or_keep
        self._is_open = True

    def close(self) -> None:
        """Take the service down; answers that are still to come reach nobody."""
        self._is_open = False
        self._node.destroy_service(self._service)

    def _take(self, request: Any, response: Any) -> Any:
        pending = _Pending(response, self._send_late)
        self._on_request(request, pending.answer)
        return response if pending.is_answered else pending

    def _send_or_keep(self, response: Any, header: Any) -> None:
        if isinstance(response, _Pending):
            response.header = header
        else:
            self._send(response, header)

    def _send_late(self, response: Any, header: Any) -> None:
        if self._is_open:
            self._send(response, header)


class _Pending:
    """A response that is not complete yet, and whom it is for once that is known."""

    def __init__(self, response: Any, send: Callable[[Any, Any], None]) -> None:
        self._response = response
        self._send = send
        self.header: Any = None
        self.is_answered = False

    def answer(self, success: bool, message: str) -> None:
        """Complete the response, and send it if the callback has returned."""
        if self.is_answered:
            return
        self.is_answered = True
        self._response.success, self._response.message = success, message
        if self.header is not None:
            self._send(self._response, self.header)
