#!/usr/bin/env python3
"""A camera driver as users have one: plain rclpy, no settings of ours.

    camera_driver.py NOTES --topic /camera/image_raw --rate 30 --reliability best_effort

Publishes until it is ended, whoever listens, and notes `sent`, the time and the stamp of each
image, and once `matched`. SIGUSR1 sets its clock an hour ahead, or back again.
"""

from __future__ import annotations

import argparse
import array
import signal
import time

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

_HOUR_NS = 3600 * 10**9


def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('notes')
    parser.add_argument('--topic', default='/camera/image_raw')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--jpeg', action='store_true', help='compressed images')
    parser.add_argument('--reliability', choices=['best_effort', 'reliable'], required=True)
    arguments = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node('camera_driver')
    policy = ReliabilityPolicy[arguments.reliability.upper()]
    message = jpeg() if arguments.jpeg else photograph()
    publisher = node.create_publisher(
        type(message), arguments.topic, QoSProfile(depth=5, reliability=policy)
    )
    ahead_ns = 0

    def jump(*_: object) -> None:
        nonlocal ahead_ns
        ahead_ns = 0 if ahead_ns else _HOUR_NS

    signal.signal(signal.SIGUSR1, jump)
    begun, count, matched = time.monotonic(), 0, False
    with open(arguments.notes, 'a', buffering=1) as notes:
        while rclpy.ok():
            time.sleep(max(0.0, begun + count / arguments.rate - time.monotonic()))
            now_ns = time.time_ns()
            if not matched and publisher.get_subscription_count():
                matched = True
                notes.write(f'matched {now_ns} 0\n')
            stamp_ns = now_ns + ahead_ns
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            publisher.publish(message)
            notes.write(f'sent {now_ns} {stamp_ns}\n')
            count += 1


def photograph(width: int = 1280, height: int = 720) -> Image:
    """An image that has some detail."""
    pixels = (np.random.default_rng(0).random((height, width, 3)) * 60).astype(np.uint8)
    message = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    message.header.frame_id = 'camera'
    message.data = array.array('B', pixels.tobytes())
    return message


def jpeg() -> CompressedImage:
    """A picture of 1280×720 as JPEG of 150 kB."""
    scene = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    pixels = cv2.resize(scene, (1280, 720), interpolation=cv2.INTER_CUBIC)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 60]
    message = CompressedImage(format='jpeg')
    message.data = array.array('B', cv2.imencode('.jpg', pixels, quality)[1].tobytes())
    message.header.frame_id = 'camera'
    return message


if __name__ == '__main__':
    main()
