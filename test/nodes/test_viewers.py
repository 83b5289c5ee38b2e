"""Who only watches: what viewers get, and that none of them slows a node, in whatever state."""

import os
import signal
from itertools import pairwise
from statistics import median

import cv2
import numpy as np
import pytest
from nodes.support import (
    BEST_EFFORT,
    complaints,
    image_message,
    node_process,
    pixels_of,
    value_of,
    wait_for_exit,
    with_stamp_of,
)
from nodes.viewers import viewing
from onnx_models import COLOR_CLASSES, color_segmentation, detector
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from jetson_perception.drawing import draw_detections, draw_segmentation
from jetson_perception.nodes.camera_node import CameraNode
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.palette import palette
from jetson_perception.ros.image_messages import stamp_ns
from jetson_perception.tasks.results import Detections, Segmentation

SIZE_WH = (1280, 720)
#: In pixels of a 640×640 input, center, width and height; and corners in those of the image.
BOX = (200, 240, 200, 80, 0, 0.9)
BOX_XYXY = (200, 120, 600, 280)


def picture():
    """Noise, which compresses badly, with a red part."""
    noise = np.random.default_rng(1).integers(0, 60, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    noise[200:400, 300:700] = (20, 20, 220)
    return noise


class Robot:
    """A node that takes images, and the topic that answers each."""

    def __init__(self, peer, name, answers):
        self.peer, self.name, self.answers = peer, name, answers
        self.images = peer.image_publisher()

    def answer(self, *more):
        """Send an image; its answer, and those on more topics, given as lists that grow."""
        return self.peer.ask(self.images, image_message(picture()), self.answers, *more)

    def answer_until_heard(self, *viewers):
        """Send images until each viewer has heard something on all its topics."""
        for viewer in viewers:
            while not viewer.has_heard():
                self.answer()

    def set(self, name, value):
        """Set a parameter as `ros2 param set` does."""
        assert self.peer.set_parameter(self.name, name, value).successful


@pytest.fixture
def seg(peer, run, tmp_path):
    """A seg_node in this process."""
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    run(SegNode, model=model, draw_frame_rate=False)
    return Robot(peer, 'seg_node', peer.collect('mask', Image))


@pytest.fixture
def yolo(peer, run, tmp_path):
    """A yolo_node in this process."""
    model = str(detector(tmp_path / 'det.onnx', [BOX]))
    run(YoloNode, det__model=model, draw_frame_rate=False)
    return Robot(peer, 'yolo_node', peer.collect('det/detections', Detection2DArray))


def drawn_by_seg(canvas, mask):
    result = Segmentation(mask, np.bincount(mask.ravel(), minlength=len(COLOR_CLASSES)))
    draw_segmentation(canvas, result, palette(256), class_names=COLOR_CLASSES)


def drawn_by_yolo(canvas, factor):
    found = Detections(np.array([BOX_XYXY], np.float32) * factor, np.float32([0.9]), np.int32([0]))
    draw_detections(canvas, found, ['name_0', 'name_1'])


def reduced(width):
    """The picture as it is before anything is drawn."""
    height = max(round(SIZE_WH[1] * width / SIZE_WH[0]), 1)
    return cv2.resize(picture(), (width, height), interpolation=cv2.INTER_AREA)


def test_seg_node_draws_on_an_image_of_the_width_that_is_set(seg):
    """Texts are of the size that suits the small image: nothing is resized after drawing."""
    annotated = seg.peer.collect('annotated', Image)
    for width, expected in (
        (0, picture()),
        (320, reduced(320)),
        (500, reduced(500)),
        (1, reduced(1)),
        (4000, picture()),
    ):
        seg.set('annotated.width', width)
        mask, msg = seg.answer(annotated)
        assert (mask.width, mask.height) == SIZE_WH  # results are of the image
        drawn_by_seg(expected, pixels_of(mask))
        assert np.array_equal(pixels_of(msg).reshape(expected.shape), expected), width


def test_yolo_node_draws_on_an_image_of_the_width_that_is_set(yolo):
    annotated = yolo.peer.collect('annotated', Image)
    for width, expected in ((0, picture()), (320, reduced(320)), (1, reduced(1))):
        yolo.set('annotated.width', width)
        _, msg = yolo.answer(annotated)
        drawn_by_yolo(expected, expected.shape[1] / SIZE_WH[0])
        assert np.array_equal(pixels_of(msg).reshape(expected.shape), expected), width


def test_rate_and_quality_are_set_at_run_time(yolo):
    jpegs = yolo.peer.collect('annotated/compressed', CompressedImage)
    _, whole = yolo.answer(jpegs)
    yolo.set('annotated.compressed.jpeg_quality', 20)
    _, small = yolo.answer(jpegs)
    assert len(small.data) < len(whole.data) / 2

    yolo.set('annotated.rate', 0.001)
    yolo.answer()  # of this one there may be a picture, the first of a thousand seconds
    unseen = [yolo.answer() for _ in range(3)]
    yolo.set('annotated.rate', 0.0)
    yolo.answer(jpegs)
    # Pictures come in order: those before it would be here.
    assert [jpeg for answer in unseen for jpeg in with_stamp_of(jpegs, answer)] == []


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        pytest.param('annotated.rate', -1.0, id='negative_rate'),
        pytest.param('annotated.width', -1, id='negative_width'),
        pytest.param('annotated.compressed.jpeg_quality', 0, id='no_quality'),
        pytest.param('annotated.compressed.jpeg_quality', 101, id='more_than_all'),
    ],
)
def test_values_that_mean_nothing_are_refused(peer, run, name, value):
    run(SegNode)
    assert not peer.set_parameter('seg_node', name, value).successful


