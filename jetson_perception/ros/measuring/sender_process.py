"""A process that sends one picture again and again, as a camera driver does; see `sending`.

The first argument is JSON: what to send and where. Each line of standard input is a run, and is
answered by a line on standard output: the stamps of the images that were sent. The end of standard
input ends the process.
"""

from __future__ import annotations

import array
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros.endpoint_names import bench_camera_name

if TYPE_CHECKING:
    from rclpy.publisher import Publisher

_DEPTH = 5  # as camera drivers have it
_MATCH_S = 20.0
_LOOK_EVERY_S = 0.02


def main() -> None:
    """Send what the first argument says, until standard input ends."""
    job = json.loads(sys.argv[1])
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(
        bench_camera_name(job['number']), enable_rosout=False, start_parameter_services=False
    )
    message = _message(job)
    reliability = (
        QoSReliabilityPolicy.RELIABLE if job['reliable'] else QoSReliabilityPolicy.BEST_EFFORT
    )
    publisher = node.create_publisher(
        type(message), job['topic'], QoSProfile(depth=_DEPTH, reliability=reliability)
    )
    _tell({'matched': _matched(publisher, job['subscribers'])})
    for line in sys.stdin:
        _tell({'stamps_ns': send(publisher, message, **json.loads(line))})
    node.destroy_node()
    rclpy.try_shutdown()


def send(
    publisher: Publisher, message: Any, *, begin_s: float, rate_hz: float, count: int
) -> list[int]:
    """Send a message at a rate; a moment that has passed is left out, not made up for.

    Parameters
    ----------
    publisher : Publisher
        Of such messages.
    message : Image or CompressedImage
        Gets a new stamp each time.
    begin_s : float
        When the first one is due, by the monotonic clock.
    rate_hz : float
        How many a second.
    count : int
        How many moments.

    Returns
    -------
    list of int
        The stamps, nanoseconds.
    """
    stamps_ns = []
    for number in range(count):
        due_s = begin_s + number / rate_hz
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        elif wait_s < -1 / rate_hz and number:
            continue  # a camera sends no two images at once either
        now_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 1_000_000_000)
        publisher.publish(message)
        stamps_ns.append(now_ns)
    return stamps_ns


def _message(job: dict[str, Any]) -> Image | CompressedImage:
    data = array.array('B', Path(job['picture']).read_bytes())
    message = CompressedImage() if job['compressed'] else Image()
    message.header.frame_id = 'bench_camera'
    if isinstance(message, CompressedImage):
        message.format = 'bgr8; jpeg compressed bgr8'
    else:
        message.width, message.height = job['size_wh']
        message.encoding, message.step = 'bgr8', 3 * message.width
    message.data = data
    return message


def _matched(publisher: Publisher, wanted: int) -> int:
    """How many subscriptions were found, once they are as many as wanted, or time is up."""
    deadline_s = time.monotonic() + _MATCH_S
    while publisher.get_subscription_count() < wanted and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    return int(publisher.get_subscription_count())


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()
