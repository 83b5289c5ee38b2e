"""Nodes whose engines run on the GPU's stand-in, from image message to result message."""

import time

import numpy as np
import pytest
import rclpy
import standin_nvjpeg
from jetson_perception.msg import PipelineStats
from onnx_models import color_segmentation, detector
from pipeline.waiting import DEADLINE_S
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from standin_fixtures import gpu_with_engines
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from jetson_perception.errors import CudaError
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode
from jetson_perception.pipeline import CudaLane
from jetson_perception.ros import qos
from jetson_perception.ros.image_messages import ImageMessage, jpeg_message


@pytest.fixture
def standin(monkeypatch):
    with gpu_with_engines(monkeypatch, 'preprocess', 'segmentation', 'yolo') as standin:
        yield standin


class Peer:
    """A node under test and one that talks to it, in one executor."""

    def __init__(self, make, **parameters):
        self.context = Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        overrides = [
            Parameter(name.replace('__', '.'), value=value) for name, value in parameters.items()
        ]
        self.node = make(context=self.context, parameter_overrides=overrides)
        self.peer = rclpy.create_node('peer', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.peer)

    def state(self):
        return self.node._state_machine.current_state[1]

    def lanes(self):
        return self.node._pipeline.lanes

    def hear(self, topic, kind):
        messages = []
        self.peer.create_subscription(kind, topic, messages.append, qos.RESULTS)
        return messages

    def ask(self, topic, message, answers):
        """Publish until there is an answer; the first may be lost to discovery."""
        publisher = self.peer.create_publisher(type(message), topic, qos.IMAGE_INPUT)

        def answered():
            if not answers:
                publisher.publish(message)
            return bool(answers)

        self.spin_until(answered)
        return answers[-1]

    def spin_until(self, predicate):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if predicate():
                return
            self.executor.spin_once(timeout_sec=0.1)
        raise AssertionError(f'nothing came of it in {DEADLINE_S} s')

    def close(self):
        self.node.destroy_node()
        self.peer.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def start(standin):
    peers = []

    def make(node, **parameters):
        peers.append(Peer(node, **parameters))
        peers[-1].node.bring_up()
        peers[-1].spin_until(lambda: peers[-1].state() == 'active' and peers[-1].lanes())
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def header():
    return Header(frame_id='camera')


def test_detections_are_published_and_stats_name_the_gpu(start, tmp_path):
    path = detector(tmp_path / 'model.onnx', ((32, 32, 20, 10, 1, 0.75),), size_wh=(64, 64))
    peer = start(YoloNode, det__model=str(path), det__runtime='onnxruntime_cuda')
    assert all(isinstance(lane, CudaLane) for lane in peer.lanes())
    stats = peer.hear('det/stats', PipelineStats)
    answers = peer.hear('det/detections', Detection2DArray)
    pixels = np.zeros((96, 128), np.uint8)
    answer = peer.ask('image', ImageMessage().fill(pixels, 'mono8', header()), answers)
    assert answer.header == header()
    (found,) = answer.detections
    assert found.results[0].hypothesis.score == 0.75
    box = found.bbox
    assert (box.center.position.x, box.center.position.y) == (64, 48)
    assert (box.size_x, box.size_y) == (40, 20)
    # Upload and preprocessing are told of when their slot is used again.
    image = ImageMessage().fill(pixels, 'mono8', header())
    images = peer.peer.create_publisher(Image, 'image', qos.IMAGE_INPUT)

    def told():
        images.publish(image)
        return stats and 'upload' in {stage.name for stage in stats[-1].stages}

    peer.spin_until(told)
    assert {'upload', 'preprocess', 'inference', 'postprocess'} < {
        stage.name for stage in stats[-1].stages
    }
    (lane,) = (each for each in peer.node.diagnose() if each.name.endswith(': det'))
    assert 'upload median (ms)' in {value.key for value in lane.values}


def test_a_compressed_image_is_decoded_and_then_as_others(start, tmp_path):
    path = color_segmentation(tmp_path / 'colors.onnx')
    peer = start(
        SegNode, model=str(path), runtime='onnxruntime_cuda', image_transport='compressed'
    )
    answers = peer.hear('mask', Image)
    red = np.full((48, 64, 3), (0, 0, 250), np.uint8)
    message = jpeg_message(red, header())
    assert isinstance(message, CompressedImage)
    mask = peer.ask('image/compressed', message, answers)
    assert (np.frombuffer(mask.data, np.uint8) == 1).all()
    assert (mask.width, mask.height) == (64, 48)


