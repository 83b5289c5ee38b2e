"""Detections in, velocities out: follows a person while somebody holds the deadman.

Subscribes to `detections` (vision_msgs/Detection2DArray), `camera_info` (sensor_msgs/CameraInfo,
for the size of the image) and `deadman` (std_msgs/Bool); publishes `cmd_vel`
(geometry_msgs/Twist).
"""

from __future__ import annotations

import signal
from typing import Any

import rclpy
from geometry_msgs.msg import Twist
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Bool
from vision_msgs.msg import Detection2DArray

from follow_person.steering import Box, Limits, choose, velocities

PERIOD_S = 0.05


class FollowPerson(Node):
    """Sends a velocity twenty times a second: 0 unless all is well.

    All is well while `deadman` says true at least every `deadman_timeout` seconds, and the person
    was seen within the last `target_timeout` seconds.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('follow_person', **options)
        value = {
            name: self.declare_parameter(name, default).value
            for name, default in (
                ('class_name', 'person'),
                ('min_score', 0.5),
                ('wanted_height', Limits.wanted_height),
                ('max_speed', Limits.max_speed),
                ('max_turn', Limits.max_turn),
                ('deadman_timeout', 0.5),
                ('target_timeout', 0.5),
            )
        }
        self._class_name, self._min_score = value['class_name'], value['min_score']
        self._limits = Limits(value['wanted_height'], value['max_speed'], value['max_turn'])
        self._timeout_s = {'deadman': value['deadman_timeout'], 'target': value['target_timeout']}
        # A clock that neither stops nor jumps: a simulation that is paused must not keep a robot
        # driving.
        self._clock_of_timeouts = Clock(clock_type=ClockType.STEADY_TIME)
        self._last_s: dict[str, float] = {}
        self._size_wh = (0, 0)
        self._target: Box | None = None
        self._said = ''
        self._velocity = self.create_publisher(Twist, 'cmd_vel', 1)
        # These take the newest message from any publisher, reliable or not.
        newest = qos_profile_sensor_data
        self.create_subscription(Bool, 'deadman', self._on_deadman, newest)
        self.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, newest)
        self.create_subscription(Detection2DArray, 'detections', self._on_detections, newest)
        self.create_timer(PERIOD_S, self._drive, clock=self._clock_of_timeouts)

    def stop(self) -> None:
        """Send a velocity of 0, and wait a moment until it has arrived."""
        self._velocity.publish(Twist())
        self._velocity.wait_for_all_acked(Duration(seconds=0.5))

    def _on_deadman(self, msg: Bool) -> None:
        self._last_s.pop('deadman', None)
        if msg.data:
            self._last_s['deadman'] = self._now_s()

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._size_wh = (msg.width, msg.height)

    def _on_detections(self, msg: Detection2DArray) -> None:
        boxes = [
            Box(each.id, each.bbox.center.position.x, each.bbox.size_y)
            for each in msg.detections
            if any(
                result.hypothesis.class_id == self._class_name
                and result.hypothesis.score >= self._min_score
                for result in each.results
            )
        ]
        followed = self._target.identity if self._target and self._is_recent('target') else ''
        found = choose(boxes, followed)
        if found is not None:  # else the person may be hidden for a moment: the timeout decides
            self._target = found
            self._last_s['target'] = self._now_s()

    def _drive(self) -> None:
        command = Twist()
        held = self._what_holds()
        if not held and self._target is not None:
            speed, turn = velocities(self._target, self._size_wh, self._limits)
            command.linear.x, command.angular.z = speed, turn
        self._velocity.publish(command)
        said = f'the robot stands: {held}' if held else f'the robot follows a {self._class_name}'
        if said != self._said:
            self._said = said
            self.get_logger().info(said)

    def _what_holds(self) -> str:
        """Why the robot must stand; empty while all is well."""
        if not self._is_recent('deadman'):
            return 'deadman does not say true'
        if not all(self._size_wh):
            return 'the size of the image is not known, as no camera_info has come'
        return '' if self._is_recent('target') else f'no {self._class_name} is seen'

    def _is_recent(self, what: str) -> bool:
        last_s = self._last_s.get(what)
        return last_s is not None and self._now_s() - last_s < self._timeout_s[what]

    def _now_s(self) -> float:
        return self._clock_of_timeouts.now().nanoseconds / 1e9


def interrupt_once(*_: object) -> None:
    """Raise KeyboardInterrupt: once, as Ctrl-C in a terminal reaches a launched node twice."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> None:
    """Follow until Ctrl-C or SIGTERM, and stop the robot then."""
    # rclpy's own handlers would take the publisher down before the last velocity is sent.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    node = FollowPerson()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.stop()
        node.destroy_node()
        rclpy.shutdown()
