#!/usr/bin/env python3
"""A camera driver on another DDS, through Cyclone DDS's own Python binding, without ROS.

    cyclone_driver.py NOTES best_effort|reliable RATE

Publishes 1280×720 bgr8 on /camera/image_raw until it is ended, and notes what it sent.
"""

import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cyclonedds.idl.types as types
import numpy as np
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic
from cyclonedds.util import duration

# The types as ROS names them on DDS. Cyclone reads the annotations, so they are no strings here.


@dataclass
class Time(IdlStruct, typename='builtin_interfaces::msg::dds_::Time_'):
    """builtin_interfaces/Time."""

    sec: types.int32
    nanosec: types.uint32


@dataclass
class Header(IdlStruct, typename='std_msgs::msg::dds_::Header_'):
    """std_msgs/Header."""

    stamp: Time
    frame_id: str


@dataclass
class Image(IdlStruct, typename='sensor_msgs::msg::dds_::Image_'):
    """sensor_msgs/Image."""

    header: Header
    height: types.uint32
    width: types.uint32
    encoding: str
    is_bigendian: types.uint8
    step: types.uint32
    data: types.sequence[types.uint8]


def main() -> None:
    """Publish."""
    path, reliability, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    participant = DomainParticipant(0)
    reliable = Policy.Reliability.Reliable(duration(milliseconds=100))
    best_effort = Policy.Reliability.BestEffort
    qos = Qos(reliable if reliability == 'reliable' else best_effort, Policy.History.KeepLast(5))
    writer = DataWriter(participant, Topic(participant, 'rt/camera/image_raw', Image), qos=qos)
    noise = np.random.default_rng(0).random((720, 1280, 3)) * 60
    data = noise.astype(np.uint8).tobytes()
    image = Image(Header(Time(0, 0), 'camera'), 720, 1280, 'bgr8', 0, 3840, data)
    image.serialize = partial(encode, image.serialize, bytearray(), image.header.stamp)
    begun, count, matched = time.monotonic(), 0, False
    with open(path, 'a', buffering=1) as notes:
        while True:
            time.sleep(max(0.0, begun + count / rate - time.monotonic()))
            now_ns = time.time_ns()
            if not matched and writer.get_matched_subscriptions():
                matched = True
                notes.write(f'matched {now_ns} 0\n')
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(now_ns, 10**9)
            writer.write(image)
            notes.write(f'sent {now_ns} {now_ns}\n')
            count += 1


def encode(
    serialize: Callable[..., bytes], kept: bytearray, stamp: Time, **options: bool
) -> bytes:
    """An image's bytes, of which only the stamp is made anew, as all of it takes long."""
    if not kept:
        kept += serialize(**options)
    struct.pack_into('<iI', kept, 4, stamp.sec, stamp.nanosec)  # after the encapsulation
    return bytes(kept)


if __name__ == '__main__':
    main()
