"""A node with engines that TensorRT builds, on stand-ins: opened in one thread, closed in another.

TensorRT's runtime and pycuda are stand-ins, strict about threads and what is left on the GPU;
kernels run in an emulator, and a build gives what the stand-in loads. All else is real.
"""

import gc
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin_pycuda
from emulated_gpu import register_kernels
from nodes.support import image_message, pixels_of
from onnx_models import color_segmentation, detector, quantize_input
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

sys.path.append(str(Path(__file__).resolve().parents[1] / 'engines'))

import standin_tensorrt

from jetson_perception.engines.tensorrt import context as context_module
from jetson_perception.engines.tensorrt import opening as tensorrt_opening
from jetson_perception.engines.tensorrt.loading import LoadedEngines
from jetson_perception.errors import ModelError
from jetson_perception.nodes.seg_node import SegNode
from jetson_perception.nodes.yolo_node import YoloNode

VERSION = '10.3'


class StandInBuild:
    """Stands for `build_engine`, and remembers what it was asked for."""

    def __init__(self):
        self.precisions = {}
        self.dla_cores = {}
        self.builds = 0
        self.error = None

    def __call__(self, path, options, *, progress, cancel, **_):
        progress(0.43, 'timing tactics')
        self.precisions[path.name] = options.precision
        self.dla_cores[path.name] = options.dla_core
        self.builds += 1
        if self.error is not None:
            raise self.error
        return SimpleNamespace(plan=standin_tensorrt.make_plan(path, VERSION), notes=())


@pytest.fixture
def build(monkeypatch, tmp_path):
    cuda = standin_pycuda.install(monkeypatch)
    for name in ('preprocess', 'segmentation', 'yolo'):
        register_kernels(cuda, name)
    standin_tensorrt.install(monkeypatch, cuda, VERSION).standin.dla_cores = 2
    monkeypatch.setattr(context_module, 'loaded_engines', LoadedEngines())
    made = StandInBuild()
    monkeypatch.setattr(tensorrt_opening, 'build_engine', made)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    yield made
    gc.collect()
    cuda.check()


def test_masks_come_from_the_device_and_the_second_time_from_the_cache(peer, build, run, tmp_path):
    model = str(color_segmentation(tmp_path / 'colors.onnx'))
    run(SegNode, model=model, runtime='tensorrt')
    masks, images = peer.collect('mask', Image), peer.image_publisher()
    red = image_message(np.full((48, 64, 3), (0, 0, 250), np.uint8))
    answer = peer.ask(images, red, masks)
    assert (pixels_of(answer) == 1).all()
    assert answer.header == red.header
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert peer.change_state('seg_node', transition), transition
    green = image_message(np.full((48, 64, 3), (0, 250, 0), np.uint8))
    assert (pixels_of(peer.ask(images, green, masks)) == 2).all()
    assert build.precisions == {'colors.onnx': 'fp16'}
    assert build.builds == 1


def test_engines_of_two_precisions_side_by_side_one_of_them_on_a_dla(peer, build, run, tmp_path):
    def box(score):
        return [(32, 24, 20, 16, 0, score)]

    size = (64, 64)
    run(
        YoloNode,
        engines=['det', 'det_int8'],
        det__model=str(detector(tmp_path / 'det.onnx', box(0.9), size_wh=size)),
        det__runtime='tensorrt',
        det_int8__model=str(
            quantize_input(detector(tmp_path / 'quantized.onnx', box(0.8), size_wh=size))
        ),
        det_int8__runtime='tensorrt',
        det_int8__precision='int8',
        det_int8__dla_core=1,
    )
    found = [peer.collect(f'{name}/detections', Detection2DArray) for name in ('det', 'det_int8')]
    msg = image_message(np.zeros((48, 64, 3), np.uint8))
    answers = peer.ask(peer.image_publisher(), msg, *found)
    scores = [answer.detections[0].results[0].hypothesis.score for answer in answers]
    assert scores == pytest.approx([0.9, 0.8])
    assert build.precisions == {'det.onnx': 'fp16', 'quantized.onnx': 'int8'}
    assert build.dla_cores == {'det.onnx': -1, 'quantized.onnx': 1}


def test_a_failed_build_leaves_nothing_on_the_device(peer, build, run, tmp_path):
    build.error = ModelError('no memory for a tactic')
    run(SegNode, model=str(color_segmentation(tmp_path / 'colors.onnx')), runtime='tensorrt')
    status = peer.wait_for_status(
        'seg_node', lambda status: status.level == status.ERROR, 'the reason in diagnostics'
    )
    assert status.message == 'no memory for a tactic'
