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
    camera_info=None,
    other_topic_until_ns=0,
):
    """A bag of 64x48 pictures, each of one gray level; one that is None is no picture.

    Picture n is stamped `first_stamp_ns + n * gap_ns`, or not at all where `first_stamp_ns` is 0,
    and recorded at `logged_ns + n * gap_ns`. `camera_info` has fields of a CameraInfo of 64x48
    that is recorded first, on the topic beside the first one; `region` and `binning` of it are its
    roi and binning. Another topic without images may last longer.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
    make, header, stamp = (
        store.types[name] for name in (kind, 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time')
    )
    with Writer(folder, version=9, storage_plugin=storage) as bag:
        connections = [bag.add_connection(topic, kind, typestore=store) for topic in topics]
        if camera_info is not None:
            _write_camera_info(bag, store, topics[0], logged_ns, camera_info)
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
        if other_topic_until_ns:
            text = store.types['std_msgs/msg/String']('done')
            connection = bag.add_connection('/log', 'std_msgs/msg/String', typestore=store)
            data = store.serialize_cdr(text, 'std_msgs/msg/String')
            bag.write(connection, logged_ns + other_topic_until_ns, data)
    return folder


def _write_camera_info(bag, store, image_topic, logged_ns, fields):
    kind = 'sensor_msgs/msg/CameraInfo'
    make = store.types
    time = make['builtin_interfaces/msg/Time'](1, 0)
    sizes = {'d': 0, 'k': 9, 'r': 9, 'p': 12}
    binning_xy = fields.get('binning', (0, 0))
    left, top, width, height = fields.get('region', (0, 0, 0, 0))
    message = make[kind](
        header=make['std_msgs/msg/Header'](time, 'front_optical'),
        height=fields.get('height', 48),
        width=fields.get('width', 64),
        distortion_model='plumb_bob',
        **{name: np.array(fields.get(name, [0] * size), float) for name, size in sizes.items()},
        binning_x=binning_xy[0],
        binning_y=binning_xy[1],
        roi=make['sensor_msgs/msg/RegionOfInterest'](left, top, height, width, False),
    )
    topic = f'{image_topic.rpartition("/")[0]}/camera_info'
    connection = bag.add_connection(topic, kind, typestore=store)
    bag.write(connection, logged_ns, store.serialize_cdr(message, kind))
