"""What a node says of its lanes: stats once a second, a line of diagnostics each, and errors."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jetson_perception.msg import PipelineStats
from jetson_perception.pipeline import CropLane
from jetson_perception.printable import counted, printable
from jetson_perception.ros import diagnostics, qos
from jetson_perception.ros.result_messages import stats_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline import Frame, Lane
    from jetson_perception.ros.frame_input import FrameInput

#: Seconds between two log lines about frames that failed, and for which one failure is news.
LOG_EVERY_S = 5.0
#: What diagnostics say of an engine whose parameter `enable` is false.
DISABLED = 'disabled: it takes no image'


class LaneReports:
    """Stats, diagnostics and errors of the lanes that take the frames of an input.

    Parameters
    ----------
    node : rclpy Node
        Which publishes.
    index : int
        Which of the node's inputs it is.
    label : str
        Put behind the names of engines, in a node with several inputs: ' /front'.
    """

    def __init__(self, node: Node, index: int = 0, label: str = '') -> None:
        self._node = node
        self._index = index
        self._label = label
        self._source: FrameInput | None = None
        self._lanes: tuple[Lane, ...] = ()
        self._publishers: dict[str, Any] = {}
        self.forget_errors()

    def forget_errors(self) -> None:
        """Begin without an error."""
        self.last_error, self._last_error_s = '', -math.inf

    def start(
        self, lanes: Sequence[Lane], source: FrameInput, topic: Callable[[Lane], str]
    ) -> None:
        """Tell of an input and its lanes from now on, each lane under its topic."""
        self._source = source
        self._publishers = {
            lane.name: self._node.create_publisher(PipelineStats, topic(lane), qos.RESULTS)
            for lane in lanes
        }
        for lane in lanes:
            record = lane.records[self._index]
            record.on_first_result = partial(self._tell_that_it_works, lane)
            record.on_error = self.on_error
        self._lanes = tuple(lanes)

    def _tell_that_it_works(self, lane: Lane, frame: Frame, elapsed_ms: float) -> None:
        """One line, which nobody has to look at topics for; in the thread that publishes."""
        width, height = frame.size_wh()
        encoding = printable(frame.encoding or 'bgr8', 40)
        self._node.get_logger().info(
            f'{lane.name}{self._label}: first image {width}×{height} {encoding}, '
            f'first result after {elapsed_ms:.0f} ms'
        )

    def close(self) -> None:
        """Take the topics down."""
        self._lanes, self._source = (), None
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def on_error(self, error: PerceptionError) -> None:
        """Log a frame that came to nothing, now and then, and keep it for diagnostics."""
        self.last_error, self._last_error_s = str(error), time.monotonic()
        camera = f'{self._label.strip()}: ' if self._label else ''
        self._node.get_logger().error(f'{camera}{error}', throttle_duration_sec=LOG_EVERY_S)

    def publish(self) -> None:
        """Publish the stats of every lane, once an image came."""
        source = self._source
        if source is None or source.newest_header is None:
            return
        for lane in self._lanes:
            self._publishers[lane.name].publish(
                stats_message(
                    lane,
                    source.rejected,
                    source.newest_header,
                    source.name,
                    source.lost,
                    input_index=self._index,
                )
            )

    def diagnose(self) -> list[DiagnosticStatus]:
        """One status for the input, and one a lane."""
        source = self._source
        if source is None:
            return []
        of_input = source.diagnose(self._node.get_fully_qualified_name())
        of_lanes = [self._diagnose(lane, source) for lane in self._lanes]
        return of_lanes if of_input is None else [of_input, *of_lanes]

    def _diagnose(self, lane: Lane, source: FrameInput) -> DiagnosticStatus:
        record, rejected = lane.records[self._index], source.rejected
        counts, rate_hz = record.counts, record.frame_rate()
        failed = counts.failed + rejected
        values: dict[str, Any] = {
            'frame rate (Hz)': rate_hz,
            'frames received': counts.received + rejected,
            'frames processed': counts.processed,
            'frames skipped (a newer one came)': counts.skipped,
            'frames left out (enable, max_rate, every)': counts.left_out,
            'frames failed': failed,
            'last error': self.last_error or 'none',
        }
        if isinstance(lane, CropLane):
            values['boxes looked at'] = record.crops
            values['boxes left out (max_crops)'] = record.crops_left_out
        values |= diagnostics.stage_values(record.times)
        name = f'{self._node.get_fully_qualified_name()}: {lane.name}{self._label}'
        if lane.activity.is_stuck():
            return diagnostics.status(diagnostics.ERROR, name, lane.activity.describe(), values)
        if not lane.pace.is_enabled:
            return diagnostics.status(diagnostics.OK, name, DISABLED, values)
        silence = source.silence()
        if silence:
            # What it tells is of when images came.
            level = diagnostics.OK if source.at_end() else diagnostics.STALE
            return diagnostics.status(level, name, silence, values)
        if time.monotonic() - self._last_error_s < LOG_EVERY_S:
            message = f'{counted(failed, "frame")} failed, the last: {self.last_error}'
            return diagnostics.status(diagnostics.WARN, name, message, values)
        clock_problem = source.clock_problem()
        if clock_problem:
            return diagnostics.status(diagnostics.WARN, name, clock_problem, values)
        return diagnostics.status(diagnostics.OK, name, f'{rate_hz:.1f} results a second', values)
