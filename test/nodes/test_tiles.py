"""Engines that search tile by tile: each by itself, and the graph sees pixels of the image."""

import numpy as np
from nodes.support import image_message
from onnx_models import detector
from vision_msgs.msg import Detection2DArray

from jetson_perception.nodes.yolo_node import YoloNode


def centers(msg):
    return sorted(
        (round(each.bbox.center.position.x), round(each.bbox.center.position.y))
        for each in msg.detections
    )


def test_each_engine_has_its_own(peer, run, tmp_path):
    """A network that always finds one object in the middle finds it in the middle of each tile."""
    model = str(detector(tmp_path / 'my.onnx', [(320, 320, 100, 80, 0, 0.9)]))
    run(
        YoloNode,
        engines=['det', 'far'],
        det__model=model,
        far__model=model,
        far__tiles=[2, 1],
        far__tile_overlap=0.0,
        far__tile_whole_image=False,
    )
    topics = [peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'far')]
    msg = image_message(np.zeros((64, 128, 3), np.uint8))
    whole, tiled = peer.ask(peer.image_publisher(), msg, *topics)
    assert centers(whole) == [(64, 32)]
    assert centers(tiled) == [(32, 32), (96, 32)]
    assert whole.header == tiled.header == msg.header
    refused = peer.set_parameter('yolo_node', 'far.tiles', [2])
    assert not refused.successful