@pytest.mark.alone
def test_stopped_viewers_change_nothing(peer, start, tmp_path):
    """Neither for results nor for other viewers; nor when the node is told to end."""
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    process = start(node_process('seg_node', peer.namespace, model=model))
    seg, pictures = Robot(peer, 'seg_node', peer.collect('mask', Image)), 'seg_node: pictures'
    peer.wait_for_status(pictures, lambda told: 'nobody subscribes' in told.message, 'it')
    jpegs = peer.collect('annotated/compressed', CompressedImage)
    seg.answer(jpegs)
    with (
        viewing(peer, Image, 'mask', 'mask/color', 'annotated') as raw,
        viewing(peer, CompressedImage, 'annotated/compressed') as compressed,
    ):
        viewers = raw, compressed
        seg.answer_until_heard(*viewers)
        for viewer in viewers:
            viewer.stop()
        for _ in range(20):  # more than is kept for them
            seg.answer(jpegs)
        peer.wait_for_status(
            pictures, lambda told: int(value_of(told, 'annotated sent')) > 20, 'the count'
        )
        for viewer in viewers:
            viewer.go_on()
        seg.answer_until_heard(*viewers)

        for viewer in viewers:
            viewer.stop()
        seg.answer()
        peer.watched.remove(process)
        os.kill(process.pid, signal.SIGINT)
        assert wait_for_exit(process) == 0
        peer.watched.append(process)
    assert not complaints(process)


def noise(folder):
    """Parameters of a camera_node that shows a picture in a folder again and again."""
    cv2.imwrite(str(folder / 'noise.jpg'), picture())
    return {'source': f'images://{folder}', 'loop': True, 'wait_for_subscribers': 0}


class TestCamera:
    TOPICS = ('image_raw', 'image_raw/compressed', 'camera_info')

    def test_who_asks_for_reliable_images_gets_them(self, peer, run, tmp_path):
        """As rviz2 does; those who take them best effort are the other tests' peers."""
        run(CameraNode, frame_rate=20.0, **noise(tmp_path))
        heard = {
            topic: peer.collect(topic, kind)
            for topic, kind in zip(self.TOPICS, (Image, CompressedImage, CameraInfo), strict=True)
        }
        peer.wait_for(lambda: all(heard.values()), 'a message on each topic')

        # The JPEG's quality can be set meanwhile.
        jpegs = heard['image_raw/compressed']
        whole = len(jpegs[-1].data)
        name = 'image_raw.compressed.jpeg_quality'
        assert peer.set_parameter('camera_node', name, 20).successful
        peer.wait_for(lambda: len(jpegs[-1].data) < whole / 2, 'a smaller JPEG')

    @pytest.mark.parametrize('topic', TOPICS)
    def test_quality_of_service_can_be_set_for_each_topic_alone(self, peer, run, tmp_path, topic):
        cv2.imwrite(str(tmp_path / 'black.png'), np.zeros((4, 4, 3), np.uint8))
        override = f'qos_overrides./{peer.namespace}/{topic}.publisher.reliability'
        node = run(CameraNode, source=f'images://{tmp_path}', **{override: 'best_effort'})
        found = {
            each: info.qos_profile.reliability.name
            for each in self.TOPICS
            for info in node.get_publishers_info_by_topic(node.resolve_topic_name(each))
        }
        assert found == dict.fromkeys(self.TOPICS, 'RELIABLE') | {topic: 'BEST_EFFORT'}

    @pytest.mark.alone
    def test_a_stopped_viewer_does_not_slow_it(self, peer, start, tmp_path):
        parameters = noise(tmp_path)
        process = start(node_process('camera_node', peer.namespace, frame_rate=30.0, **parameters))
        infos = peer.collect('camera_info', CameraInfo, BEST_EFFORT)
        with (
            viewing(peer, Image, 'image_raw') as raw,
            viewing(peer, CompressedImage, 'image_raw/compressed') as compressed,
        ):
            for viewer in (raw, compressed):
                viewer.wait_until_it_hears()
                viewer.stop()
            infos.clear()
            peer.wait_for(lambda: len(infos) > 40, 'frames meanwhile')
            stamps_s = [stamp_ns(info.header) / 1e9 for info in infos]
            assert median(b - a for a, b in pairwise(stamps_s)) < 1.5 / 30
            for viewer in (raw, compressed):
                viewer.go_on()
                viewer.wait_until_it_hears()
                viewer.stop()
            peer.watched.remove(process)
            os.kill(process.pid, signal.SIGINT)
            assert wait_for_exit(process) == 0
            peer.watched.append(process)
        assert not complaints(process)
