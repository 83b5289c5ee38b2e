"""How often engines take an image: set at start and at run time, and counted."""

import cv2
import numpy as np
import pytest
from jetson_perception.msg import PipelineStats
from nodes.support import image_message, node_process, value_of
from onnx_models import color_segmentation, detector, pose_detector
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.ros import diagnostics
from jetson_perception.ros.image_messages import stamp_ns

COUNT = 24


class Asking:
    """Sends images one by one, each when the engine that takes all has answered the last."""

    def __init__(self, peer, of_all):
        self.peer, self.of_all = peer, of_all
        self.images = peer.image_publisher()
        self.sent = []

    def send(self, count):
        for _ in range(count):
            msg = image_message(np.zeros((48, 64, 3), np.uint8))
            self.peer.ask(self.images, msg, self.of_all)
            self.sent.append(stamp_ns(msg.header))


def stamps(messages):
    return [stamp_ns(msg.header) for msg in messages]


def test_each_engine_at_its_own_pace(peer, start, tmp_path):
    models = {
        'det__model': str(detector(tmp_path / 'det.onnx', [(32, 24, 20, 16, 0, 0.9)])),
        'pose__model': str(pose_detector(tmp_path / 'pose.onnx')),
    }
    settings = {'engines': ['det', 'pose'], 'pose__every': 3, **models}
    start(node_process('yolo_node', peer.namespace, **settings))
    names = ('det', 'pose')
    det, pose = (peer.collect(f'{name}/detections', Detection2DArray) for name in names)
    pictures = peer.collect('annotated', Image)
    stats = peer.collect('pose/stats', PipelineStats)
    asking = Asking(peer, det)
    asking.send(10)
    peer.wait_for(lambda: len(pose) >= 4, 'results of every third')
    assert set(stamps(pose)) < set(asking.sent)
    while len(pictures) <= len(pose):  # there are pictures without poses, too
        assert len(asking.sent) < 100  # a busy machine draws few
        asking.send(1)
    # An image that is sent again because its answer was late counts once more.
    sent = len(asking.sent)
    told = peer.wait_for(lambda: [s for s in stats if s.frames_received >= sent][-1:], 'stats')[0]
    assert told.frames_left_out == told.frames_received - told.frames_processed
    assert told.frames_processed == -(-told.frames_received // 3)
    assert told.frames_skipped == told.frames_lost == 0
    key = 'frames left out (enable, max_rate, every)'
    status = peer.wait_for_status(
        'yolo_node: pose', lambda status: value_of(status, key) != '0', 'frames left out'
    )
    assert status.level == diagnostics.OK

    assert peer.set_parameter('yolo_node', 'pose.every', 1).successful
    asking.send(3)
    peer.wait_for(lambda: set(asking.sent[-3:]) <= set(stamps(pose)), 'every result')
    assert peer.set_parameter('yolo_node', 'pose.max_rate', 0.001).successful
    before = len(pose)
    asking.send(10)
    assert len(pose) - before <= 1
    assert peer.set_parameter('yolo_node', 'pose.max_rate', 0.0).successful
    asking.send(1)
    peer.wait_for(lambda: stamps(pose)[-1] == asking.sent[-1], 'the newest result')
    for name, value in (('pose.every', 0), ('pose.max_rate', -1.0)):
        assert not peer.set_parameter('yolo_node', name, value).successful


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30, (64, 48))
    for index in range(COUNT):
        writer.write(np.full((48, 64, 3), (0, 0, 255 - index), np.uint8))
    writer.release()
    return path


def test_in_lockstep_what_is_left_out_is_answered(peer, start, video, tmp_path):
    source = {'source': f'file://{video}', 'every_frame': True, 'frame_rate': 0.0}
    start(node_process('camera_node', peer.namespace, **source))
    process = node_process(
        'seg_node',
        peer.namespace,
        model=str(color_segmentation(tmp_path / 'colors.onnx')),
        every_frame=True,
        every=4,
    )
    process.remappings['image'] = 'image_raw'
    start(process)
    stats = peer.collect('stats', PipelineStats)
    status = peer.wait_for_status(
        'camera_node: source', lambda status: value_of(status, 'state') == 'ended', 'ended'
    )
    assert value_of(status, 'frames published') == str(COUNT)
    of_seg = peer.wait_for(
        lambda: [s for s in stats if s.engine == 'segmentation' and s.frames_received == COUNT],
        'the last stats',
    )
    assert (of_seg[-1].frames_processed, of_seg[-1].frames_left_out) == (COUNT / 4, COUNT * 3 / 4)
