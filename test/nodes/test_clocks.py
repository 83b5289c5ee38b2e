"""Nodes whose clock is not the one that stamps their images, and nodes without the time."""

import time

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from jetson_perception.msg import PipelineStats
from nodes.support import image_message, log_lines, node_process, with_stamp_of
from onnx_models import color_segmentation
from sensor_msgs.msg import Image
from std_msgs.msg import Header


@pytest.fixture
def model(tmp_path):
    return str(color_segmentation(tmp_path / 'colors.onnx'))


def test_stamps_of_another_clock_are_reported_in_log_diagnostics_and_stats(peer, start, model):
    """By the log once, by diagnostics while it lasts; the stats have no such latencies."""
    seg = start(node_process('seg_node', peer.namespace, model=model))
    images, masks = peer.image_publisher(), peer.collect('mask', Image)
    stats = peer.collect('stats', PipelineStats)
    days_ago = int(time.time()) - 1000 * 86_400
    for number in range(3):
        stamp = Time(sec=days_ago, nanosec=number)
        msg = image_message(np.zeros((48, 64, 3), np.uint8), header=Header(stamp=stamp))
        peer.ask(images, msg, masks)
    status = peer.wait_for_status(
        'seg_node: segmentation', lambda status: status.level == status.WARN, 'a warning'
    )
    assert ' are 1000 days behind this machine' in status.message
    assert status.message in peer.wait_for_log(seg, 'WARN.*stamps of')
    peer.wait_for(lambda: with_stamp_of(stats, msg), 'stats')
    names = {stage.name for stage in with_stamp_of(stats, msg)[-1].stages}
    assert 'inference' in names
    assert not names & {'transport', 'total'}
    peer.ask(images, image_message(np.zeros((48, 64, 3), np.uint8)), masks)
    peer.wait_for_status(
        'seg_node: segmentation', lambda status: status.level == status.OK, 'the end of it'
    )
    assert len(log_lines(seg, 'WARN.*stamps of')) == 1


def test_without_clock_every_node_says_that_it_is_missing(peer, start, model):
    nodes = {
        'seg_node': start(
            node_process('seg_node', peer.namespace, model=model, use_sim_time=True)
        ),
        'camera_node': start(
            node_process(
                'camera_node', peer.namespace, source='scene://oranges', use_sim_time=True
            )
        ),
    }
    told = 'use_sim_time is set, but nobody publishes /clock'
    for name, process in nodes.items():
        peer.wait_for_log(process, f'WARN.*{told}')
        peer.wait_for_status(
            name, lambda status: status.level == status.WARN and told in status.message, told
        )
    images, masks = peer.image_publisher(), peer.collect('mask', Image)
    # As a camera stamps its images that has no time either.
    peer.ask(images, image_message(np.zeros((48, 64, 3), np.uint8), header=Header()), masks)
    peer.wait_for_status(
        'seg_node: segmentation', lambda status: told in status.message, 'the lane saying so'
    )
    assert log_lines(nodes['seg_node'], 'no stamp') == []
