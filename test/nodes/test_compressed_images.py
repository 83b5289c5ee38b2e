"""Compressed images reach a node, whichever way its user names their topic."""

import numpy as np
import pytest
from nodes.support import log_lines, node_process, unique_header
from onnx_models import color_segmentation
from sensor_msgs.msg import CompressedImage, Image

from jetson_perception.ros.image_messages import jpeg_message


def jpeg():
    return jpeg_message(np.zeros((48, 64, 3), np.uint8), unique_header())


@pytest.mark.parametrize(
    ('topic', 'remapped', 'given'),
    [
        pytest.param(
            'camera/image_raw/compressed',
            ['image'],
            {'image_transport': 'compressed'},
            id='remapped_and_parameter',
        ),
        pytest.param('jpegs', ['image'], {}, id='a_name_that_does_not_say_so'),
    ],
)
def test_are_taken(peer, start, tmp_path, topic, remapped, given):
    model = color_segmentation(tmp_path / 'colors.onnx')
    process = node_process('seg_node', peer.namespace, model=str(model), **given)
    process.remappings.update(dict.fromkeys(remapped, f'/{peer.namespace}/{topic}'))
    images = peer.image_publisher(topic, CompressedImage)
    masks = peer.collect('mask', Image)
    seg = start(process)
    msg = jpeg()

    def answered():
        images.publish(msg)
        return masks

    peer.wait_for(answered, 'a mask')
    assert (masks[0].width, masks[0].height) == (64, 48)
    assert masks[0].header == msg.header
    assert log_lines(seg, 'WARN') == []
