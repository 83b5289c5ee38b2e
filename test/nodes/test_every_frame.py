"""No frame is lost between camera_node and nodes with every_frame, whatever happens to them."""

import os
import signal

import cv2
import numpy as np
import pytest
from bags import write_bag
from jetson_perception.msg import FrameDone, PipelineStats
from nodes.support import BEST_EFFORT, EVERY_RESULT, begin, log_lines, node_process, value_of
from onnx_models import detector, slow_segmentation
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.ros.processes import running

COUNT = 44
SIZE_WH = (64, 48)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30, SIZE_WH)
    for index in range(COUNT):
        writer.write(np.full((48, 64, 3), (0, 0, 255 - index), np.uint8))
    writer.release()
    return path


def camera(peer, source, **parameters):
    parameters = {'source': source, 'every_frame': True, 'frame_rate': 0.0} | parameters
    return node_process('camera_node', peer.namespace, **parameters)


def taker(peer, executable, **parameters):
    """A node that handles every image of the camera beside it."""
    process = node_process(executable, peer.namespace, every_frame=True, **parameters)
    process.remappings.update({'image': 'image_raw', 'image/compressed': 'image_raw/compressed'})
    return process


class Listener:
    """The peer as another node that takes every image; others' results are heard from then on."""

    def __init__(self, peer, images='image_raw'):
        self.answers = peer.node.create_publisher(FrameDone, f'{images}/done', EVERY_RESULT)
        self.name = peer.node.get_fully_qualified_name()
        self.stamps = []
        peer.node.create_subscription(Image, images, self._on_image, EVERY_RESULT)

    def _on_image(self, msg):
        if stamp_ns(msg.header) not in self.stamps:
            self.stamps.append(stamp_ns(msg.header))
        self.answers.publish(FrameDone(header=msg.header, node=self.name))


def stamps(messages):
    return [stamp_ns(msg.header) for msg in messages]


def phase(peer, wanted):
    """Wait for a state of the camera's source; returns the status that tells of it."""
    return peer.wait_for_status(
        'camera_node: source', lambda status: value_of(status, 'state') == wanted, wanted
    )


def test_every_engine_of_every_node_handles_every_frame(peer, start, video, tmp_path):
    """At whatever pace: the camera waits for the slowest, though its file can be read at once."""
    node = start(camera(peer, f'file://{video}', wait_for_subscribers=3))
    masks = peer.collect('mask', Image)
    found = [peer.collect(f'{name}/detections', Detection2DArray) for name in ('small', 'large')]
    stats = peer.collect('stats', PipelineStats)
    model = slow_segmentation(tmp_path / 'slow.onnx', 30, size_wh=SIZE_WH)
    start(taker(peer, 'seg_node', model=str(model)))
    boxes = [(32, 24, 20, 16, 0, 0.9)]
    models = {
        'small__model': str(detector(tmp_path / 'small.onnx', boxes, size_wh=(64, 64))),
        'large__model': str(detector(tmp_path / 'large.onnx', boxes, size_wh=(640, 640))),
    }
    start(taker(peer, 'yolo_node', engines=['small', 'large'], **models))
    for name in ('seg_node', 'yolo_node'):
        peer.wait_for_state(name, 'active')
    assert peer.change_state('camera_node', 'deactivate')  # a wait ends with that, and goes on
    assert peer.change_state('camera_node', 'activate')
    takers = f'/{peer.namespace}/seg_node, /{peer.namespace}/yolo_node'
    wait = (
        f'waits for 3 nodes with every_frame: true, ready for /{peer.namespace}/image_raw; '
        f'there: {takers}'
    )
    peer.wait_for_log(node, f'WARN.*{wait}; since ')
    status = peer.wait_for_status(
        'camera_node: source', lambda status: status.level == diagnostics.WARN, 'the warning'
    )
    assert (status.message, value_of(status, 'state')) == (wait, 'waiting')
    listener = Listener(peer)
    status = phase(peer, 'ended')
    assert status.level == diagnostics.OK
    assert value_of(status, 'frames published') == str(COUNT)
    peer.wait_for(
        lambda: all(len(results) >= COUNT for results in (masks, *found)), 'every result'
    )
    assert len(set(listener.stamps)) == COUNT
    assert listener.stamps == sorted(listener.stamps)
    for results in (masks, *found):
        assert stamps(results) == listener.stamps
    of_seg = peer.wait_for(
        lambda: [s for s in stats if s.engine == 'segmentation' and s.frames_processed == COUNT],
        'the last stats',
    )
    assert of_seg[-1].frames_received == COUNT
    assert of_seg[-1].frames_skipped == of_seg[-1].frames_failed == 0


def test_a_node_that_leaves_in_the_middle_is_waited_for_and_continues(peer, start, tmp_path):
    """A bag of compressed images: under their recorded stamps, those unusable left out."""
    grays = [None if index == 7 else 100 for index in range(COUNT)]
    bag = write_bag(tmp_path / 'bag', grays, compressed=True)
    recorded = [1_700_000_000_000_000_007 + 20_000_000 * n for n in range(COUNT) if n != 7]
    start(camera(peer, f'bag://{bag}'))
    masks = peer.collect('mask', Image)
    model = slow_segmentation(tmp_path / 'slow.onnx', 30, size_wh=SIZE_WH)
    settings = {'image_transport': 'compressed', 'autostart': False}
    process = taker(peer, 'seg_node', model=str(model), **settings)
    with running(process, tmp_path / 'first.log') as first:
        begin(peer, 'seg_node')
        peer.wait_for(lambda: len(masks) >= 10, 'masks')
        os.kill(first.pid, signal.SIGKILL)  # DDS misses it only after a while
    status = phase(peer, 'waiting')
    assert 'waits for ' in status.message
    before = stamps(masks)
    assert before == recorded[: len(before)]

    seg = start(process)
    begin(peer, 'seg_node')
    peer.wait_for(lambda: len(set(stamps(masks))) >= len(before) + 5, 'more masks')
    assert peer.change_state('seg_node', 'deactivate')
    phase(peer, 'waiting')
    assert peer.change_state('seg_node', 'activate')
    phase(peer, 'ended')
    peer.wait_for(lambda: stamp_ns(masks[-1].header) == recorded[-1], 'the last mask')
    # One that was under way when a node went was perhaps published, and is handled again.
    assert sorted(set(stamps(masks))) == recorded
    assert len(masks) <= len(recorded) + 2
    assert stamps(masks) == sorted(stamps(masks))
    assert not log_lines(seg, 'ERROR')

    # What cannot be used is done with at once: who waits for it does not care what came of it.
    done = peer.collect('image_raw/done', FrameDone)
    images = peer.image_publisher('image_raw/compressed', CompressedImage, EVERY_RESULT)
    msg = CompressedImage(format='jpeg')
    msg.header.stamp.sec = 5
    peer.send_until(images, lambda: msg, lambda: done, 'the answer')
    assert done[0] == FrameDone(header=msg.header, node=f'/{peer.namespace}/seg_node')


def test_who_comes_late_sees_the_first_frame_of_a_file(peer, start, video):
    node = start(camera(peer, f'file://{video}', every_frame=False, frame_rate=50.0))
    status = phase(peer, 'waiting')
    assert status.level == diagnostics.OK
    assert 'waits for subscribers of ' in status.message
    images = peer.collect('image_raw', Image, BEST_EFFORT)
    phase(peer, 'ended')
    reds = [msg.data[2] for msg in images]
    assert abs(reds[0] - 255) <= 3
    assert log_lines(node, 'wait_for_subscribers')
