"""What became of a camera's results in space: counts, and a line of diagnostics."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from jetson_perception.printable import counted
from jetson_perception.ros import diagnostics

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node

#: For how long one result without depth is news.
_NEWS_S = 5.0
#: How long results must lack depth before that is logged: at first, not all publishers are known.
_PATIENCE_S = 1.0


class DepthReport:
    """Counts results, and tells each kind of problem once in the log; any thread may call it.

    Parameters
    ----------
    node : rclpy Node
        Whose log it is.
    label : str
        Put before what is logged and behind the name of the line: ' /front', or '' for the only
        camera.
    """

    def __init__(self, node: Node, label: str) -> None:
        self._node = node
        self._label = label
        self._lock = threading.Lock()
        self._told: set[str] = set()
        #: Since when nothing was located, by the kind of problem.
        self._since_s: dict[str, float] = {}
        self._counts = dict.fromkeys(
            (
                'results with the depth of their stamp',
                'results with the nearest depth',
                'results without depth',
                'objects without depth',
                'results dropped (a newer one came)',
            ),
            0,
        )
        self._problem, self._problem_s = '', 0.0

    def located(self, *, is_exact: bool, without_depth: int) -> None:
        """Count a result that was published."""
        kind = 'results with the depth of their stamp' if is_exact else None
        with self._lock:
            self._counts[kind or 'results with the nearest depth'] += 1
            self._counts['objects without depth'] += without_depth
            self._since_s.clear()
        if without_depth:
            # No problem of the frame: sky, glass and what is too near never have depth.
            self._tell(
                'objects',
                'some objects have no depth, and are left out of detections_3d; diagnostics count '
                'them',
            )

    def missed(self, kind: str, problem: str) -> None:
        """Count a result that is not published in space; `kind` is told once, if it lasts."""
        now_s = time.monotonic()
        with self._lock:
            self._counts['results without depth'] += 1
            self._problem, self._problem_s = problem, now_s
            lasts_s = now_s - self._since_s.setdefault(kind, now_s)
        if lasts_s >= _PATIENCE_S:
            self._tell(kind, f'nothing is published in space: {problem}')

    def refused(self, problem: str) -> None:
        """Tell of a depth image that cannot be used."""
        with self._lock:
            self._problem, self._problem_s = problem, time.monotonic()
        self._tell('refused', problem)

    def ended(self) -> None:
        """Nobody wants results any more: what was missed lasts no longer."""
        with self._lock:
            self._since_s.clear()

    def dropped(self) -> None:
        """Count a result that nobody had time to locate."""
        with self._lock:
            self._counts['results dropped (a newer one came)'] += 1

    def status(self, values: dict[str, Any], silence: str, *, is_wanted: bool) -> DiagnosticStatus:
        """The line of diagnostics; `silence` is why no depth image comes."""
        with self._lock:
            counts, problem = dict(self._counts), self._problem
            is_news = bool(problem) and time.monotonic() - self._problem_s < _NEWS_S
        name = f'{self._node.get_fully_qualified_name()}: depth{self._label}'
        values = {**values, **counts, 'last problem': problem or 'none'}
        if not is_wanted:
            return diagnostics.status(diagnostics.OK, name, 'nobody subscribes', values)
        if silence or is_news:
            return diagnostics.status(diagnostics.WARN, name, silence or problem, values)
        located = sum(list(counts.values())[:2])
        return diagnostics.status(
            diagnostics.OK, name, f'{counted(located, "result")} in space', values
        )

    def _tell(self, kind: str, text: str) -> None:
        with self._lock:
            if kind in self._told:
                return
            self._told.add(kind)
        camera = f'{self._label.strip()}: ' if self._label else ''
        self._node.get_logger().warning(f'{camera}{text}')
