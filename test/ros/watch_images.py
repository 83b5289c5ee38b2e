"""Watches the topic /camera as a node does, and prints each new set of causes as a line of JSON.

    watch_images.py SECONDS [reliable] [take_s=0.2] [message=small]

It says `ready` when it has subscribed. With take_s, each image takes so long.
"""

import json
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from jetson_perception.ros.arrivals import Arrivals
from jetson_perception.ros.image_topic import ImageTopic
from jetson_perception.ros.loss_report import LossReport
from jetson_perception.ros.watchdog import ImageWatchdog

seconds = float(sys.argv[1])
reliable = 'reliable' in sys.argv
take_s = max((float(each[7:]) for each in sys.argv if each.startswith('take_s=')), default=0.0)

rclpy.init()
node = rclpy.create_node('watcher')
reliability = QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
topic = ImageTopic('/camera')


def tell(line):
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def on_image(message):
    dog.image_arrived()
    time.sleep(take_s)


subscription = node.create_subscription(
    Image, topic.name, on_image, QoSProfile(depth=1, reliability=reliability)
)
report = LossReport(node, settled_s=1)
dog = ImageWatchdog(node, subscription, topic, patience_s=1.0, losses=report)
report.watch(topic, subscription, Arrivals(subscription))
tell('ready')
end_s = time.monotonic() + seconds
told = None
while time.monotonic() < end_s:
    rclpy.spin_once(node, timeout_sec=0.1)
    causes = sorted({*report.causes, *dog.causes})
    if causes != told:
        told = causes
        said = report.problem() or (dog.explanation() if dog.warned else '')
        tell(json.dumps({'causes': causes, 'said': said}))
total = report.total
tell(json.dumps({'received': total.received, 'lost': total.lost}))