@pytest.mark.parametrize(('wanted', 'times_on_cpu'), [('auto', 0), ('cpu', 1)])
def test_a_compressed_image_is_decoded_by_nvjpeg_unless_a_parameter_says_otherwise(
    start, standin, tmp_path, monkeypatch, wanted, times_on_cpu
):
    from jetson_perception.images import encodings

    library = standin_nvjpeg.install(monkeypatch, standin)
    by_cpu = []
    decode = encodings.decode_compressed
    monkeypatch.setattr(
        encodings, 'decode_compressed', lambda *args: by_cpu.append(args) or decode(*args)
    )
    path = color_segmentation(tmp_path / 'colors.onnx')
    peer = start(
        SegNode,
        model=str(path),
        runtime='onnxruntime_cuda',
        image_transport='compressed',
        jpeg_decoder=wanted,
    )
    answers = peer.hear('mask', Image)
    red = np.full((48, 64, 3), (0, 0, 250), np.uint8)
    mask = peer.ask('image/compressed', jpeg_message(red, header()), answers)
    assert (np.frombuffer(mask.data, np.uint8) == 1).all()
    assert min(len(by_cpu), 1) == times_on_cpu
    assert len(library.opened) == 1 - times_on_cpu


def test_the_annotated_image_is_converted_only_where_somebody_looks(start, tmp_path, monkeypatch):
    from jetson_perception.images import encodings

    conversions = []
    convert = encodings.to_bgr
    monkeypatch.setattr(
        encodings, 'to_bgr', lambda *args: conversions.append(args) or convert(*args)
    )
    path = detector(tmp_path / 'model.onnx', size_wh=(64, 64))
    peer = start(YoloNode, det__model=str(path), det__runtime='onnxruntime_cuda')
    answers = peer.hear('det/detections', Detection2DArray)
    pixels = np.zeros((48, 64, 3), np.uint8)
    image = ImageMessage().fill(pixels, 'rgb8', header())
    peer.ask('image', image, answers)
    assert not conversions
    annotated = peer.hear('annotated', Image)
    peer.ask('image', image, annotated)
    assert conversions
    assert annotated[-1].encoding == 'bgr8'


def test_a_gpu_that_fails_makes_the_node_inactive_and_it_ends_without_a_trace(
    start, tmp_path, monkeypatch
):
    path = detector(tmp_path / 'model.onnx', size_wh=(64, 64))
    peer = start(YoloNode, det__model=str(path), det__runtime='onnxruntime_cuda')
    (lane,) = peer.lanes()

    def fail(*_):
        raise CudaError('an illegal memory access', fatal=True)

    monkeypatch.setattr(lane.path, 'begin', fail)
    images = peer.peer.create_publisher(Image, 'image', qos.IMAGE_INPUT)
    image = ImageMessage().fill(np.zeros((48, 64, 3), np.uint8), 'bgr8', header())

    def inactive():
        images.publish(image)
        return peer.state() == 'inactive'

    peer.spin_until(inactive)
    assert peer.node._diagnose()[0].message == 'det stopped: an illegal memory access'


def test_a_model_is_opened_anew_while_images_come(start, tmp_path):
    path = detector(tmp_path / 'model.onnx', ((32, 32, 20, 10, 1, 0.75),), size_wh=(64, 64))
    peer = start(YoloNode, det__model=str(path), det__runtime='onnxruntime_cuda')
    (lane,) = peer.lanes()
    answers = peer.hear('det/detections', Detection2DArray)
    pixels = np.zeros((96, 128), np.uint8)
    peer.ask('image', ImageMessage().fill(pixels, 'mono8', header()), answers)
    for score, size_wh in ((0.5, (96, 32)), (0.875, (64, 64))):
        detector(path, ((32, 16, 20, 10, 1, score),), size_wh=size_wh)
        told = []
        peer.node.reloads.begin('det', lambda ok, text, told=told: told.append((ok, text)))
        peer.spin_until(lambda told=told: told)
        assert told[0][0], told
        assert 'engines on the GPU paused for' in told[0][1]
        assert peer.lanes() == (lane,)
        answers.clear()
        answer = peer.ask('image', ImageMessage().fill(pixels, 'mono8', header()), answers)
        assert answer.detections[0].results[0].hypothesis.score == score
