"""The line of diagnostics that says how a node is: its state, and what keeps it from working."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetson_perception.process.service_manager import tell_service_manager
from jetson_perception.ros import diagnostics
from jetson_perception.ros.callback_errors import CallbackErrors
from jetson_perception.ros.namesakes import Namesakes
from jetson_perception.ros.stamps import clock_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node

_CLOCK_PATIENCE_S = 3  # a simulation that starts together with the node takes a while


@dataclass(frozen=True)
class Condition:
    """How a node is at this moment; texts are for people, and empty where there is nothing.

    Attributes
    ----------
    state : str
        Of the lifecycle, as rclpy calls it.
    active : bool
        Whether it works.
    hang : str
        What has not returned for longer than it may.
    problem : str
        Why it does not run.
    busy : str
        What it waits for before it can work.
    busy_values : mapping
        What to report of that.
    facts : mapping
        What to report in every state.
    parameter_problems : sequence of str
        What was wrong at start.
    """

    state: str
    active: bool
    hang: str
    problem: str
    busy: str
    busy_values: Mapping[str, Any]
    facts: Mapping[str, Any]
    parameter_problems: Sequence[str]


class StateReport:
    """Makes a line of a node's condition, once a second; what is new is logged.

    systemd hears of it too, where it started the node.

    Parameters
    ----------
    node : rclpy Node
        Whose condition it is.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._namesakes = Namesakes(node)
        #: What callbacks raised.
        self.callback_errors = CallbackErrors()
        #: What the process may not do that it is to do.
        self.process_problem = ''
        self._hang_told = ''
        self._seconds_without_time = 0

    def status(self, condition: Condition) -> DiagnosticStatus:
        """The line of now; call it once a second, in the executor's thread."""
        self._tell_hang(condition.hang)
        level, message = _lifecycle(condition)
        found = (
            self._tell_clock(),
            self.callback_errors.problem(),
            self.process_problem,
            *condition.parameter_problems,
        )
        problems = list(filter(None, found))
        if problems and level == diagnostics.OK:
            level, message = diagnostics.WARN, '; '.join(problems)
        namesake = self._namesakes.problem()
        if namesake:
            message = f'{namesake}. {message}' if level != diagnostics.OK else namesake
            level = diagnostics.ERROR
        tell_service_manager(message, is_well=not condition.hang)
        values = {**condition.facts, **self._namesakes.facts}
        if condition.hang or (condition.busy and not condition.problem):
            values.update(condition.busy_values)
        return diagnostics.status(level, self._node.get_fully_qualified_name(), message, values)

    def _tell_hang(self, hang: str) -> None:
        """Log what hangs when it is new."""
        begin = hang.partition('(')[0]
        if begin != self._hang_told:
            self._hang_told = begin
            if hang:
                self._node.get_logger().error(f'{hang}; restart this node if it stays so')

    def _tell_clock(self) -> str:
        """What keeps the node from knowing the time; logged when it lasts."""
        problem = clock_problem(self._node)
        self._seconds_without_time = self._seconds_without_time + 1 if problem else 0
        if self._seconds_without_time == _CLOCK_PATIENCE_S:
            self._node.get_logger().warning(problem)
        return problem


def _lifecycle(condition: Condition) -> tuple[bytes, str]:
    """Level and words of what a node does, waits for, or failed at."""
    if condition.hang or condition.problem:
        return diagnostics.ERROR, condition.hang or condition.problem
    if condition.busy:
        return diagnostics.WARN, condition.busy
    if condition.active:
        return diagnostics.OK, 'active'
    return diagnostics.STALE, condition.state
