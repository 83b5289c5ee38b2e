"""A camera driver as users have them: plain rclpy, and nothing of Fast DDS is set.

    plain_driver.py TOPIC best_effort|reliable WIDTHxHEIGHT RATE

publishes images until standard input ends, then prints how many it has sent. The frame_id of each
is the number of its period: while nobody subscribes, none is sent.
"""

import array
import select
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image


def main():
    topic, reliability, size, rate = sys.argv[1:]
    width, height = map(int, size.split('x'))
    rclpy.init()
    node = rclpy.create_node('driver')
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    images = node.create_publisher(Image, topic, qos)
    message = Image(width=width, height=height, encoding='mono8', step=width)
    message._data = array.array('B', bytes(width * height))
    say('ready')
    sent, period, due = 0, 0, time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        now = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        message.header.frame_id = str(period)
        if images.get_subscription_count():
            images.publish(message)
            sent += 1
        period += 1
        due += 1 / float(rate)
    say(sent)


def say(what):
    sys.stdout.write(f'{what}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
