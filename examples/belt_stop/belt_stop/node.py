"""Class shares in, run or stop out.

Subscribes to `summary` (jetson_perception/SegmentationSummary of seg_node), publishes `run`
(std_msgs/Bool) ten times a second. A belt must stop by itself when `run` is no longer heard.
"""

from __future__ import annotations

import signal
from typing import Any

import rclpy
from jetson_perception.msg import SegmentationSummary
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Bool

from belt_stop.decision import Decision

PERIOD_S = 0.1


class BeltStop(Node):
    """Lets the belt run while one class takes little of the image, and results keep coming."""

    def __init__(self, **options: Any) -> None:
        super().__init__('belt_stop', **options)
        self._class_name = self.declare_parameter('class_name', 'ulcer').value
        self._decision = Decision(
            self.declare_parameter('stop_above', 0.012).value,
            self.declare_parameter('run_below', 0.008).value,
            self.declare_parameter('silence', 1.0).value,
        )
        self._runs: bool | None = None
        # Neither stops nor jumps, whatever happens to the time of the system or a simulation.
        self._clock_of_silence = Clock(clock_type=ClockType.STEADY_TIME)
        self._run = self.create_publisher(Bool, 'run', 1)
        self.create_subscription(
            SegmentationSummary, 'summary', self._on_summary, qos_profile_sensor_data
        )
        self.create_timer(PERIOD_S, self._publish, clock=self._clock_of_silence)

    def stop(self) -> None:
        """Tell the belt to stop, and wait a moment until that has arrived."""
        self._run.publish(Bool(data=False))
        self._run.wait_for_all_acked(Duration(seconds=0.5))

    def _on_summary(self, msg: SegmentationSummary) -> None:
        shares = {area.class_name: area.ratio for area in msg.classes}
        if self._class_name in shares:
            self._decision.hear(shares[self._class_name], self._now_s())
        else:
            known = ', '.join(shares) or 'none'
            self._decision.fail(f'there is no class {self._class_name}; the model has {known}')
        if not self._decision.may_run(self._now_s()) and self._runs:
            self._publish()  # at once, not when the timer is due

    def _publish(self) -> None:
        runs = self._decision.may_run(self._now_s())
        if runs != self._runs:
            self._runs = runs
            word = 'runs' if runs else 'stops'
            self.get_logger().info(f'the belt {word}: {self._decision.why}')
        self._run.publish(Bool(data=runs))

    def _now_s(self) -> float:
        return self._clock_of_silence.now().nanoseconds / 1e9


def interrupt_once(*_: object) -> None:
    """Raise KeyboardInterrupt: once, as Ctrl-C in a terminal reaches a launched node twice."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> None:
    """Decide until Ctrl-C or SIGTERM, and stop the belt then."""
    # rclpy's own handlers would take the publisher down before the last message is sent.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    node = BeltStop()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.stop()
        node.destroy_node()
        rclpy.shutdown()
