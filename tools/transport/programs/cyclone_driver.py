#!/usr/bin/env python3
"""A camera driver on another DDS, through Cyclone DDS's own Python binding, without ROS.

    cyclone_driver.py NOTES best_effort|reliable RATE

Publishes 1280×720 bgr8 on /camera/image_raw until it is ended, and notes what it sent.
"""

import sys
import time
from dataclasses import dataclass

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
    begun, count, matched = time.monotonic(), 0, False
    with open(path, 'a', buffering=1) as notes:
        while True:
            time.sleep(max(0.0, begun + count / rate - time.monotonic()))
            now_ns = time.time_ns()
            if not matched and writer.get_matched_subscriptions():
                matched = True
                notes.write(f'matched {now_ns} 0\n')
            header = Header(Time(*divmod(now_ns, 10**9)), 'camera')
            writer.write(Image(header, 720, 1280, 'bgr8', 0, 3840, data))
            notes.write(f'sent {now_ns} {now_ns}\n')
            count += 1


if __name__ == '__main__':
    main()
