"""A recorded camera replayed into seg_node: every answer has the header of its image."""

import numpy as np
from jetson_perception.msg import SegmentationSummary
from nodes.support import node_process, pixels_of, with_stamp_of
from onnx_models import color_segmentation
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image

TOPIC = '/front/image_raw'
COLORS = {1: (0, 0, 255), 2: (0, 255, 0), 3: (255, 0, 0)}  # class of a BGR color
# Seconds, nanoseconds and frame of each picture: nothing that a clock or a counter would give.
HEADERS = [
    (0, 1, 'camera'),
    (1_700_000_000, 999_999_999, 'camera'),
    (1_700_000_000, 0, 'camera_rear/optical'),  # back in time, as after a restart
    (2_147_483_647, 123_456_789, ''),
    (7, 7, 'Kamera für Äpfel'),
    (1_700_000_001, 500_000_000, 'camera'),
]


def write_bag(folder):
    """An MCAP bag of one picture per header; each is one color, and of a size of its own."""
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/Image'
    image, header, stamp = (
        store.types[name] for name in (kind, 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time')
    )
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection(TOPIC, kind, typestore=store)
        for index, (sec, nanosec, frame_id) in enumerate(HEADERS):
            height, width = 48 + index, 64 + 2 * index
            pixels = np.empty((height, width, 3), np.uint8)
            pixels[:] = COLORS[index % 3 + 1]
            msg = image(
                header(stamp(sec, nanosec), frame_id),
                *(height, width, 'bgr8', 0, 3 * width, pixels.reshape(-1)),
            )
            bag.write(topic, 10**9 + index * 33_333_333, store.serialize_cdr(msg, kind))


def test_every_answer_has_the_header_of_its_image(peer, start, tmp_path):
    write_bag(tmp_path / 'bag')
    model = color_segmentation(tmp_path / 'colors.onnx')
    start(node_process('seg_node', peer.namespace, model=str(model)))
    masks = peer.collect('mask', Image)
    summaries = peer.collect('summary', SegmentationSummary)
    images = peer.image_publisher()

    replayed = []
    with AnyReader([tmp_path / 'bag']) as bag:
        (connection,) = bag.connections
        assert (connection.topic, connection.msgtype) == (TOPIC, 'sensor_msgs/msg/Image')
        for _, _, data in bag.messages():
            sent = deserialize_message(bytes(data), Image)
            # The bytes of the bag go out as they are, as `ros2 bag play` sends them.
            peer.send_until(
                images,
                lambda data=data: bytes(data),
                lambda sent=sent: with_stamp_of(masks, sent) and with_stamp_of(summaries, sent),
                f'the answer to {sent.header}',
            )
            replayed.append(sent)

    headers = [(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id) for m in replayed]
    assert headers == HEADERS
    for index, sent in enumerate(replayed):
        mask, summary = with_stamp_of(masks, sent)[0], with_stamp_of(summaries, sent)[0]
        assert mask.header == summary.header == sent.header
        assert pixels_of(mask).shape == (sent.height, sent.width)
        assert (pixels_of(mask) == index % 3 + 1).all()
        areas = {area.class_id: area.pixels for area in summary.classes if area.pixels}
        assert areas == {index % 3 + 1: sent.height * sent.width}
    # Nothing was answered that was not sent.
    assert len({str(mask.header) for mask in masks}) == len(HEADERS)
