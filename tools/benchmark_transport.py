#!/usr/bin/env python3
"""Measure how DDS carries images from one process to another, with three settings of Fast DDS.

    source tools/env.sh && python tools/benchmark_transport.py

starts a publisher and a subscriber process for each setting in turn, and prints how many images
arrived, how old they were in the callback, and how much CPU time receiving them took. They handle
images as camera_node and the perception nodes do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jetson_perception.dds import sockets, transports  # noqa: E402
from jetson_perception.dds.fast_dds import PROFILE_VARIABLES, TRANSPORTS_VARIABLE  # noqa: E402
from jetson_perception.process.allocator import (  # noqa: E402
    SYSTEM,
    SYSTEM_VARIABLE,
    keep_memory,
)

TOPIC = 'benchmark_transport/image'
WARM_UP = 25
DISCOVERY_S = 20.0
#: As camera_node has it.
SEGMENT_BYTES = 32 * transports.MEBIBYTE


def main() -> int:
    """Print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--width', type=int, default=1280)
    parser.add_argument('--height', type=int, default=720)
    parser.add_argument('--rate', type=float, default=50.0, help='images per second (50)')
    parser.add_argument('--frames', type=int, default=200, help='images to count (200)')
    parser.add_argument('--runs', type=int, default=3, help='of each setting, in turn (3)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there too')
    parser.add_argument('--role', choices=['publish', 'subscribe'], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        keep_memory()
        transports.take(SEGMENT_BYTES)
    if arguments.role == 'publish':
        publish(arguments)
        return 0
    if arguments.role == 'subscribe':
        subscribe()
        return 0
    return compare(arguments)


LEFT = {SYSTEM_VARIABLE: SYSTEM}
UDP = {TRANSPORTS_VARIABLE: f'UDPv4?sockets_size={sockets.WANTED_BYTES}&non_blocking=true'}
#: Variables of sender and receiver in each setting.
SETTINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    'as the middleware comes': (LEFT, LEFT),
    'as our nodes choose': ({}, {}),
    'sender as the middleware comes, receiver over UDP as our nodes choose': (LEFT, UDP),
}


def compare(arguments: argparse.Namespace) -> int:
    """Run every setting and print a row for each."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SETTINGS}
    for _ in range(arguments.runs):
        for name, (sender, receiver) in SETTINGS.items():
            found[name].append(run(arguments, sender, receiver))
            print(f'{name}: {found[name][-1]}', file=sys.stderr, flush=True)
    size = f'{arguments.width}×{arguments.height} bgr8'
    print(f'{size} at {arguments.rate:g} Hz, best effort, {arguments.runs} runs')
    print(
        f'| settings | images that arrive, of {arguments.frames} | median latency '
        "| 99 % | receiver's CPU an image |"
    )
    print('| --- | --- | --- | --- | --- |')
    for name, runs in found.items():
        cells = (
            spread([each['arrived'] for each in runs], '.0f'),
            spread([each['median_ms'] for each in runs], '.1f', ' ms'),
            spread([each['p99_ms'] for each in runs], '.1f', ' ms'),
            spread([each['cpu_ms'] for each in runs], '.1f', ' ms'),
        )
        print(f'| {name} | {" | ".join(cells)} |')
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    return 0


def spread(values: list[float], form: str, unit: str = '') -> str:
    """The least and the largest value, or one where both read the same."""
    low, high = format(min(values), form), format(max(values), form)
    return (low if low == high else f'{low} to {high}') + unit


def run(
    arguments: argparse.Namespace, sender: dict[str, str], receiver: dict[str, str]
) -> dict[str, float]:
    """One publisher and one subscriber with these variables; what the subscriber found."""
    # Without this shell's settings, in an unused domain.
    names = (*PROFILE_VARIABLES, TRANSPORTS_VARIABLE, SYSTEM_VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {
        'PYTHONPATH': os.pathsep.join([str(ROOT), environment.get('PYTHONPATH', '')]),
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
    }
    command = [sys.executable, __file__]
    for name in ('width', 'height', 'rate', 'frames'):
        command += [f'--{name}', str(getattr(arguments, name))]
    with subprocess.Popen(
        [*command, '--role', 'subscribe'],
        env=environment | receiver,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            subprocess.run([*command, '--role', 'publish'], env=environment | sender, check=True)
            output, _ = process.communicate('end\n', timeout=30)
        finally:
            process.kill()
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def publish(arguments: argparse.Namespace) -> None:
    """Send different images at the rate; those of the warm-up have negative numbers."""
    import numpy as np
    import rclpy
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from jetson_perception.ros import qos
    from jetson_perception.ros.image_messages import ImageMessage

    rclpy.init()
    node = rclpy.create_node('sender')
    publisher = node.create_publisher(Image, TOPIC, qos.SENSOR_DATA)
    shape = (arguments.height, arguments.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    message = ImageMessage()
    deadline = time.monotonic() + DISCOVERY_S
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline:
            raise SystemExit('the subscriber was not found')
        time.sleep(0.05)
    begun = time.monotonic()
    for count, number in enumerate(range(-WARM_UP, arguments.frames)):
        time.sleep(max(0.0, begun + count / arguments.rate - time.monotonic()))
        header = Header(frame_id=str(number), stamp=node.get_clock().now().to_msg())
        publisher.publish(message.fill(noise[number % 4], 'bgr8', header))
    time.sleep(1.0)  # for the last ones to arrive
    node.destroy_node()
    rclpy.shutdown()


def subscribe() -> None:
    """Take images until standard input announces the end; print the results as JSON."""
    import select

    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image

    from jetson_perception.ros import qos
    from jetson_perception.ros.image_messages import frame_from_image

    rclpy.init()
    node = rclpy.create_node('receiver')
    ages_ms: list[float] = []
    cpu_s: list[float] = []

    def on_image(message: Any) -> None:
        frame = frame_from_image(message, node.get_clock())
        if int(message.header.frame_id) < 0 or frame.age_ms is None:
            return
        ages_ms.append(frame.age_ms)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s.append(used.ru_utime + used.ru_stime)

    node.create_subscription(Image, TOPIC, on_image, qos.IMAGE_INPUT)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not select.select([sys.stdin], [], [], 0)[0]:
        executor.spin_once(timeout_sec=0.1)
    ages_ms.sort()
    found = {
        'arrived': len(ages_ms),
        'median_ms': statistics.median(ages_ms) if ages_ms else 0.0,
        'p99_ms': ages_ms[int(0.99 * (len(ages_ms) - 1))] if ages_ms else 0.0,
        'cpu_ms': 1e3 * (cpu_s[-1] - cpu_s[0]) / (len(cpu_s) - 1) if len(cpu_s) > 1 else 0.0,
    }
    print(json.dumps({name: round(value, 3) for name, value in found.items()}), flush=True)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    sys.exit(main())
