#!/usr/bin/env python3
"""Somebody who listens to topics, as a user's program or viewer: plain rclpy, nothing set.

    listener.py NOTES TOPIC:TYPE:RELIABILITY[:DEPTH] …

TYPE is a message type that begins with a header, as sensor_msgs/Image. Notes the topic, the time
and the stamp of each message. Messages stay bytes, as a viewer in C++ takes them about as fast.
"""

from __future__ import annotations

import importlib
import struct
import sys
import time
from functools import partial

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, ReliabilityPolicy


def main() -> None:
    """Listen until ended."""
    notes = open(sys.argv[1], 'a', buffering=1)  # noqa: SIM115 - it ends with the process
    rclpy.init()
    node = rclpy.create_node('listener')

    def note(topic: str, message: bytes) -> None:
        # After the encapsulation's four bytes: seconds, nanoseconds.
        seconds, nanoseconds = struct.unpack_from('<iI', message, 4)
        notes.write(f'{topic} {time.time_ns()} {seconds * 10**9 + nanoseconds}\n')

    for each in sys.argv[2:]:
        topic, type_name, reliability, *depth = each.split(':')
        package, _, name = type_name.partition('/')
        kind = getattr(importlib.import_module(f'{package}.msg'), name)
        profile = QoSProfile(
            depth=int(depth[0]) if depth else 5,
            reliability=ReliabilityPolicy[reliability.upper()],
        )
        node.create_subscription(kind, topic, partial(note, topic), profile, raw=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
