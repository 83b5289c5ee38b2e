"""What other nodes of this package say about themselves on /diagnostics, for those who wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from jetson_perception.printable import printable
from jetson_perception.ros import qos
from jetson_perception.ros.image_topic import raw_topic

if TYPE_CHECKING:
    from rclpy.node import Node

#: Lines that are kept; a robot has hundreds.
_MOST_LINES = 1000


class NodeHealth:
    """Listens to /diagnostics from now on; ours speak once a second.

    Parameters
    ----------
    node : rclpy Node
        Which listens.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lines: dict[str, DiagnosticStatus] = {}
        self._subscription = node.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, qos.DIAGNOSTICS_INPUT
        )

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def phase_of_source(self, name: str, topic: str) -> str:
        """What the source does whose images a node publishes on a topic, by a word; '' if none.

        It is 'starting', 'playing', 'waiting', 'lost' or 'ended'.
        """
        line = self._source(name, topic)
        return '' if line is None else _value(line, 'state')

    def source_of(self, name: str, topic: str) -> str:
        """What a node reads and publishes on a topic, such as bag:///drive; '' for no source."""
        line = self._source(name, topic)
        return '' if line is None else _value(line, 'source')

    def of(self, name: str, topic: str) -> str:
        """Why a node by its full name sends nothing on a topic, as it says; '' for all it says."""
        source = self._source(name, topic)
        if source is not None and _value(source, 'state') != 'playing':
            return printable(source.message)
        line = self._lines.get(name)
        if line is not None and line.level != DiagnosticStatus.OK:
            return printable(line.message)
        return ''

    def would_publish(self, image_topic: str) -> list[str]:
        """Full names of nodes that name this as their image topic, ready or not."""
        return [
            name
            for name, line in self._lines.items()
            if image_topic in _value(line, 'image topic').split(', ')
        ]

    def _source(self, name: str, topic: str) -> DiagnosticStatus | None:
        """The line about a source; a node may read several, and has one line for each."""
        only = self._lines.get(f'{name}: source')
        if only is not None:
            return only
        raw = raw_topic(topic)
        return next(
            (
                line
                for title, line in self._lines.items()
                if title.startswith(f'{name}: source /') and _value(line, 'topic') == raw
            ),
            None,
        )

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for line in msg.status:
            # Ours have the node's full name; those that drivers publish have none.
            if line.name.startswith('/') and (
                line.name in self._lines or len(self._lines) < _MOST_LINES
            ):
                self._lines[line.name] = line


def _value(line: DiagnosticStatus, key: str) -> str:
    return next((pair.value for pair in line.values if pair.key == key), '')
