"""Encodings that drivers publish and that say less, or more, than bgr8."""

import os
from pathlib import Path

import numpy as np
import pytest
from nodes.support import (
    complaints,
    image_message,
    log_lines,
    node_process,
    pixels_of,
    with_stamp_of,
)
from onnx_models import color_segmentation
from sensor_msgs.msg import Image

STANDIN_CV_BRIDGE = Path(__file__).parents[1] / 'ros' / 'standin_cv_bridge'
HEIGHT, WIDTH = 48, 64
RED, GRAY = 1, 0  # classes


@pytest.fixture
def seg_node(peer, start, tmp_path):
    """Starts one beside a stand-in for cv_bridge of some behavior."""

    def make(behavior):
        model = color_segmentation(tmp_path / 'colors.onnx')
        process = node_process('seg_node', peer.namespace, model=str(model))
        process.environment['STANDIN_CV_BRIDGE'] = behavior
        paths = [str(STANDIN_CV_BRIDGE), os.environ.get('PYTHONPATH', '')]
        process.environment['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
        return start(process)

    return make


def of_color(encoding, *values, dtype=np.uint8):
    pixels = np.empty((HEIGHT, WIDTH, len(values)), dtype)
    pixels[:] = values
    return image_message(pixels[..., 0] if len(values) == 1 else pixels, encoding)


def class_of(mask):
    (found,) = np.unique(pixels_of(mask)).tolist()
    return found


def refused(peer, node, images, masks, make, told):
    """Send a message till the log tells of it; no mask may come of it."""
    sent = []
    peer.send_until(
        images,
        lambda: sent.append(make()) or sent[-1],
        lambda: log_lines(node, told),
        f'a line with {told}',
    )
    assert not any(with_stamp_of(masks, msg) for msg in sent)


def test_encodings_that_do_not_say_all(peer, seg_node):
    node = seg_node('crash')
    masks, images = peer.collect('mask', Image), peer.image_publisher()

    # What cv_bridge publishes when nobody names an encoding, said once for each.
    for _ in range(2):
        assert class_of(peer.ask(images, of_color('8UC3', 0, 0, 250), masks)) == RED
        assert class_of(peer.ask(images, of_color('8UC4', 0, 0, 250, 9), masks)) == RED
        assert class_of(peer.ask(images, of_color('8UC1', 0), masks)) == GRAY
    lines = complaints(node)
    assert len(lines) == 3
    for encoding, taken in (('8UC3', 'bgr8'), ('8UC4', 'bgra8'), ('8UC1', 'mono8')):
        (line,) = (line for line in lines if encoding in line)
        assert '[WARN]' in line
        assert f'image on /{peer.namespace}/image' not in line
        assert f'images on /{peer.namespace}/image are {encoding}' in line
        assert f'taken as {taken}. Have the publisher name the encoding' in line

    # 16 bits a pixel, once somebody says which values matter.
    def warm():
        return of_color('mono16', 31000, dtype=np.uint16)

    refused(
        peer,
        node,
        images,
        masks,
        warm,
        'set intensity_range to the values that become black and white',
    )
    answer = peer.set_parameter('seg_node', 'intensity_range', [5, 5])
    assert not answer.successful
    assert 'the first below the second' in answer.reason
    assert peer.set_parameter('seg_node', 'intensity_range', [30000, 31000]).successful
    assert class_of(peer.ask(images, warm(), masks)) == RED  # white: the first of equal channels
    cold = of_color('16UC1', 30001, dtype=np.uint16)
    assert class_of(peer.ask(images, cold, masks)) == GRAY
    swapped = of_color('mono16', np.uint16(31000).byteswap(), dtype=np.uint16)
    swapped.is_bigendian = 1
    assert class_of(peer.ask(images, swapped, masks)) == RED

    # A cv_bridge that takes a process down is kept out of this one.
    def deep():
        return of_color('rgb16', 64000, 0, 0, dtype=np.uint16)

    refused(peer, node, images, masks, deep, r'which cv_bridge converts, and that ends the proc')
    assert class_of(peer.ask(images, of_color('bgr8', 0, 0, 250), masks)) == RED


def test_colors_of_16_bits_by_cv_bridge(peer, seg_node):
    node = seg_node('works')
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    deep = of_color('rgb16', 64000, 0, 0, dtype=np.uint16)
    assert class_of(peer.ask(images, deep, masks)) == RED
    assert not complaints(node)
