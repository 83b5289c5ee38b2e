"""Takes the images of a topic as a node does; prints the frame_id of each, a line each.

    take_images.py TOPIC COUNT

ends after so many images. It says `subscribed` first, and `moved` with each further subscription.
"""

import sys

from jetson_perception.dds import transports

topic, count = sys.argv[1], int(sys.argv[2])
transports.take(transports.SMALLEST_SEGMENT)

import rclpy  # noqa: E402

from jetson_perception.ros.image_subscription import ImageSubscription  # noqa: E402
from jetson_perception.ros.image_topic import ImageTopic  # noqa: E402
from jetson_perception.ros.udp_participant import UdpParticipant  # noqa: E402

taken = []
made = []


def say(what):
    sys.stdout.write(f'{what}\n')
    sys.stdout.flush()


def on_image(image):
    taken.append(image)
    say(image.header.frame_id)


def on_new(subscription):
    say('moved' if made else 'subscribed')
    made.append(subscription)


rclpy.init()
node = rclpy.create_node('taker')
udp = UdpParticipant(node)
udp.opened()
subscription = ImageSubscription(
    node,
    udp,
    ImageTopic(topic),
    lambda image: subscription.accepts(image.size_bytes),
    on_new,
    lambda: None,
    on_image=on_image,
)
while len(taken) < count:
    rclpy.spin_once(node, timeout_sec=0.1)
subscription.close()
udp.close()
node.destroy_node()
rclpy.shutdown()
