"""Takes frames of an image topic, and prints what they are: TOPIC TRANSPORT COUNT."""

import json
import sys
import time
from types import SimpleNamespace

import rclpy
from moving_scene import pictures, psnr
from nodes.video_sender import COUNT

from jetson_perception.ros.image_input import ImageInput, ImageInputParams


def main():
    topic, transport, count = sys.argv[1:]
    originals = list(pictures(COUNT))
    rclpy.init(args=['--ros-args', '-r', f'image:={topic}'])
    node = rclpy.create_node('video_receiver')
    frames, errors = [], []
    params = SimpleNamespace(value=ImageInputParams(image_transport=transport))
    source = ImageInput(node, params, errors.append)
    source.start(frames.append)
    deadline_s = time.monotonic() + 60.0
    while len(frames) < int(count) and time.monotonic() < deadline_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    found = [
        {
            'index': frame.header.stamp.nanosec // 1000,
            'psnr': psnr(frame.bgr(), originals[frame.header.stamp.nanosec // 1000]),
            'frame_id': frame.header.frame_id,
            'encoding': frame.encoding,
        }
        for frame in frames[: int(count)]
    ]
    rejected, name = source.rejected, source.name
    source.close()
    json.dump(
        {'frames': found, 'rejected': rejected, 'errors': len(errors), 'name': name}, sys.stdout
    )


if __name__ == '__main__':
    main()
