#!/usr/bin/env python3
"""Two cameras in one process, which count what they send: a part of tools/soak.py.

    camera.py NAMESPACE RATE SUBSCRIBERS

Publishes images of 640×480 on NAMESPACE/left/image_raw and …/right/image_raw. It begins once each
topic has so many subscribers, and ends with standard input; then it prints how many it has sent of
each.
"""

from __future__ import annotations

import select
import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from jetson_perception.dds import transports
from jetson_perception.ros.image_messages import ImageMessage

NAMES = ('left', 'right')
#: So long have all subscribers to be there before the first image.
_SETTLED_S = 3.0
#: How many images of each camera come slowly in the beginning and in the end, so that they arrive:
#: a receiver knows of lost ones by the number of the next, so not of those before and behind all.
_SLOW, _SLOW_S = 3, 0.5


def main() -> None:
    """Publish until standard input ends."""
    namespace, rate, subscribers = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    transports.take(16 * transports.MEBIBYTE)
    rclpy.init()
    node = rclpy.create_node('cameras', namespace=namespace)
    publishers = [
        node.create_publisher(Image, f'{name}/image_raw', qos_profile_sensor_data)
        for name in NAMES
    ]
    settled_s = time.monotonic()
    while time.monotonic() - settled_s < _SETTLED_S:
        if any(each.get_subscription_count() < subscribers for each in publishers):
            settled_s = time.monotonic()
        if ended(0.05):
            return
    message = ImageMessage()
    # What compresses badly, so that decoders and encoders have work.
    noise = np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), np.uint8)
    pictures = [cv2.resize(each, (640, 480), interpolation=cv2.INTER_CUBIC) for each in noise]
    sent = [0, 0]

    def publish() -> None:
        index = sum(sent) % 2
        header = Header(frame_id=NAMES[index], stamp=node.get_clock().now().to_msg())
        pixels = pictures[sent[index] % len(pictures)]
        publishers[index].publish(message.fill(pixels, 'bgr8', header))
        sent[index] += 1

    def publish_slowly() -> None:
        for _ in range(2 * _SLOW):
            publish()
            time.sleep(_SLOW_S)

    publish_slowly()
    begun, before = time.monotonic(), sum(sent)
    while not ended(max(0.0, begun + (sum(sent) - before) / rate / 2 - time.monotonic())):
        publish()
    publish_slowly()
    sys.stdout.write(f'{sent[0]} {sent[1]}\n')
    sys.stdout.flush()
    # What the last images need to arrive.
    time.sleep(1.0)


def ended(wait_s: float) -> bool:
    """Whether standard input ends within a time."""
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


if __name__ == '__main__':
    main()
