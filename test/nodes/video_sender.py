"""Sends a moving scene as video packets, over and over: TOPIC TRANSPORT CODEC [LOST …]."""

import sys
import time

import rclpy
from builtin_interfaces.msg import Time
from moving_scene import encoded, pictures
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

COUNT = 60
RATE_HZ = 15.0


def message(transport, codec, stamp, data, index, is_key):
    if transport == 'foxglove':
        from foxglove_msgs.msg import CompressedVideo

        msg = CompressedVideo(timestamp=stamp, frame_id='camera_optical', format=codec)
    else:
        from ffmpeg_image_transport_msgs.msg import FFMPEGPacket

        header = Header(stamp=stamp, frame_id='camera_optical')
        encoding = f'{codec};yuv420p;bgr8;bgr8'
        msg = FFMPEGPacket(
            header=header, width=320, height=240, encoding=encoding, pts=index, flags=int(is_key)
        )
    msg.data = data
    return msg


def main():
    topic, transport, codec, *lost = sys.argv[1:]
    given = encoded(pictures(COUNT), codec, gop=15)
    rclpy.init()
    node = rclpy.create_node('video_sender')
    message_type = type(message(transport, codec, Time(), b'', 0, False))
    publisher = node.create_publisher(message_type, topic, QoSProfile(depth=30))
    began = int(time.time())
    for number in range(10**6):
        data, is_key, index = given[number % COUNT]
        # What a picture is can be told from its stamp.
        stamp = Time(sec=began + number // COUNT, nanosec=1000 * index)
        if str(index) not in lost:
            publisher.publish(message(transport, codec, stamp, data, index, is_key))
        time.sleep(1 / RATE_HZ)


if __name__ == '__main__':
    main()
