"""A node's health on /diagnostics, once a second, as rqt_robot_monitor and others expect it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from jetson_perception.printable import printable, printable_line, printable_lines
from jetson_perception.ros import qos
from jetson_perception.ros.steady_timer import steady_timer
from jetson_perception.shortages import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from rclpy.node import Node

    from jetson_perception.pipeline import StageTimes

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE


def status(
    level: bytes, name: str, message: str, values: Mapping[str, Any], hardware: str = ''
) -> DiagnosticStatus:
    """One line of diagnostics; numbers are rounded as people read them.

    Texts are made printable and short once more, so that nothing that others sent floods those
    who listen.
    """
    return DiagnosticStatus(
        level=level,
        name=printable_line(name),
        message=printable_lines(message),
        hardware_id=printable_line(hardware),
        values=[
            KeyValue(key=printable_line(key), value=_told(value)) for key, value in values.items()
        ],
    )


def stage_values(times: StageTimes) -> dict[str, float]:
    """What a line tells of how long stages take."""
    values = {}
    for stage, spent in times.summary().items():
        values[f'{stage} median (ms)'] = spent.median_ms
        values[f'{stage} 99th percentile (ms)'] = spent.p99_ms
    return values


def _told(value: Any) -> str:
    return f'{value:.2f}' if isinstance(value, float) else printable_lines(str(value))


class DiagnosticsPublisher:
    """Publishes what `collect` returns, at 1 Hz, in every state of the node.

    Parameters
    ----------
    node : rclpy Node
        Whose health it is; `hardware_id` is its name, but for lines that are of a device.
    collect : callable
        Gives the list of DiagnosticStatus of now.
    """

    def __init__(self, node: Node, collect: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._collect = collect
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', qos.RESULTS)
        steady_timer(node, 1.0, self.publish)

    def publish(self) -> None:
        """Publish now: what is the matter with the node, or why that cannot be found out."""
        try:
            self._send(self._collect())
        except Exception as error:
            words = shortage(error) or f'unexpected {type(error).__name__}: {printable(error)}'
            name = self._node.get_fully_qualified_name()
            self._send([status(ERROR, name, f'how it does cannot be found out: {words}', {})])
            raise  # for the log

    def _send(self, lines: list[DiagnosticStatus]) -> None:
        msg = DiagnosticArray(status=lines)
        msg.header.stamp = self._node.get_clock().now().to_msg()
        for line in msg.status:
            line.hardware_id = line.hardware_id or self._node.get_fully_qualified_name()
        self._publisher.publish(msg)
