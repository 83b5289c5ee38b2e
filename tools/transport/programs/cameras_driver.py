#!/usr/bin/env python3
"""The drivers of several cameras in one process: plain rclpy, by default no settings of ours.

    cameras_driver.py NOTES --size 640x480 --rate 30 /front/image_raw /rear/image_raw …

Each camera publishes evenly, the next one a fraction of a period later, as cameras that nobody has
synchronized. Notes the topic, the time and the stamp of each image.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

import rclpy
from camera_driver import photograph  # beside this file
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image


def main() -> None:
    """Publish until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('notes')
    parser.add_argument('topics', nargs='+')
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--like-ours', action='store_true', help='with the settings of our nodes')
    arguments = parser.parse_args()
    if arguments.like_ours:
        from jetson_perception.dds import transports

        transports.take(16 * transports.MEBIBYTE)
    # By itself, rclpy would end the context in the middle of an image.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    node = rclpy.create_node('cameras_driver')
    profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
    publishers = [node.create_publisher(Image, topic, profile) for topic in arguments.topics]
    message = photograph(*map(int, arguments.size.split('x')))
    interval_s = 1 / arguments.rate / len(publishers)
    begun, count = time.monotonic(), 0
    with open(arguments.notes, 'a', buffering=1) as notes:
        while True:
            time.sleep(max(0.0, begun + count * interval_s - time.monotonic()))
            publisher = publishers[count % len(publishers)]
            now_ns = time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 10**9)
            publisher.publish(message)
            notes.write(f'{publisher.topic_name} {now_ns} {now_ns}\n')
            count += 1


if __name__ == '__main__':
    main()
