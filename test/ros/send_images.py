"""A camera driver as users have one: sends images on /camera, best effort.

    send_images.py SECONDS RATE [width=1280] [idle]

`idle` sends nothing.
"""

import array
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

seconds, rate = float(sys.argv[1]), float(sys.argv[2])
width = max((int(each[6:]) for each in sys.argv if each.startswith('width=')), default=1280)
height = width * 9 // 16

rclpy.init()
node = rclpy.create_node('driver')
publisher = node.create_publisher(
    Image, '/camera', QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
)
image = Image(height=height, width=width, step=3 * width, encoding='bgr8')
image.data = array.array('B', bytes(3 * width * height))
begun_s = due_s = time.monotonic()
while time.monotonic() - begun_s < seconds:
    image.header.stamp = node.get_clock().now().to_msg()
    if 'idle' not in sys.argv:
        publisher.publish(image)
    due_s += 1 / rate
    time.sleep(max(due_s - time.monotonic(), 0))
