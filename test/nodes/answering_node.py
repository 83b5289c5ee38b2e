"""A stand-in for a peer's node: takes images, answers each after some milliseconds.

Arguments: the topic of images, the topic of answers, milliseconds, and one of `copied`, `anew`
(what stamp answers have) or `headless` (they have none).
"""

import sys
import time
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

images, answers, milliseconds, stamp = sys.argv[1:5]

rclpy.init()
node = rclpy.create_node('peers_node')
publisher = node.create_publisher(String if stamp == 'headless' else CameraInfo, answers, 5)


def on_image(image):
    time.sleep(float(milliseconds) / 1000)  # the work of a network
    answer = publisher.msg_type()
    if stamp != 'headless':
        answer.header = image.header
    if stamp == 'anew':
        answer.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(answer)


node.create_subscription(Image, images, on_image, 1)  # reliable, as `1` has it
with suppress(KeyboardInterrupt, ExternalShutdownException):
    rclpy.spin(node)
