"""Bags for tests: pictures as image messages, with their own stamps."""

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore


def write_bag(
    folder,
    grays,
    *,
    topics=('/camera/image_raw',),
    compressed=False,
    first_stamp_ns=1_700_000_000_000_000_007,
    gap_ns=20_000_000,
    logged_ns=1_700_000_100_000_000_000,
    encoding='bgr8',
    storage=StoragePlugin.MCAP,
):
    """A bag of 64x48 pictures, each of one gray level; one that is None is no picture.

    Picture n is stamped `first_stamp_ns + n * gap_ns`, or not at all where `first_stamp_ns` is 0,
    and recorded at `logged_ns + n * gap_ns`.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
    make, header, stamp = (
        store.types[name] for name in (kind, 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time')
    )
    with Writer(folder, version=9, storage_plugin=storage) as bag:
        connections = [bag.add_connection(topic, kind, typestore=store) for topic in topics]
        for index, gray in enumerate(grays):
            stamp_ns = first_stamp_ns and first_stamp_ns + index * gap_ns
            head = header(stamp(*divmod(stamp_ns, 10**9)), 'front_optical')
            pixels = np.full((48, 64, 3), gray or 0, np.uint8)
            if compressed:
                data = np.zeros(9, np.uint8) if gray is None else cv2.imencode('.png', pixels)[1]
                message = make(head, 'png', data.ravel())
            else:
                named = '64FC9' if gray is None else encoding
                message = make(head, 48, 64, named, 0, 192, pixels.ravel())
            for connection in connections:
                data = store.serialize_cdr(message, kind)
                bag.write(connection, logged_ns + index * gap_ns, data)
    return folder
