"""Runs a node's callbacks until it is told to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from rclpy.executors import SingleThreadedExecutor

from jetson_perception.ros.callback_errors import CallbackErrors
from jetson_perception.tracing import RECORDER

if TYPE_CHECKING:
    from rclpy.guard_condition import GuardCondition
    from rclpy.node import Node


class Spinner:
    """Runs a node's callbacks in the thread that calls `spin`, until `stop`.

    `rclpy.spin_until_future_complete` adds a callback to its future with every event, and keeps
    them all: 270 bytes an event. This keeps nothing. Nor does it end by what a callback raises:
    a node stays up, whatever it is sent. That is logged, and goes to the node's `state_report`.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        #: Wakes the executor, while there is one.
        self._wake: GuardCondition | None = None
        self._errors = CallbackErrors()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End `spin` after the callback under way, or before it begins; from any thread."""
        self._stopped.set()
        with self._lock:
            if self._wake is not None:
                self._wake.trigger()

    def spin(self, node: Node) -> None:
        """Run the node's callbacks until `stop`, or until the node's context is shut down.

        Raises
        ------
        ExternalShutdownException
            When the context was shut down meanwhile.
        """
        report = getattr(node, 'state_report', None)
        if report is not None:
            self._errors = report.callback_errors
        executor = SingleThreadedExecutor(context=node.context)
        # One of the node's, as the executor gives callbacks only, not that it was woken.
        wake = node.create_guard_condition(_nothing)
        with self._lock:
            self._wake = wake
        try:
            executor.add_node(node)
            while node.context.ok() and not self.stopped:
                self._run_next(executor)
        finally:
            with self._lock:
                self._wake = None
            executor.shutdown()
            node.destroy_guard_condition(wake)

    def _run_next(self, executor: SingleThreadedExecutor) -> None:
        """Wait for the next callback and run it."""
        callback, entity, _ = executor.wait_for_ready_callbacks()
        if RECORDER.on:
            with RECORDER.sampled(_called(entity)):
                callback()
        else:
            callback()
        error = callback.exception()
        if error is not None:
            self._errors.add(error)


def _called(entity: Any) -> str:
    """What a trace calls the callback of a subscription, service, timer or other entity."""
    for attribute in ('topic_name', 'srv_name'):
        name = getattr(entity, attribute, '')
        if name:
            return f'callback {name}'
    function = getattr(getattr(entity, 'callback', None), '__qualname__', '')
    return f'callback {type(entity).__name__} {function}'.rstrip()


def _nothing() -> None:
    """Do nothing, as a callback."""
